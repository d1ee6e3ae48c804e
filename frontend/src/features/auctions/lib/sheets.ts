import type { NetworkOut, TaskOut } from '@/api/types'
import type { SheetRequest, SheetRow } from '@/chain/signing'
import {
  type BidFields,
  bidHash,
  bidMessage,
  commitHash,
  commitMessage,
  signingRequest,
  type TaskOrderFields,
  taskHash,
  taskOrderMessage,
} from '@/chain/typedData'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'

const expires = (validUntil: number, label = 'Bid counts until'): SheetRow => ({
  label,
  value: String(validUntil),
  kind: 'time',
})

function bidRows(task: TaskOut, bid: BidFields): SheetRow[] {
  return [
    { label: 'You ask for', value: bid.amount_units, kind: 'amount' },
    { label: 'For', value: task.title },
    { label: 'You deliver within', value: formatDuration(bid.eta_seconds) },
    ...(bid.escrow_only ? [{ label: 'Paid', value: 'by escrow only' }] : []),
    expires(bid.valid_until),
    { label: 'Task hash', value: task.task_hash, kind: 'hash' },
  ]
}

/** The sheet for an open bid. */
export const bidSheet = (network: NetworkOut, task: TaskOut, bid: BidFields): SheetRequest => ({
  subject: `${task.id}:bid`,
  title: `Bid ${amountText(bid.amount_units)}`,
  intro: 'Everybody sees the bid at once. You can withdraw it until it wins; nothing is paid for bidding.',
  rows: bidRows(task, bid),
  checks: [],
  problems: [],
  next: 'You get a signed receipt. A later bid of yours on this task replaces this one.',
  request: signingRequest('Bid', network, bidMessage(task.task_hash, bid)),
})

/** The sheet for committing to a sealed bid. */
export const commitSheet = (network: NetworkOut, task: TaskOut, bid: BidFields): SheetRequest => ({
  subject: `${task.id}:commit`,
  title: 'Seal the bid',
  intro: 'Only a hash is sent. Nobody, the operator included, learns your price before you show it after the end.',
  rows: bidRows(task, bid),
  checks: ['The bid is kept in this browser: only from there, or from its file, can it be shown.'],
  problems: [],
  next: 'When the auction has ended, come back and show the bid in time. One that is not shown does not count.',
  request: signingRequest(
    'BidCommit',
    network,
    commitMessage(task.task_hash, bidHash(network, task.task_hash, bid), bid.valid_until),
  ),
})

/** The sheet for showing a sealed bid; `committed` is the hash of the commit that was receipted. */
export function revealSheet(network: NetworkOut, task: TaskOut, bid: BidFields, committed: string): SheetRequest {
  const matches = commitHash(network, task.task_hash, bid) === committed
  return {
    subject: `${task.id}:reveal`,
    title: `Show the bid of ${amountText(bid.amount_units)}`,
    intro: 'Everybody sees it from now on, and it counts for the award.',
    rows: bidRows(task, bid),
    checks: matches ? ['It is the very bid that was committed to.'] : [],
    problems: matches ? [] : ['It is not the bid that was committed to.'],
    next: 'You get a signed receipt for showing it in time.',
    request: signingRequest('Bid', network, bidMessage(task.task_hash, bid)),
  }
}

/** The sheet for taking a bid back, sealed or not. */
export const withdrawSheet = (network: NetworkOut, task: TaskOut, hash: string): SheetRequest => ({
  subject: `${task.id}:withdraw`,
  title: 'Withdraw the bid',
  intro: 'It no longer counts. An earlier bid of yours does not come back; you can bid again while the auction runs.',
  rows: [
    { label: 'For', value: task.title },
    { label: 'Bid', value: hash, kind: 'hash' },
  ],
  checks: [],
  problems: [],
  next: 'The withdrawal is public, so that everybody sees why the bid was left out.',
  request: signingRequest('BidWithdrawal', network, { bidHash: hash }),
})

/** The sheet for the buyer's order at the buy-now price. */
export function orderSheet(network: NetworkOut, task: TaskOut, order: TaskOrderFields): SheetRequest {
  const { document } = task
  const problems: string[] = []
  if (!document || taskHash(document) !== task.task_hash) problems.push('The task document does not match its hash.')
  if (document && document.buy_now_units !== order.max_units)
    problems.push('The task document names another buy-now price.')
  return {
    subject: `${task.id}:order`,
    title: `${task.instant ? 'Assign at once, for at most' : 'Buy now at'} ${amountText(order.max_units)}`,
    intro: task.instant
      ? 'The scheduler gives the task to an agent that bids at or below this price; if it fails, to the next.'
      : 'The first bid at or below this price wins at once, without asking you again.',
    rows: [
      { label: 'At most', value: order.max_units, kind: 'amount' },
      { label: 'For', value: task.title },
      expires(order.valid_until, 'Until'),
      { label: 'Task hash', value: task.task_hash, kind: 'hash' },
    ],
    checks: problems.length === 0 ? ['Task hash and price recomputed from the task document.'] : [],
    problems,
    next: 'Nothing is paid by this. You still sign the payment to the winner, or your pool pays below the threshold.',
    request: signingRequest('TaskOrder', network, taskOrderMessage(task.task_hash, order)),
  }
}
