import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link, useNavigate, useParams } from 'react-router'
import { type Address as Account, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { BidOut, TaskOut } from '@/api/types'
import { Page } from '@/app/Page'
import { useReader } from '@/chain/useAccess'
import { Badge } from '@/components/ui/Badge'
import { Button, buttonClass } from '@/components/ui/Button'
import { formatBytes } from '@/components/ui/bytes'
import { Card } from '@/components/ui/Card'
import { ActionError, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown, formatDuration, RelativeTime, useServerNow } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { TaskPathBadge, TaskStateBadge } from '@/components/web3/StateBadge'
import { TASK_STATES } from '@/components/web3/states'
import { BidBook } from './BidBook'

function Facts({ task, reader }: { task: TaskOut; reader: Account | undefined }) {
  const facts: [string, ReactNode][] = [
    [
      'Buyer',
      <Address key="buyer" address={task.buyer} you={reader && isAddressEqual(reader, task.buyer as Account)} />,
    ],
    ['Capability', task.capability],
    ['Budget', <Amount key="budget" units={task.budget_units} />],
    ['Deliver within', formatDuration(task.deliver_within_seconds)],
    ['Complexity', `${task.complexity} of 10`],
    ...(task.verifier
      ? [
          [
            'Verifier',
            <Address
              key="verifier"
              address={task.verifier}
              you={reader && isAddressEqual(reader, task.verifier as Account)}
            />,
          ] as [string, ReactNode],
        ]
      : []),
    ['Posted', <RelativeTime key="posted" at={task.created_at} />],
  ]
  return (
    <Card title="The task">
      <dl className="grid gap-2">
        {facts.map(([label, value]) => (
          <div key={label} className="flex items-center justify-between gap-3">
            <dt className="text-xs text-muted">{label}</dt>
            <dd className="min-w-0 text-right">{value}</dd>
          </div>
        ))}
      </dl>
      {task.input_summary.length > 0 && (
        <div className="mt-3 border-t border-line pt-3">
          <h3 className="text-xs text-muted">Input files</h3>
          <ul className="mt-1 grid gap-1">
            {task.input_summary.map((file) => (
              <li key={file.sha256} className="flex justify-between gap-3">
                <span className="min-w-0 truncate">{file.name}</span>
                <span className="text-xs text-muted">{formatBytes(file.size)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {task.description && (
        <p className="mt-3 border-t border-line pt-3 break-words whitespace-pre-wrap">{task.description}</p>
      )}
    </Card>
  )
}

function Closed({ task }: { task: TaskOut }) {
  return (
    <Notice tone="info">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>
          The auction is over; the task is <b>{TASK_STATES[task.state].word.toLowerCase()}</b>.
        </span>
        {task.deal_id && (
          <Link to={`/deals/${task.deal_id}`} className={buttonClass('secondary')}>
            Open the deal
          </Link>
        )}
      </div>
    </Notice>
  )
}

/** After the end nobody can bid; the bids that still count wait for the buyer. */
function Ended({ buyer, bids }: { buyer: boolean; bids: number }) {
  if (bids === 0) return <Notice tone="info">The auction has ended without a bid; the task closes.</Notice>
  return (
    <Notice tone="info">
      {buyer
        ? 'The auction has ended. Choose a winner among the bids below, or cancel the task.'
        : 'The auction has ended. The buyer chooses a winner.'}
    </Notice>
  )
}

function useAward(task: TaskOut) {
  const client = useQueryClient()
  const navigate = useNavigate()
  return useMutation({
    mutationFn: (bid: BidOut) => endpoints.award(task.id, bid.bid_hash),
    onSuccess: (award) => {
      void client.invalidateQueries({ queryKey: keys.task(task.id) })
      // the click that awards is also the consent to pay this bid from the pool; the deal page acts on it once
      void navigate(`/deals/${award.deal_id}`, { state: { orderBid: award.bid_hash } })
    },
  })
}

function Auction({ task }: { task: TaskOut }) {
  const reader = useReader()
  const polling = usePolling()
  const client = useQueryClient()
  const bids = useQuery({
    queryKey: keys.bids(task.id),
    queryFn: () => endpoints.bids(task.id),
    refetchInterval: polling,
  })
  const book = useOutcome(bids)
  const award = useAward(task)
  const cancel = useMutation({
    mutationFn: () => endpoints.cancelTask(task.id),
    onSuccess: (updated) => {
      client.setQueryData(keys.task(task.id), updated)
      toast('ok', 'Task cancelled')
    },
  })
  const buyer = reader !== undefined && isAddressEqual(reader, task.buyer as Account)
  const open = task.state === 'open'
  const now = useServerNow()
  const ended = open && Date.parse(task.auction_ends_at) <= now * 1000
  return (
    <Page
      title={task.title}
      intro={
        <>
          {ended ? <Badge tone="warn">Auction ended</Badge> : <TaskStateBadge state={task.state} />}
          <TaskPathBadge task={task} explain />
          {open && !ended && (
            <span>
              ends in <Countdown until={task.auction_ends_at} over="a moment" />
            </span>
          )}
        </>
      }
      actions={
        open &&
        buyer && (
          <Button tone="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel task
          </Button>
        )
      }
    >
      {!open && <Closed task={task} />}
      {ended && bids.data && <Ended buyer={buyer} bids={bids.data.filter((bid) => bid.live).length} />}
      <ActionError error={award.error ?? cancel.error} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="min-w-0 lg:col-span-2">
          <Card title="Bids" aside={<LiveBadge />} flush>
            {book.loading && <SkeletonRows label="Loading bids" />}
            {book.failure !== null && <ErrorState error={book.failure} onRetry={() => void bids.refetch()} />}
            {bids.data && (
              <BidBook
                task={task}
                bids={bids.data}
                onAward={buyer && open ? award.mutate : undefined}
                awarding={award.isPending ? award.variables.bid_hash : null}
              />
            )}
          </Card>
        </div>
        <Facts task={task} reader={reader} />
      </div>
    </Page>
  )
}

/** One auction: live bids, the award, the task's public facts. */
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
