import type { BidOut, ServerEvent } from './types'

/** What the page knows of the event stream. `last` is the newest sequence number it has taken in. */
export interface LiveState {
  last: number | null
  /** Numbers taken in lately, to tell a repeat from an event that came late. */
  recent: readonly number[]
}

/** What to do with the cached answers of the service. */
export type LiveEffect =
  | { do: 'invalidate-all' }
  | { do: 'invalidate'; key: readonly unknown[] }
  | { do: 'patch-bid'; taskId: string; bid: BidOut }

export const INITIAL_LIVE: LiveState = { last: null, recent: [] }
const REMEMBERED = 256

const invalidate = (...keys: (readonly unknown[])[]): LiveEffect[] => keys.map((key) => ({ do: 'invalidate', key }))

function effectsOf(event: ServerEvent, late: boolean): LiveEffect[] {
  switch (event.type) {
    case 'task.changed':
      return invalidate(['task', event.task_id], ['tasks'], ['totals'])
    case 'bid.received':
      return late
        ? invalidate(['bids', event.task_id])
        : [
            { do: 'patch-bid', taskId: event.task_id, bid: event.bid },
            ...invalidate(['task', event.task_id], ['tasks']),
          ]
    case 'bid.committed':
      return invalidate(['commits', event.task_id], ['task', event.task_id], ['tasks'])
    case 'offer.changed':
      return invalidate(['offers', event.task_id], ['task', event.task_id])
    case 'deal.changed':
      return invalidate(
        ['deal', event.deal_id],
        ['timeline', event.deal_id],
        ['task', event.task_id],
        ['deals'],
        ['pools'],
        ['balances'],
        ['totals'],
        ['dashboard'],
      )
    case 'pool.changed':
      // a task of the payer's may have waited for it
      return invalidate(['pools'], ['balances'], ['receipts'], ['dashboard'], ['task'])
    case 'receipt.issued':
      return invalidate(['receipts'], ['pools'], ['deal', event.deal_id], ['timeline', event.deal_id], ['dashboard'])
    case 'intent.changed':
      return invalidate(['transactions'], ['deal'], ['timeline'], ['pools'], ['balances'], ['dashboard'])
    case 'alarm.changed':
      return invalidate(['status'])
    case 'notification.created':
      // told to its account alone, and of everything that may wait for it
      return invalidate(['notifications'], ['dashboard'])
    case 'hello':
    case 'heartbeat':
      return []
  }
}

/**
 * Takes in one event. The numbers a reader sees have holes (events meant for others), so a hole is no gap; a gap is what
 * the server's greeting says. A repeat changes nothing; a late event never patches, it only makes the answer be read again.
 */
export function reduceLive(state: LiveState, event: ServerEvent): { state: LiveState; effects: LiveEffect[] } {
  if (event.type === 'heartbeat') return { state, effects: [] }
  if (event.type === 'hello') {
    if (state.last !== null && !event.gap) return { state, effects: [] }
    // what was read before the stream began may have missed events, just as after a gap
    return { state: { last: event.seq, recent: [] }, effects: [{ do: 'invalidate-all' }] }
  }
  if (state.recent.includes(event.seq)) return { state, effects: [] }
  const late = state.last !== null && event.seq < state.last
  const next: LiveState = {
    last: late ? state.last : event.seq,
    recent: [...state.recent, event.seq].slice(-REMEMBERED),
  }
  return { state: next, effects: effectsOf(event, late) }
}

/** The bid list with one bid put in or replaced, best (lowest live) first. */
export function mergeBid(bids: readonly BidOut[] | undefined, bid: BidOut): BidOut[] {
  const others = (bids ?? [])
    .filter((known) => known.bid_hash !== bid.bid_hash)
    // a later bid of the same agent replaces the earlier one
    .map((known) => (bid.live && known.agent === bid.agent && known.seq < bid.seq ? { ...known, live: false } : known))
  return [...others, bid].sort((a, b) => {
    if (a.live !== b.live) return a.live ? -1 : 1
    const difference = BigInt(a.amount_units) - BigInt(b.amount_units)
    return difference < 0n ? -1 : difference > 0n ? 1 : a.seq - b.seq
  })
}
