import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useEffect, useRef } from 'react'
import { Link, useLocation, useNavigate, useParams } from 'react-router'
import type { Address as Account } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { DealOut, DealRole, IntentOut } from '@/api/types'
import { Page } from '@/app/Page'
import { formatRate } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { roleOf } from '@/chain/roles'
import { useReader } from '@/chain/useAccess'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Facts } from '@/components/ui/Facts'
import { ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown } from '@/components/ui/Time'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { SignedIn } from '@/components/web3/SignedIn'
import { IntentStateBadge, PathBadge, TaskStateBadge } from '@/components/web3/StateBadge'
import { ESCROW_STATES } from '@/components/web3/states'
import { ChainNote, TxLink } from '@/components/web3/TxLink'
import { ActionPanel } from './ActionPanel'
import { DisputePanel } from './DisputePanel'
import { readDeal } from './lib/read'
import { useDealActions } from './lib/useDealActions'
import { useDisputeActions } from './lib/useDisputeActions'
import { QuorumCard } from './QuorumCard'
import { RatingsCard } from './Ratings'
import { ResultFiles } from './ResultFiles'
import { SplitCard } from './SplitCard'
import { Timeline } from './Timeline'

function Parties({ deal, role }: { deal: DealOut; role: DealRole }) {
  const facts: [string, ReactNode][] = [
    ['Buyer', <Address key="buyer" address={deal.buyer} you={role === 'buyer'} copy />],
    ['Agent', <Address key="agent" address={deal.agent} name={deal.agent_name} you={role === 'agent'} copy />],
  ]
  if (deal.verifier)
    facts.push(['Verifier', <Address key="verifier" address={deal.verifier} you={role === 'verifier'} copy />])
  return (
    <Card title="Parties">
      <Facts facts={facts} />
    </Card>
  )
}

function Money({ deal }: { deal: DealOut }) {
  const facts: [string, ReactNode][] = [
    ['Price', <Amount key="price" units={deal.price_units} className="font-semibold" />],
  ]
  if (deal.escrow) {
    const rate = formatRate(deal.escrow.terms.fee_bps)
    const unpaid = deal.escrow.chain_status === 'closed' && deal.escrow.released_units === '0'
    if (!unpaid)
      facts.push([`Marketplace fee (${rate}), paid by the agent`, <Amount key="fee" units={deal.fee_units} />])
    facts.push([
      'Escrow',
      <Badge key="status" tone="chain">
        {ESCROW_STATES[deal.escrow.chain_status]}
      </Badge>,
    ])
    if (deal.escrow.released_units !== '0')
      facts.push(['Released', <Amount key="released" units={deal.escrow.released_units} />])
    if (deal.escrow.refunded_units !== '0')
      facts.push(['Refunded', <Amount key="refunded" units={deal.escrow.refunded_units} />])
    if (deal.escrow.chain_status === 'submitted' && deal.escrow.challenge_ends_at)
      facts.push(['Time to check ends', <Countdown key="clock" until={deal.escrow.challenge_ends_at} over="over" />])
    if (deal.escrow.chain) facts.push(['Newest entry', <ChainNote key="chain" chain={deal.escrow.chain} />])
  }
  if (deal.channel) {
    facts.push(['Free in your pool', <Amount key="free" units={deal.channel.available_units} />])
    facts.push(['Earned by this agent', <Amount key="earned" units={deal.channel.earned_units} />])
  }
  if (deal.last_intent)
    facts.push([
      'Last transaction',
      <span key="intent" className="inline-flex items-center gap-2">
        <IntentStateBadge state={deal.last_intent.state as IntentOut['state']} />
        {deal.last_intent.tx_hash && <TxLink hash={deal.last_intent.tx_hash} />}
      </span>,
    ])
  return (
    <Card title="Money" aside={<PathBadge path={deal.path} />}>
      <Facts facts={facts} />
    </Card>
  )
}

