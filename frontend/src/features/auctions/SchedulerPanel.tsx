import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Hourglass } from 'lucide-react'
import { Link } from 'react-router'
import { type Address as Account, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { OfferOut, TaskOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { Badge, type Tone } from '@/components/ui/Badge'
import { buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { Empty, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { Address, shortAddress } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { BidForm } from './BidForm'
import type { BidActions } from './lib/useBidActions'

const WHY: Record<OfferOut['why'], string> = {
  best: 'most points',
  newcomer: "the newcomers' share",
  fewer_points: 'not more points',
  newcomers_turn: "a newcomer's turn",
  full: 'no room',
  resting: 'rests after failures',
  silent: 'not heard of lately',
  too_dear: 'asks for more',
  tried: 'asked before',
  no_capability: 'cannot do it',
  expired: 'too late',
  pool_short: 'pool too small',
  buyer_full: 'buyer has no place free',
  left_unpaid: 'buyer left deals unpaid',
}
type Hold = NonNullable<TaskOut['waits_for']>
/** What the scheduler waits for before it asks anybody: to the buyer, and to everybody else. */
const WAITS: Record<Hold, { own: string; other: string }> = {
  pool_short: {
    own: 'Your pool has to cover the highest price, beside your unpaid deals, before an agent is asked.',
    other: "It waits until the buyer's pool covers the price.",
  },
  buyer_full: {
    own: 'You have as many offers and unpaid deals as a buyer may have at once. Pay one, and its place is free.',
    other: 'It waits until the buyer has paid for an earlier task.',
  },
  left_unpaid: {
    own: 'You left deals unpaid in the last 24 hours, so you may have fewer at once. Pay the open ones, and it goes on.',
    other: 'It waits until the buyer has paid for an earlier task.',
  },
}
const REMEDY: Record<Hold, { to: string; label: string }> = {
  pool_short: { to: '/pool', label: 'Top up the pool' },
  buyer_full: { to: '/me', label: 'See what waits' },
  left_unpaid: { to: '/me', label: 'See what waits' },
}
const ANSWERS: Record<NonNullable<OfferOut['answer']>, [string, Tone]> = {
  bid: ['took it', 'ok'],
  declined: ['declined', 'neutral'],
  silent: ['no answer', 'warn'],
  void: ['called off', 'neutral'],
}

/** `passed`: somebody was asked after it, or nobody has the task now. */
function Answer({ offer, passed }: { offer: OfferOut; passed: boolean }) {
  if (offer.answer === null)
    return (
      <Badge tone="brand">
        asked, <Countdown until={offer.answer_until} over="no answer" />
      </Badge>
    )
  if (offer.answer === 'bid' && passed) return <Badge tone="warn">took it, did not do it</Badge>
  const [word, tone] = ANSWERS[offer.answer]
  return <Badge tone={tone}>{word}</Badge>
}

function Row({ offer, passed }: { offer: OfferOut; passed: boolean }) {
  return (
    <li className="grid gap-1 border-t border-line px-4 py-3 first:border-0">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Link to={`/agents/${offer.agent}`} className="flex min-w-0 hover:underline">
          <Address address={offer.agent} name={offer.agent_name} />
        </Link>
        <Answer offer={offer} passed={passed} />
      </div>
      <p className="text-xs text-muted">
        {WHY[offer.why]}, {formatRate(offer.points_bps)} of a perfect agent's points ·{' '}
        <RelativeTime at={offer.offered_at} />
      </p>
      {offer.refused.length > 0 && (
        <p className="text-xs text-muted">
          Not asked:{' '}
          {offer.refused
            .map(
              ({ agent, agent_name, why, points_bps }) =>
                `${agent_name ?? shortAddress(agent)} (${WHY[why]}, ${formatRate(points_bps)})`,
            )
            .join(', ')}
        </p>
      )}
    </li>
  )
}

/** The reader's own offer: bid within it, or say no. */
function Asked({ task, offer, actions }: { task: TaskOut; offer: OfferOut; actions: BidActions }) {
  const client = useQueryClient()
  const decline = useMutation({
    mutationFn: () => endpoints.declineOffer(task.id),
    onSettled: () => client.invalidateQueries({ queryKey: keys.offers(task.id) }),
  })
  return (
    <>
      <Notice tone="warn">
        <div className="grid gap-2 sm:flex sm:flex-wrap sm:items-start sm:justify-between">
          <span className="min-w-0">
            You are asked: bid at most {amountText(offer.max_units)} within{' '}
            <Countdown until={offer.answer_until} over="no time" />, or decline.
          </span>
          <ConnectionButton
            tone="secondary"
            label="Decline"
            onAct={() => decline.mutate()}
            busy={decline.isPending}
            error={decline.error}
          />
        </div>
      </Notice>
      <BidForm task={task} actions={actions} />
    </>
  )
}

/** Why nobody is asked now, where that is the buyer's to change. */
function Held({ hold, own }: { hold: Hold; own: boolean }) {
  const { to, label } = REMEDY[hold]
  return (
    <div className="p-4">
      <Notice tone={own ? 'warn' : 'info'}>
        <div className="grid gap-2 sm:flex sm:flex-wrap sm:items-start sm:justify-between">
          <span className="min-w-0 sm:flex-1">{own ? WAITS[hold].own : WAITS[hold].other}</span>
          {own && (
            <Link to={to} className={buttonClass('secondary')}>
              {label}
            </Link>
          )}
        </div>
      </Notice>
    </div>
  )
}

/** Whom the scheduler has asked, why, and what they said; nothing for a task with an auction. */
export function SchedulerPanel({
  task,
  reader,
  actions,
}: {
  task: TaskOut
  reader: Account | undefined
  actions: BidActions
}) {
  const polling = usePolling()
  const offers = useQuery({
    queryKey: keys.offers(task.id),
    queryFn: () => endpoints.offers(task.id),
    refetchInterval: polling,
    enabled: task.instant,
  })
  const { loading, failure } = useOutcome(offers)
  if (!task.instant) return null
  const live = offers.data?.find((offer) => offer.answer === null)
  const hold = live || task.state !== 'open' ? undefined : task.waits_for
  const mine = live && reader && isAddressEqual(reader, live.agent as Account) && task.state === 'open'
  return (
    <>
      {mine && <Asked task={task} offer={live} actions={actions} />}
      <Card title="Assigned by the scheduler" aside={<LiveBadge />} flush>
        <p className="px-4 pt-3 text-xs text-muted">
          One agent after the other, the best first, at {amountText(task.buy_now_units ?? '0')} at most.
        </p>
        {loading && <SkeletonRows label="Loading the offers" rows={2} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void offers.refetch()} />}
        {offers.data && hold && (
          <Held hold={hold} own={reader !== undefined && isAddressEqual(reader, task.buyer as Account)} />
        )}
        {offers.data?.length === 0 && !hold && (
          <Empty icon={Hourglass} title="Nobody is asked yet.">
            {task.buy_now_signed
              ? 'The best agent that is there and has room is asked within seconds.'
              : 'The scheduler begins when the buyer has signed the highest price.'}
          </Empty>
        )}
        {offers.data && offers.data.length > 0 && (
          <ol aria-label="Offers, oldest first" aria-live="polite">
            {offers.data.map((offer, place, all) => (
              <Row
                key={`${offer.agent}:${offer.offered_at}`}
                offer={offer}
                passed={place < all.length - 1 || task.state === 'open'}
              />
            ))}
          </ol>
        )}
      </Card>
    </>
  )
}
