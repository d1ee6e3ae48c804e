import { LayoutDashboard } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Address } from 'viem'
import { useOutcome } from '@/api/outcome'
import { useSession } from '@/api/session'
import { Card } from '@/components/ui/Card'
import { Empty, ErrorState, Skeleton } from '@/components/ui/States'
import { ConnectionButton } from '@/components/web3/ConnectionButton'

/** As high as the figures and the first card of a dashboard, so that nothing moves when they come. */
export function DashboardSkeleton() {
  return (
    <div role="status" className="grid gap-4">
      <span className="sr-only">Loading the dashboard</span>
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {['first', 'second', 'third', 'fourth'].map((key) => (
          <Skeleton key={key} className="h-26" />
        ))}
      </div>
      <Skeleton className="h-64" />
    </div>
  )
}

/** What is shown to the account that is signed in; others are asked to sign in. */
export function Own({ children }: { children: (account: Address) => ReactNode }) {
  const session = useSession()
  const { loading, failure } = useOutcome(session)
  if (loading) return <DashboardSkeleton />
  if (failure !== null) return <ErrorState error={failure} onRetry={() => void session.refetch()} />
  if (session.data) return children(session.data.address as Address)
  return (
    <Card>
      <Empty icon={LayoutDashboard} title="A dashboard is its owner's.">
        <div className="grid gap-3">
          <p>Sign in with your wallet to see your money, your tasks and what waits for you.</p>
          <ConnectionButton label="Show it" onAct={() => void session.refetch()} />
        </div>
      </Empty>
    </Card>
  )
}
