import { Hourglass } from 'lucide-react'
import { useRef } from 'react'
import { Link } from 'react-router'
import { type Address as Account, isAddressEqual } from 'viem'
import type { BidOut, TaskOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { chooseRoute } from '@/chain/route'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { cn } from '@/components/ui/cn'
import { counted } from '@/components/ui/counted'
import { Empty } from '@/components/ui/States'
import { formatDuration } from '@/components/ui/Time'
import { Address, shortAddress } from '@/components/web3/Address'
import { Amount, amountText } from '@/components/web3/Amount'
import { PathBadge } from '@/components/web3/StateBadge'
import { useSteadyOrder } from './lib/useSteadyOrder'

interface BidBookProps {
  task: TaskOut
  bids: readonly BidOut[]
  reader: Account | undefined
  /** Present when the reader may award. */
  onAward: ((bid: BidOut) => void) | undefined
  awarding: string | null
  /** Present when the reader may take bids of his own back. */
  onWithdraw: ((bid: BidOut) => void) | undefined
  withdrawing: string | null
}

/** Hashes that were not in the list when the page first showed it: only those flash. */
function useNewcomers(bids: readonly BidOut[]): (hash: string) => boolean {
  const first = useRef<Set<string> | null>(null)
  first.current ??= new Set(bids.map((bid) => bid.bid_hash))
  const known = first.current
  return (hash) => !known.has(hash)
}

type RowProps = Omit<BidBookProps, 'bids'> & { bid: BidOut; best: boolean; fresh: boolean }

function RowActions({ bid, reader, onAward, awarding, onWithdraw, withdrawing }: RowProps) {
  const about = `${bid.agent_name ?? shortAddress(bid.agent)} for ${amountText(bid.amount_units)}`
  const own = reader !== undefined && isAddressEqual(reader, bid.agent as Account)
  if (!bid.live) return null
  return (
    <>
      {onAward && (
        <Button
          aria-label={`Award to ${about}`}
          busy={awarding === bid.bid_hash}
          disabled={awarding !== null}
          onClick={() => onAward(bid)}
          className="max-sm:order-3 max-sm:col-span-2"
        >
          Award
        </Button>
      )}
      {own && onWithdraw && (
        <Button
          tone="secondary"
          busy={withdrawing === bid.bid_hash}
          disabled={withdrawing !== null}
          onClick={() => onWithdraw(bid)}
          className="max-sm:order-3 max-sm:col-span-2"
        >
          Withdraw
        </Button>
      )}
    </>
  )
}

function Row(props: RowProps) {
  const { task, bid, reader, best, fresh } = props
  const { constants } = useNetwork()
  const { path } = chooseRoute(
    {
      priceUnits: BigInt(bid.amount_units),
      taskEscrowOnly: task.escrow_only,
      bidEscrowOnly: bid.escrow_only,
      deliverWithinSeconds: task.deliver_within_seconds,
    },
    constants,
  )
  return (
    <li
      className={cn(
        'grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-2 sm:flex border-t border-line px-4 py-3 first:border-0',
        fresh && 'animate-flash',
        !bid.live && 'opacity-60',
      )}
    >
      <div className="grid min-w-0 flex-1 gap-0.5">
        <Link to={`/agents/${bid.agent}`} className="flex min-w-0 hover:underline">
          <Address
            address={bid.agent}
            name={bid.agent_name}
            you={reader !== undefined && isAddressEqual(reader, bid.agent as Account)}
          />
        </Link>
        <span className="text-xs text-muted">
          receipt no. {bid.seq} · needs {formatDuration(bid.eta_seconds)}
        </span>
      </div>
      <div className="flex items-center gap-2 max-sm:order-2 max-sm:col-span-2">
        {best && <Badge tone="ok">best</Badge>}
        {bid.live ? (
          <PathBadge path={path} />
        ) : (
          <Badge tone="neutral">{bid.withdrawn ? 'withdrawn' : 'no longer valid'}</Badge>
        )}
      </div>
      <Amount units={bid.amount_units} className="text-base font-semibold max-sm:order-1" />
      <RowActions {...props} />
    </li>
  )
}

/** The bids, best first. While the reader points at one, none moves; new ones are announced above. */
export function BidBook({ bids, ...rest }: BidBookProps) {
  const isNew = useNewcomers(bids)
  const { shown, waiting, show, handlers } = useSteadyOrder(bids, (bid) => bid.bid_hash)
  // by the rule the lowest price is not always the best bid; the scheduler asks one agent after the other
  const best = rest.task.award_weights || rest.task.instant ? undefined : bids.find((bid) => bid.live)?.bid_hash
  if (bids.length === 0)
    return (
      <Empty icon={Hourglass} title="No bids yet.">
        {rest.task.reveal_ends_at
          ? 'Bids are sealed: they appear here when their agents show them after the end.'
          : 'They appear here by themselves as agents send them.'}
      </Empty>
    )
  return (
    <div {...handlers}>
      {waiting > 0 && (
        <button
          type="button"
          onClick={show}
          className="w-full border-b border-line bg-info-soft px-4 py-2 text-sm font-medium text-info"
        >
          {counted(waiting, 'new bid')}, show
        </button>
      )}
      <ul aria-label="Bids, best first" aria-live="polite">
        {shown.map((bid) => (
          <Row key={bid.bid_hash} {...rest} bid={bid} best={bid.bid_hash === best} fresh={isNew(bid.bid_hash)} />
        ))}
      </ul>
    </div>
  )
}
