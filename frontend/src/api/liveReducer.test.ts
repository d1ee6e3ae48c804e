import { describe, expect, it } from 'vitest'
import { INITIAL_LIVE, mergeBid, reduceLive } from './liveReducer'
import type { BidOut, OfferOut, ServerEvent } from './types'

const at = '2026-11-21T00:00:00Z'
const bid = (hash: string, amount: string, seq: number, extra: Partial<BidOut> = {}) =>
  ({ bid_hash: hash, amount_units: amount, seq, live: true, agent: `agent-${hash}`, ...extra }) as BidOut
const bidEvent = (seq: number): ServerEvent => ({ type: 'bid.received', seq, at, task_id: 't', bid: bid('h', '1', 1) })
const hello = (seq: number, gap = false): ServerEvent => ({ type: 'hello', seq, gap })

const run = (...events: ServerEvent[]) => {
  let state = INITIAL_LIVE
  const effects = events.map((event) => {
    const step = reduceLive(state, event)
    state = step.state
    return step.effects
  })
  return { state, effects }
}

describe('reduceLive', () => {
  it('starts at the greeting and follows events; holes are events for others', () => {
    const { state, effects } = run(hello(10), bidEvent(12), bidEvent(15))
    expect(state.last).toBe(15)
    // answers read before the stream began are read again
    expect(effects[0]).toEqual([{ do: 'invalidate-all' }])
    expect(effects[1]?.[0]).toMatchObject({ do: 'patch-bid', taskId: 't' })
  })

  it('ignores a repeat', () => {
    const { state, effects } = run(hello(10), bidEvent(11), bidEvent(11))
    expect(effects[2]).toEqual([])
    expect(state.last).toBe(11)
  })

  it('reads again instead of patching when an event comes late', () => {
    const { state, effects } = run(hello(10), bidEvent(14), bidEvent(12))
    expect(effects[2]).toEqual([{ do: 'invalidate', key: ['bids', 't'] }])
    expect(state.last).toBe(14)
  })

  it('reads everything again after a gap and goes on from there', () => {
    const { state, effects } = run(hello(10), bidEvent(11), hello(900, true), bidEvent(901))
    expect(effects[2]).toEqual([{ do: 'invalidate-all' }])
    expect(effects[3]?.[0]).toMatchObject({ do: 'patch-bid' })
    expect(state.last).toBe(901)
  })

  it('keeps its place when the greeting of a resumed stream has no gap', () => {
    const { state } = run(hello(10), bidEvent(11), hello(20))
    expect(state.last).toBe(11)
  })

  it("reads tasks again where their payer's pool or their offers changed", () => {
    const { effects } = run(
      hello(1),
      { type: 'pool.changed', seq: 2, at, pool_id: 'p' },
      { type: 'offer.changed', seq: 3, at, task_id: 't', offer: {} as OfferOut },
    )
    expect(effects[1]).toContainEqual({ do: 'invalidate', key: ['task'] })
    expect(effects[2]).toContainEqual({ do: 'invalidate', key: ['task', 't'] })
  })

  it('invalidates what a deal touches', () => {
    const { effects } = run(hello(1), {
      type: 'deal.changed',
      seq: 2,
      at,
      deal_id: 'd',
      task_id: 't',
      state: 'funding',
      reason: 'x',
    })
    expect(effects[1]).toContainEqual({ do: 'invalidate', key: ['deal', 'd'] })
    expect(effects[1]).toContainEqual({ do: 'invalidate', key: ['pools'] })
  })
})

describe('mergeBid', () => {
  it('puts the cheapest live bid first and dead ones last', () => {
    const list = mergeBid([bid('a', '300', 1), bid('b', '100', 2, { live: false })], bid('c', '200', 3))
    expect(list.map((entry) => entry.bid_hash)).toEqual(['c', 'a', 'b'])
  })

  it('replaces a bid by hash, and retires an earlier one of the same agent', () => {
    const first = bid('a', '300', 1, { agent: 'x' })
    const again = mergeBid(
      mergeBid([first], bid('b', '250', 2, { agent: 'x' })),
      bid('b', '250', 2, { agent: 'x', withdrawn: true }),
    )
    expect(again).toHaveLength(2)
    expect(again.find((entry) => entry.bid_hash === 'a')?.live).toBe(false)
  })

  it('compares amounts beyond the safe range of numbers', () => {
    const list = mergeBid([bid('a', '9007199254740993', 1)], bid('b', '9007199254740992', 2))
    expect(list[0]?.bid_hash).toBe('b')
  })
})
