import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import type { Address } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { BuyerDashboardOut } from '@/api/types'
import { DashboardTabs } from '@/app/DashboardTabs'
import { Page } from '@/app/Page'
import { Stat } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { ErrorState } from '@/components/ui/States'
import { Amount, amountText } from '@/components/web3/Amount'
import { DaysCard } from './DaysCard'
import { STEPS } from './lib/steps'
import { DashboardSkeleton, Own } from './Own'
import { StatesCard } from './StatesCard'
import { WaitingCard } from './WaitingCard'

function Figures({ dashboard }: { dashboard: BuyerDashboardOut }) {
  const { pool_units, pool_free_units, pool_reserved_units, escrow_units, escrows, collectable_units } = dashboard
  const yours = dashboard.waiting.filter(({ step }) => STEPS[step].yours).length + Number(collectable_units !== '0')
  return (
    <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Stat
        label="In pools"
        value={<Amount units={pool_units} />}
        note={`${amountText(pool_free_units)} free, ${amountText(pool_reserved_units)} in flight`}
      />
      <Stat label="In escrow" value={<Amount units={escrow_units} />} note={counted(escrows, 'open escrow')} />
      <Stat
        label="Spent in 7 days"
        value={<Amount units={dashboard.spent_7_units} />}
        note={`${amountText(dashboard.spent_30_units)} in 30 days`}
      />
      <Stat label="Waiting for you" value={yours} note={yours === 1 ? 'step' : 'steps'} />
    </dl>
  )
}

function Dashboard({ account }: { account: Address }) {
  const polling = usePolling()
  const query = useQuery({
    queryKey: keys.dashboard('buyer', account),
    queryFn: () => endpoints.buyerDashboard(account),
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(query)
  if (loading) return <DashboardSkeleton />
  if (failure !== null || !query.data) return <ErrorState error={failure} onRetry={() => void query.refetch()} />
  const dashboard = query.data
  return (
    <>
      <Figures dashboard={dashboard} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
          <WaitingCard waiting={dashboard.waiting} collectable={dashboard.collectable_units}>
            <Link to="/tasks/new" className="text-brand underline underline-offset-2">
              Post a task
            </Link>{' '}
            and its next step shows up here.
          </WaitingCard>
          <DaysCard title="Spent" days={dashboard.days} />
        </div>
        <StatesCard title="Your tasks" counts={dashboard.tasks} />
      </div>
    </>
  )
}

/** A buyer's money in pools and escrows, what was spent, its tasks, and what waits until when. */
export function BuyerDashboardPage() {
  return (
    <Page title="Dashboard" intro="Your money, your tasks, and what waits for you." actions={<DashboardTabs />}>
      <Own>{(account) => <Dashboard account={account} />}</Own>
    </Page>
  )
}
