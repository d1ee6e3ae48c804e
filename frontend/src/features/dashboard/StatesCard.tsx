import type { BuyerDashboardOut } from '@/api/types'
import { Card } from '@/components/ui/Card'
import { TaskStateBadge } from '@/components/web3/StateBadge'

type Counts = BuyerDashboardOut['tasks']

/** How many tasks stand in each state. */
export function StatesCard({ title, counts }: { title: string; counts: Counts }) {
  return (
    <Card title={title}>
      {counts.length === 0 ? (
        <p className="text-muted">None yet.</p>
      ) : (
        <ul aria-label={title} className="grid gap-2">
          {counts.map(({ state, count }) => (
            <li key={state} className="flex items-center justify-between gap-3">
              <TaskStateBadge state={state} />
              <span className="tabular-nums">{count}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
