import type { BidOut, TaskOut } from '@/api/types'

/** Where an auction stands: taking bids, showing sealed ones, waiting for its award, or over. */
export type Phase = 'bidding' | 'showing' | 'deciding' | 'over'

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

/** Unix seconds of the end of bidding. */
export const endOf = (task: Pick<TaskOut, 'auction_ends_at'>): number => seconds(task.auction_ends_at)

/** Unix seconds until which sealed bids are shown; null where bids are open. */
export const showingEnd = (task: Pick<TaskOut, 'reveal_ends_at'>): number | null =>
  task.reveal_ends_at ? seconds(task.reveal_ends_at) : null

/** Where an auction stands at `now`, in unix seconds. */
export function phaseOf(
  task: Pick<TaskOut, 'state' | 'auction_ends_at' | 'reveal_ends_at'> & Partial<Pick<TaskOut, 'instant'>>,
  now: number,
): Phase {
  if (task.state !== 'open' && task.state !== 'revealing') return 'over'
  // the scheduler asks agents as long as the task is open
  if (task.state === 'open' && (task.instant || now < endOf(task))) return 'bidding'
  return now < (showingEnd(task) ?? 0) ? 'showing' : 'deciding'
}

/** Seconds a bid goes on counting after the auction, so that the award and what follows it have time. */
const AFTER_AUCTION_SECONDS = 86_400

/** Until when a bid placed now should count: past everything that may still move the award. */
export const bidUntil = (task: TaskOut): number => (showingEnd(task) ?? lastEnd(task)) + AFTER_AUCTION_SECONDS

/** The latest end the auction can have. */
export const lastEnd = (task: TaskOut): number => endOf(task) + (task.extension?.most_seconds ?? 0)

/** Agents that may miss the delivery before the order for a task that the scheduler gives away ends. */
const FAILOVERS = 3

/** Until when the buyer's order is good: for the auction, or as long as another agent may have to be asked. */
export const orderUntil = (task: TaskOut): number =>
  lastEnd(task) + (task.instant ? AFTER_AUCTION_SECONDS + FAILOVERS * task.deliver_within_seconds : 0)

/**
 * Whether late bids have moved the end. A bid within the window moves it to one window after itself, which everybody
 * can see; the task document, for the parties, names the first end.
 */
export function isExtended(task: TaskOut, bids: readonly Pick<BidOut, 'received_at'>[]): boolean {
  const { extension, document } = task
  if (!extension) return false
  const first = document?.auction_ends_at
  if (typeof first === 'string') return seconds(first) !== endOf(task)
  return bids.some(({ received_at }) => seconds(received_at) + extension.window_seconds === endOf(task))
}
