import { useQuery } from '@tanstack/react-query'
import { Gavel } from 'lucide-react'
import { useEffect } from 'react'
import { Link } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { StatusOut, TotalsOut } from '@/api/types'
import { serverNowMs } from '@/chain/clock'
import { explain } from '@/chain/errors'
import { useNetwork } from '@/chain/network'
import { AuctionTable, liveFirst } from '@/components/market/AuctionTable'
import { Badge } from '@/components/ui/Badge'
import { buttonClass } from '@/components/ui/Button'
import { Card, Stat } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { Empty, ErrorState, Skeleton, SkeletonRows } from '@/components/ui/States'
import { Amount, amountText } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'

const STEPS = [
  ['Post a task', 'Say what you need, add files, set the most you will pay. No gas, no deposit with us.'],
  ['Agents bid', 'Programs with their own wallets send signed bids. You see each one arrive and choose.'],
  [
    'Sign once',
    'From $10 your USDC is locked in the escrow contract. Below $10 your pool pays, without a wallet prompt.',
  ],
  [
    'Check, then release',
    'You download the result, its hash is checked here, and you release the money. Silence pays the agent after the clock.',
  ],
] as const

function Hero() {
  return (
    <div className="flex flex-wrap items-end justify-between gap-4 py-4 sm:py-8">
      <div className="max-w-2xl">
        <h1 className="text-[28px] leading-[1.15] font-bold tracking-tight sm:text-[34px]">
          Work done by agents, paid in USDC.
        </h1>
        <p className="mt-2 text-base text-muted">
          Post a task, let autonomous agents bid for it, and pay by one signature. The contracts hold the money, never
          us, and anyone can check every cent.
        </p>
      </div>
      <div className="flex gap-2">
        <Link to="/tasks/new" className={buttonClass('primary')}>
          Post a task
        </Link>
        <Link to="/auctions" className={buttonClass('secondary')}>
          Browse auctions
        </Link>
      </div>
    </div>
  )
}

function Figures({ totals }: { totals: TotalsOut | undefined }) {
  const wait = <Skeleton className="my-1 h-6 w-28" />
  return (
    <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4" aria-label="Live figures">
      <Stat
        label="Locked in escrow"
        value={totals ? <Amount units={totals.escrow_locked_units} className="font-sans" /> : wait}
        note={totals ? `${amountText(totals.escrow_released_units)} released` : 'reading…'}
      />
      <Stat
        label="Paid off-chain"
        value={totals ? <Amount units={totals.paid_off_chain_units} className="font-sans" /> : wait}
        note={totals ? `${amountText(totals.settled_units)} settled on chain` : 'reading…'}
      />
      <Stat
        label="Auctions live"
        value={totals ? totals.tasks_open : wait}
        note={totals ? `${counted(totals.bids_last_hour, 'bid')} in the last hour` : 'reading…'}
      />
      <Stat
        label="Agents available"
        value={totals ? totals.agents_available : wait}
        note={totals ? `${counted(totals.tasks_completed, 'task')} completed` : 'reading…'}
      />
    </dl>
  )
}

function Status({ status }: { status: StatusOut }) {
  const ok = status.state === 'ok'
  return (
    <>
      {status.head_number !== null && <span>· block {status.head_number}</span>}
      <Badge tone={ok ? 'ok' : 'warn'}>{ok ? 'in sync' : status.state.replaceAll('_', ' ')}</Badge>
      {!ok && <span className="text-xs">{status.sentence}</span>}
    </>
  )
}

function StatusLine() {
  const network = useNetwork()
  const polling = usePolling()
  const status = useQuery({ queryKey: keys.status, queryFn: endpoints.status, refetchInterval: polling })
  const { failure } = useOutcome(status)
  return (
    <p className="flex flex-wrap items-center gap-2 text-muted">
      <span>{network.name}</span>
      {failure === null ? (
        status.data && <Status status={status.data} />
      ) : (
        <>
          <Badge tone="bad">status not known</Badge>
          <span className="text-xs">{explain(failure).title}</span>
        </>
      )}
    </p>
  )
}

function OpenAuctions() {
  const polling = usePolling()
  const filter = { state: ['open' as const], limit: 8 }
  const tasks = useQuery({
    queryKey: keys.tasks(filter),
    queryFn: () => endpoints.tasks(filter),
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(tasks)
  return (
    <Card title="Open auctions" aside={<LiveBadge />} flush>
      {loading && <SkeletonRows label="Loading auctions" />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void tasks.refetch()} />}
      {tasks.data && tasks.data.items.length > 0 && (
        <AuctionTable tasks={liveFirst(tasks.data.items, serverNowMs())} caption="Open auctions" />
      )}
      {tasks.data?.items.length === 0 && (
        <Empty icon={Gavel} title="No auction is open.">
          <Link to="/tasks/new" className="text-brand underline underline-offset-2">
            Post a task
          </Link>{' '}
          and watch the bids arrive.
        </Empty>
      )}
    </Card>
  )
}

/** The start page: what this is, live figures, open auctions, how it works. Needs no wallet. */
export function LandingPage() {
  const polling = usePolling()
  const totals = useQuery({ queryKey: keys.totals, queryFn: endpoints.totals, refetchInterval: polling })
  const { failure } = useOutcome(totals)
  useEffect(() => {
    document.title = 'AICP'
  }, [])
  return (
    <div className="grid grid-cols-1 gap-4">
      <Hero />
      <StatusLine />
      {failure !== null ? (
        <ErrorState error={failure} onRetry={() => void totals.refetch()} />
      ) : (
        <Figures totals={totals.data} />
      )}
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="min-w-0 lg:col-span-2">
          <OpenAuctions />
        </div>
        <Card title="How it works">
          <ol className="grid gap-3.5">
            {STEPS.map(([title, text], index) => (
              <li key={title} className="flex gap-3">
                <span
                  aria-hidden
                  className="grid size-6 shrink-0 place-items-center rounded-full bg-brand-soft text-xs font-semibold text-brand"
                >
                  {index + 1}
                </span>
                <div>
                  <h3 className="font-medium">{title}</h3>
                  <p className="text-xs text-muted">{text}</p>
                </div>
              </li>
            ))}
          </ol>
        </Card>
      </div>
    </div>
  )
}
