import type { ReactNode } from 'react'
import type { TaskOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Facts } from '@/components/ui/Facts'
import { Meter } from '@/components/ui/Meter'
import { Amount } from '@/components/web3/Amount'
import { rulesOf, TERMS } from './lib/words'

/** What the buyer fixed about the auction when posting: all of it is in the task hash that every bid signs for. */
export function RuleCard({ task }: { task: TaskOut }) {
  const { award_weights: weights } = task
  const facts: (readonly [string, ReactNode])[] = [
    ...rulesOf(task),
    ...(task.reserve_units
      ? [['Reserve price: the rule takes nothing above', <Amount key="reserve" units={task.reserve_units} />] as const]
      : []),
    ...(task.buy_now_units
      ? [
          [
            'Buy-now price',
            <span key="now" className="inline-flex flex-wrap items-center justify-end gap-2">
              <Amount units={task.buy_now_units} />
              {task.buy_now_signed ? <Badge tone="ok">signed</Badge> : <Badge tone="warn">not signed yet</Badge>}
            </span>,
          ] as const,
        ]
      : []),
  ]
  return (
    <Card title="The auction">
      <Facts facts={facts} />
      {weights && (
        <div className="mt-3 grid grid-cols-1 gap-2.5 border-t border-line pt-3">
          <h3 className="text-xs text-muted">What counts, of 100 points</h3>
          {TERMS.map(([name, word, why]) => (
            <Meter
              key={name}
              label={`${word}: ${why}`}
              text={formatRate(weights[name])}
              share={weights[name] / 10_000}
            />
          ))}
        </div>
      )}
    </Card>
  )
}