function TaskText({ deal }: { deal: DealOut }) {
  return (
    <Card
      title="The task"
      aside={
        <Link to={`/tasks/${deal.task_id}`} className="text-xs text-brand underline underline-offset-2">
          See the auction
        </Link>
      }
    >
      <p className="break-words whitespace-pre-wrap">{deal.description}</p>
      {deal.input_files.length > 0 && (
        <p className="mt-2 text-xs text-muted">Input: {deal.input_files.map((file) => file.name).join(', ')}</p>
      )}
    </Card>
  )
}

/** Right after an award by this reader, orders that very bid once; a reload or another bid needs a click. */
function useOrderOnce(deal: DealOut, order: () => void) {
  const location = useLocation()
  const navigate = useNavigate()
  const done = useRef(false)
  const wanted = (location.state as { orderBid?: string } | null)?.orderBid
  const may = deal.actions.some((action) => action.name === 'order' && action.who === 'buyer' && action.allowed)
  useEffect(() => {
    if (done.current || !may || wanted !== deal.award.bid_hash) return
    done.current = true
    void navigate('.', { replace: true, state: null })
    order()
  }, [may, wanted, deal.award.bid_hash, navigate, order])
}

function Deal({ deal, role }: { deal: DealOut; role: DealRole }) {
  const polling = usePolling()
  const steps = useDealActions(deal)
  const disputes = useDisputeActions(deal, role)
  useOrderOnce(deal, steps.order.mutate)
  const timeline = useQuery({
    queryKey: keys.timeline(deal.id),
    queryFn: () => endpoints.timeline(deal.id),
    // finality grows without an event of its own
    refetchInterval: ({ state }) =>
      state.data?.some((item) => item.finality && item.finality !== 'final') ? 4000 : polling,
  })
  const history = useOutcome(timeline)
  return (
    <Page
      title={deal.title}
      intro={
        <>
          {deal.current ? <TaskStateBadge state={deal.state} /> : <Badge tone="neutral">Ended</Badge>}
          <PathBadge path={deal.path} />
          <LiveBadge />
        </>
      }
    >
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
          <ActionPanel deal={deal} role={role} steps={steps} disputes={disputes} />
          {deal.escrow && <SplitCard deal={deal} role={role} steps={disputes} />}
          {deal.escrow && <DisputePanel deal={deal} role={role} />}
          {deal.deliverable && (
            <ResultFiles deliverable={deal.deliverable} submitted={deal.escrow?.deliverable_hash ?? null} />
          )}
          {!deal.deliverable && deal.escrow?.deliverable_hash && (
            <Notice tone="bad">
              The agent submitted a result on chain, but its files are not here. Do not release before you have them.
            </Notice>
          )}
          <Card title="Timeline">
            {history.loading && <SkeletonRows label="Loading the timeline" />}
            {history.failure !== null && <ErrorState error={history.failure} onRetry={() => void timeline.refetch()} />}
            {timeline.data && <Timeline items={timeline.data} />}
          </Card>
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4">
          <Money deal={deal} />
          {deal.escrow && <QuorumCard deal={deal} role={role} />}
          {deal.escrow && <RatingsCard deal={deal} />}
          <Parties deal={deal} role={role} />
          <TaskText deal={deal} />
        </div>
      </div>
    </Page>
  )
}

interface DealLoaderProps {
  dealId: string
  reader: Account
}

function DealLoader({ dealId, reader }: DealLoaderProps) {
  const network = useNetwork()
  const polling = usePolling()
  const deal = useQuery({
    queryKey: keys.deal(dealId),
    queryFn: () => readDeal(network, dealId, reader),
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(deal)
  if (loading) return <SkeletonRows label="Loading the deal" rows={6} />
  if (failure !== null || !deal.data) return <ErrorState error={failure} onRetry={() => void deal.refetch()} />
  return <Deal deal={deal.data} role={roleOf(deal.data, reader)} />
}

/** One deal for its buyer, its agent or its verifier: what to do now, the result, the timeline, the money, the parties. */
export function DealPage() {
  const { dealId = '' } = useParams()
  const reader = useReader()
  if (reader) return <DealLoader dealId={dealId} reader={reader} />
  return (
    <Page title="Deal">
      <SignedIn title="A deal is shown to its parties and its verifier only.">{() => null}</SignedIn>
    </Page>
  )
}
