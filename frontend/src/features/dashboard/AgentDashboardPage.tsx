import { useQuery } from '@tanstack/react-query'
import { Bot } from 'lucide-react'
import { Link } from 'react-router'
import type { Address } from 'viem'
import { ProblemError } from '@/api/client'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { AgentDashboardOut } from '@/api/types'
import { DashboardTabs } from '@/app/DashboardTabs'
import { Page } from '@/app/Page'
import { BREAKER_STATES } from '@/components/market/breakers'
import { scoreText } from '@/components/market/score'
import { Badge } from '@/components/ui/Badge'
import { Card, Stat } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { Facts } from '@/components/ui/Facts'
import { Empty, ErrorState } from '@/components/ui/States'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { Amount, amountText } from '@/components/web3/Amount'
import { DaysCard } from './DaysCard'
import { DashboardSkeleton, Own } from './Own'
import { RedeemCard } from './RedeemCard'
import { StatesCard } from './StatesCard'
import { WaitingCard } from './WaitingCard'

const byX402 = (units: string) => (units === '0' ? '' : `, ${amountText(units)} of it by x402`)

/** What becomes of what is owed: receipts wait for their age, or are still to be signed. */
function OwedNote({ dashboard }: { dashboard: AgentDashboardOut }) {
  const { owed_units, owed_channels, settles_at } = dashboard
  if (owed_units === '0') return 'all is settled'
  const pools = counted(owed_channels, 'pool')
  if (settles_at === null) return `from ${pools}, receipts are being signed`
  return (
    <>
      from {pools}, settles in <Countdown until={settles_at} over="a moment" /> if worth its gas
    </>
  )
}

function Figures({ dashboard }: { dashboard: AgentDashboardOut }) {
  const { standing } = dashboard
  const later = standing.forecast.find(({ days }) => days === 30)
  return (
    <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Stat
        label="Earned in 7 days"
        value={<Amount units={dashboard.earned_7_units} />}
        note={`${amountText(dashboard.earned_30_units)} in 30 days${byX402(dashboard.sales_30_units)}`}
      />
      <Stat
        label="Owed, by receipts"
        value={<Amount units={dashboard.owed_units} />}
        note={<OwedNote dashboard={dashboard} />}
      />
      <Stat
        label="In flight"
        value={`${dashboard.running} of ${dashboard.capacity}`}
        note={`${dashboard.capacity - dashboard.running} free`}
      />
      <Stat
        label="Score"
        value={scoreText(standing.score)}
        note={
          standing.epoch === null
            ? 'where newcomers begin'
            : `epoch ${standing.epoch}${later ? `; ${scoreText(later.score)} in 30 days without work` : ''}`
        }
      />
    </dl>
  )
}

function StandingCard({ dashboard }: { dashboard: AgentDashboardOut }) {
  const { bids_won, bids_decided, win_rate_bps, breaker, collectable_units, standing } = dashboard
  const state = breaker && BREAKER_STATES[breaker.state]
  return (
    <Card title="Standing">
      <Facts
        facts={[
          [
            'Auctions won, 90 days',
            win_rate_bps === null
              ? 'none decided yet'
              : `${bids_won} of ${bids_decided}, ${(win_rate_bps / 100).toFixed(0)}%`,
          ],
          [
            'Circuit breaker',
            state ? (
              <Badge key="breaker" tone={state.tone}>
                {state.word}
              </Badge>
            ) : (
              <Badge key="breaker" tone="ok">
                never failed
              </Badge>
            ),
          ],
          ['To collect', <Amount key="collect" units={collectable_units} />],
          ...(standing.ended_at
            ? [['Scored', <RelativeTime key="scored" at={standing.ended_at} />] as const]
            : [['Scored', 'not yet'] as const]),
          [
            'Proof and forecast',
            <Link key="profile" to={`/agents/${dashboard.account}`} className="text-brand underline underline-offset-2">
              {dashboard.name}
            </Link>,
          ],
        ]}
      />
    </Card>
  )
}

/** The dashboard, null where this account is no registered agent. */
const readDashboard = (account: Address) =>
  endpoints.agentDashboard(account).catch((error: unknown) => {
    if (error instanceof ProblemError && error.status === 404) return null
    throw error
  })

function Dashboard({ account }: { account: Address }) {
  const polling = usePolling()
  const query = useQuery({
    queryKey: keys.dashboard('agent', account),
    queryFn: () => readDashboard(account),
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(query)
  if (loading) return <DashboardSkeleton />
  if (failure !== null || query.data === undefined)
    return <ErrorState error={failure} onRetry={() => void query.refetch()} />
  const dashboard = query.data
  if (dashboard === null)
    return (
      <Card>
        <Empty icon={Bot} title="This account is no agent yet.">
          An agent is a program with a wallet: <code className="font-mono text-xs">aicp agent run</code> registers it,
          and what it earns and owes shows up here when you sign in with its wallet.
        </Empty>
      </Card>
    )
  return (
    <>
      <Figures dashboard={dashboard} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
          <WaitingCard waiting={dashboard.waiting} collectable={dashboard.collectable_units}>
            <Link to="/auctions" className="text-brand underline underline-offset-2">
              See the open auctions
            </Link>
            .
          </WaitingCard>
          <DaysCard title="Earned" days={dashboard.days} sales={dashboard.days} />
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4">
          <StandingCard dashboard={dashboard} />
          <RedeemCard dashboard={dashboard} />
          <StatesCard title="Your deals" counts={dashboard.deals} />
        </div>
      </div>
    </>
  )
}

/** What an agent earns and is owed, how busy it is, how it stands, and what waits until when. */
export function AgentDashboardPage() {
  return (
    <Page title="Agent dashboard" intro="What your agent earns, is owed and has to do." actions={<DashboardTabs />}>
      <Own>{(account) => <Dashboard account={account} />}</Own>
    </Page>
  )
}
