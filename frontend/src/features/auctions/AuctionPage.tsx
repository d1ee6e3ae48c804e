import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { Link, useLocation, useNavigate, useParams } from 'react-router'
import { type Address as Account, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { AwardOut, BidOut, CommitOut, TaskOut } from '@/api/types'
import { Page } from '@/app/Page'
import { useReader } from '@/chain/useAccess'
import { Badge } from '@/components/ui/Badge'
import { Button, buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { ActionError, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown, useServerNow } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { TaskPathBadge, TaskStateBadge } from '@/components/web3/StateBadge'
import { TASK_STATES } from '@/components/web3/states'
import { AwardCard } from './AwardCard'
import { BidBook } from './BidBook'
import { BidForm } from './BidForm'
import { HistoryCard } from './HistoryCard'
import { isExtended, type Phase, phaseOf } from './lib/phase'
import { useBidActions, useOrder } from './lib/useBidActions'
import { RuleCard } from './RuleCard'
import { SchedulerPanel } from './SchedulerPanel'
import { SealedCard } from './SealedCard'
import { TaskFacts } from './TaskFacts'

function Closed({ task }: { task: TaskOut }) {
  return (
    <Notice tone="info">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>
          {task.instant ? 'The task is' : 'The auction is over; the task is'}{' '}
          <b>{TASK_STATES[task.state].word.toLowerCase()}</b>.
        </span>
        {task.deal_id && task.description !== null && (
          <Link to={`/deals/${task.deal_id}`} className={buttonClass('secondary')}>
            Open the deal
          </Link>
        )}
      </div>
    </Notice>
  )
}

function decidingSentence(task: TaskOut, buyer: boolean, bids: number): string {
  if (bids === 0) return 'The auction has ended without a bid; the task closes.'
  if (task.award_weights)
    return buyer
      ? 'The auction has ended. The rule awards it; if no bid counts for the rule, choose one below or cancel the task.'
      : 'The auction has ended. The rule awards it, or the buyer where no bid counts for the rule.'
  return buyer
    ? 'The auction has ended. Choose a winner among the bids below, or cancel the task.'
    : 'The auction has ended. The buyer chooses a winner.'
}

/** After the end nobody can bid; what happens next. */
function Ended({ task, phase, buyer, bids }: { task: TaskOut; phase: Phase; buyer: boolean; bids: number }) {
  return (
    <Notice tone="info">
      {phase === 'showing'
        ? 'The auction has ended. Sealed bids are being shown; one that is not shown in time is out.'
        : decidingSentence(task, buyer, bids)}
    </Notice>
  )
}

/** A buyer who named a buy-now price has to sign it; right after posting the sheet opens by itself, once. */
function OrderNotice({ task }: { task: TaskOut }) {
  const order = useOrder(task)
  const location = useLocation()
  const navigate = useNavigate()
  const asked = useRef(false)
  const wanted = (location.state as { signOrder?: string } | null)?.signOrder === task.id
  const { mutate } = order
  useEffect(() => {
    if (asked.current || !wanted) return
    asked.current = true
    void navigate('.', { replace: true, state: null })
    mutate()
  }, [wanted, navigate, mutate])
  return (
    <Notice tone="warn">
      <div className="grid gap-2 sm:flex sm:flex-wrap sm:items-start sm:justify-between">
        <span className="min-w-0">
          {task.instant
            ? `Agents are asked as soon as you have signed for at most ${amountText(task.buy_now_units ?? '0')}.`
            : `A bid at ${amountText(task.buy_now_units ?? '0')} wins at once as soon as you have signed for it.`}
        </span>
        <ConnectionButton
          label={task.instant ? 'Sign the highest price' : 'Sign the buy-now price'}
          onAct={() => order.mutate()}
          busy={order.isPending}
          error={order.error}
        />
      </div>
    </Notice>
  )
}

function useAward(task: TaskOut) {
  const client = useQueryClient()
  const navigate = useNavigate()
  return useMutation<AwardOut, unknown, string | null>({
    mutationFn: (bidHash) => endpoints.award(task.id, bidHash),
    onSuccess: (award) => {
      void client.invalidateQueries({ queryKey: keys.task(task.id) })
      // the click that awards is also the consent to pay this bid from the pool; the deal page acts on it once
      void navigate(`/deals/${award.deal_id}`, { state: { orderBid: award.bid_hash } })
    },
  })
}

const isHidden = ({ live, revealed }: CommitOut) => live && !revealed

/** Whether the buyer may choose a bid: when none may still come unseen, and not before the rule where it decides. */
const mayChoose = (task: TaskOut, phase: Phase, commits: readonly CommitOut[]) => {
  if (phase === 'over' || task.instant || (task.award_weights && phase !== 'deciding')) return false
  if (!task.reveal_ends_at || phase === 'deciding') return true
  return phase === 'showing' && !commits.some(isHidden)
}

function BuyerActions({
  task,
  phase,
  onRule,
  busy,
}: {
  task: TaskOut
  phase: Phase
  onRule: () => void
  busy: boolean
}) {
  const client = useQueryClient()
  const cancel = useMutation({
    mutationFn: () => endpoints.cancelTask(task.id),
    onSuccess: (updated) => {
      client.setQueryData(keys.task(task.id), updated)
      toast('ok', 'Task cancelled')
    },
  })
  const canRule = task.award_weights && task.bid_count > 0 && (!task.reveal_ends_at || phase !== 'bidding')
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap justify-end gap-2">
        {canRule && (
          <Button busy={busy} onClick={onRule}>
            Award by the rule
          </Button>
        )}
        <Button tone="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel task
        </Button>
      </div>
      <ActionError error={cancel.error} />
    </div>
  )
}

function EndsIn({ task, phase, extended }: { task: TaskOut; phase: Phase; extended: boolean }) {
  if (phase === 'bidding' && !task.instant)
    return (
      <>
        <span>
          ends in <Countdown until={task.auction_ends_at} over="a moment" />
        </span>
        {extended && <Badge tone="warn">extended by a late bid</Badge>}
      </>
    )
  if (phase === 'showing' && task.reveal_ends_at)
    return (
      <span>
        shown until <Countdown until={task.reveal_ends_at} over="now" />
      </span>
    )
  return null
}

function useBook(task: TaskOut) {
  const polling = usePolling()
  const bids = useQuery({
    queryKey: keys.bids(task.id),
    queryFn: () => endpoints.bids(task.id),
    refetchInterval: polling,
  })
  const sealed = Boolean(task.reveal_ends_at)
  const commits = useQuery({
    queryKey: keys.commits(task.id),
    queryFn: () => endpoints.commits(task.id),
    refetchInterval: polling,
    enabled: sealed,
  })
  return { bids, commits, sealed }
}

const NONE: readonly never[] = []

function Auction({ task }: { task: TaskOut }) {
  const reader = useReader()
  const { bids, commits, sealed } = useBook(task)
  const book = useOutcome(bids)
  const hidden = useOutcome(commits)
  const award = useAward(task)
  const actions = useBidActions(task, reader ?? '')
  const isReader = (account: string | null | undefined) =>
    Boolean(reader && account && isAddressEqual(reader, account as Account))
  const buyer = isReader(task.buyer)
  const phase = phaseOf(task, useServerNow())
  const list: readonly BidOut[] = bids.data ?? NONE
  const secret: readonly CommitOut[] = commits.data ?? NONE
  const choose = buyer && mayChoose(task, phase, secret)
  const counting = list.filter((bid) => bid.live).length
  return (
    <Page
      title={task.title}
      intro={
        <>
          {phase === 'deciding' ? (
            <Badge tone="warn">Auction ended</Badge>
          ) : (
            <TaskStateBadge state={phase === 'showing' ? 'revealing' : task.state} />
          )}
          <TaskPathBadge task={task} explain />
          <EndsIn task={task} phase={phase} extended={isExtended(task, list)} />
        </>
      }
      actions={
        phase !== 'over' &&
        buyer && (
          <BuyerActions
            task={task}
            phase={phase}
            onRule={() => award.mutate(null)}
            busy={award.isPending && award.variables === null}
          />
        )
      }
    >
      {phase === 'over' && <Closed task={task} />}
      {(phase === 'showing' || phase === 'deciding') && bids.data && (
        <Ended task={task} phase={phase} buyer={buyer} bids={counting} />
      )}
      {buyer && phase === 'bidding' && task.buy_now_units && !task.buy_now_signed && <OrderNotice task={task} />}
      <ActionError error={award.error} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
          <SchedulerPanel task={task} reader={reader} actions={actions} />
          {sealed && hidden.loading && <SkeletonRows label="Loading the sealed bids" />}
          {sealed && hidden.failure !== null && (
            <ErrorState error={hidden.failure} onRetry={() => void commits.refetch()} />
          )}
          {commits.data && <SealedCard task={task} commits={secret} phase={phase} reader={reader} actions={actions} />}
          <Card title={sealed ? 'Bids that were shown' : 'Bids'} aside={<LiveBadge />} flush>
            {book.loading && <SkeletonRows label="Loading bids" />}
            {book.failure !== null && <ErrorState error={book.failure} onRetry={() => void bids.refetch()} />}
            {bids.data && (
              <BidBook
                task={task}
                bids={list}
                reader={reader}
                onAward={choose ? (bid) => award.mutate(bid.bid_hash) : undefined}
                awarding={award.isPending ? (award.variables ?? '') : null}
                onWithdraw={phase === 'over' ? undefined : (bid) => actions.withdraw.mutate(bid.bid_hash)}
                withdrawing={actions.withdraw.isPending ? actions.withdraw.variables : null}
              />
            )}
          </Card>
          {!sealed && <ActionError error={actions.withdraw.error} />}
          {phase === 'bidding' && !task.instant && !buyer && !isReader(task.verifier) && (
            <BidForm task={task} actions={actions} />
          )}
          {phase === 'over' && bids.data && <AwardCard task={task} bids={list} commits={secret} />}
          <HistoryCard task={task} bids={list} commits={secret} />
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4">
          {!task.instant && <RuleCard task={task} />}
          <TaskFacts task={task} reader={reader} />
        </div>
      </div>
    </Page>
  )
}

/** One auction: live bids, open or sealed, the award and how it was found, the task's public facts. */
export function AuctionPage() {
  const { taskId = '' } = useParams()
  const polling = usePolling()
  const task = useQuery({
    queryKey: keys.task(taskId),
    queryFn: () => endpoints.task(taskId),
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(task)
  if (loading) return <SkeletonRows label="Loading the task" rows={6} />
  if (failure || !task.data) return <ErrorState error={failure} onRetry={() => void task.refetch()} />
  return <Auction task={task.data} />
}
