import { describe, expect, it } from 'vitest'
import type { BidOut, TaskOut } from '@/api/types'
import { awardOf, openBid, orderedAuction, publish, ruledAuction, sealedAuction, withdrawn } from '@/test/auctions'
import { agent, buyer, network, operator, rival } from '@/test/fixtures'
import { type Auction, recordOf, verifyAuction } from './auction'
import type { AwardRecord } from './awarding'

const ruled = await ruledAuction()
const sealed = await sealedAuction()
const ordered = await orderedAuction()
const chosen: Auction = {
  ...ordered,
  awards: [await awardOf(ordered.task, ordered.bids[0]?.bid_hash ?? '', ordered.bids, 'buyer')],
}
/** The buyer took the dear bid after the cheap one; the third was withdrawn. */
const afterRule: Auction = {
  ...ruled,
  awards: await Promise.all(
    [0, 1, 0].map((at, turn) =>
      awardOf(ruled.task, ruled.bids[at]?.bid_hash ?? '', ruled.bids, turn < 2 ? 'rule' : 'buyer'),
    ),
  ),
  record: null,
}

const verify = (auction: Auction) => verifyAuction(network, auction)
const bidsWith = (auction: Auction, index: number, changes: Partial<BidOut>) =>
  auction.bids.map((bid, at) => (at === index ? { ...bid, ...changes } : bid))
const withTask = (auction: Auction, changes: Partial<TaskOut>) => ({
  ...auction,
  task: { ...auction.task, ...changes },
})

/** The same auction with another record, which the operator has signed all the same. */
async function withRecord(auction: Auction, changes: Partial<AwardRecord>): Promise<Auction> {
  if (!auction.record) throw new Error('no record')
  return { ...auction, record: await publish({ ...recordOf(auction.record), ...changes }) }
}

describe('an award', () => {
  it('by the rule is computed again from signatures', async () => {
    const [bids, , rule] = await verify(ruled)
    expect(bids).toContain('3 bids, each signed')
    expect(rule).toContain('gives this winner')
  })
  it('of sealed bids counts the commits and what was shown of them', async () =>
    expect((await verify(sealed))[0]).toContain('2 of them shown as committed'))
  it('within a signed price needs the signature of the buyer', async () =>
    expect((await verify(ordered)).at(-1)).toContain('this was the first within it'))
  it('within a signed price passes over bids above it, withdrawn ones, and those that had their turn', async () => {
    const { task } = ordered
    const dear = await openBid(task, { signer: operator, name: 'Third', amount: '21000000', seq: 1 })
    const back = await withdrawn(await openBid(task, { signer: buyer, name: 'Back', amount: '1', seq: 2 }), buyer)
    const first = await openBid(task, { signer: agent, name: 'Tabula', amount: '19000000', seq: 3 })
    const second = await openBid(task, { signer: rival, name: 'Columnar', amount: '20000000', seq: 4 })
    const bids = [dear, back, first, second]
    const awards = await Promise.all([first, second].map((bid) => awardOf(task, bid.bid_hash, bids, 'order')))
    expect(await verify({ ...ordered, bids, awards })).toHaveLength(3)
  })
  it('of the buyer is checked for completeness', async () =>
    expect((await verify(chosen)).at(-1)).toContain('left the choice to its buyer'))
  it('of the buyer where no bid counts for the rule needs no record', async () =>
    expect((await verify(afterRule)).at(-1)).toContain('nobody signs a choice'))
  it('is not there before it is made', () =>
    expect(verify({ ...ruled, awards: [] })).rejects.toThrow('not been awarded'))
})

describe('a forged award shows:', () => {
  const other = `0x${'1'.repeat(64)}`
  const cases: [string, () => Auction | Promise<Auction>, string][] = [
    ['a price that was not signed', () => ({ ...ruled, bids: bidsWith(ruled, 1, { amount_units: '1' }) }), 'its hash'],
    [
      'a signature of somebody else',
      () => ({ ...ruled, bids: bidsWith(ruled, 1, { signature: '0x12' }) }),
      'by its agent',
    ],
    [
      'a receipt with another number',
      () => ({ ...ruled, bids: bidsWith(ruled, 1, { seq: 7 }) }),
      "receipt is not the operator's",
    ],
    [
      'a withdrawal nobody signed',
      () => ({ ...ruled, bids: bidsWith(ruled, 0, { withdrawn: true, withdrawal_signature: null }) }),
      'said to be withdrawn',
    ],
    ['a bid that is left out', () => ({ ...ruled, bids: ruled.bids.slice(1) }), 'not shown'],
    ['the last bid left out', () => ({ ...ruled, bids: ruled.bids.slice(0, 2) }), 'over other bids'],
    ['a sealed bid that was left out', () => ({ ...sealed, commits: sealed.commits.slice(0, 2) }), 'over other bids'],
    [
      'a bid shown that nobody had committed to',
      () => ({ ...sealed, commits: sealed.commits.map((one) => ({ ...one, commitment: other })) }),
      'sealed bid does not match',
    ],
    [
      'open bids in a sealed auction',
      () => withTask(ruled, { reveal_ends_at: ruled.task.created_at }),
      'none of the sealed',
    ],
    [
      'an award by no operator',
      () => ({ ...ruled, awards: ruled.awards.map((one) => ({ ...one, operator: ruled.task.buyer })) }),
      "award is not the operator's",
    ],
    ['another task', () => withTask(chosen, { task_hash: other }), 'does not match its hash'],
    ['no record', () => ({ ...ruled, record: null }), 'no record'],
    [
      "an award of the rule that is called the buyer's",
      () => ({ ...ruled, awards: ruled.awards.map((one) => ({ ...one, decided_by: 'buyer' as const })) }),
      "needs the rule's record",
    ],
    [
      'a choice where a bid still counted for the rule',
      () => ({ ...afterRule, awards: afterRule.awards.slice(1) }),
      "needs the rule's record",
    ],
    [
      'a choice where the scheduler assigns',
      () => withTask(chosen, { instant: true, document: null }),
      'scheduler assigns',
    ],
    [
      'a choice where the document names weights',
      () => withTask(afterRule, { award_weights: null }),
      'another way of awarding',
    ],
    [
      'an award of the rule where the task names no weights',
      () => withTask(ruled, { award_weights: null, document: null }),
      'names no weights',
    ],
    [
      'limits that the document does not have',
      () => withTask(ruled, { deliver_within_seconds: 1 }),
      'other limits of the task',
    ],
    [
      'an award before sealed bids were shown',
      () =>
        withTask(sealed, {
          reveal_ends_at: new Date(Date.parse(ruled.task.auction_ends_at) + 3_600_000).toISOString(),
        }),
      'while sealed bids might come',
    ],
    ['an unknown rule', () => withRecord(ruled, { rule: 2 }), 'rule that is not known'],
    [
      'a record that was not signed',
      () => ({ ...ruled, record: ruled.record && { ...ruled.record, record: { ...ruled.record.record, epoch: '3' } } }),
      'not signed by the operator',
    ],
    ['other limits', () => withRecord(ruled, { budget_units: '24999999' }), 'limits are not those'],
    [
      'other weights',
      () => withRecord(ruled, { weights: { price: 0, reputation: 10_000, time: 0, specialty: 0 } }),
      'weighs otherwise',
    ],
    [
      'weights that the document does not name',
      () => withTask(ruled, { document: { ...ruled.task.document, award_weights: null } }),
      'does not match its hash',
    ],
    [
      'a bid with another price in the record',
      async () => {
        const bids = recordOf(ruled.record ?? { record: {}, operator: '', signature: '' }).bids
        return withRecord(ruled, { bids: bids.map((bid) => ({ ...bid, amount_units: '5' })) })
      },
      'not those that the agents signed',
    ],
    [
      'a bid said to be withdrawn in the record',
      async () => {
        const bids = recordOf(ruled.record ?? { record: {}, operator: '', signature: '' }).bids
        return withRecord(ruled, { bids: bids.map((bid) => ({ ...bid, withdrawn: bid.seq !== 1 })) })
      },
      'as withdrawn that was not',
    ],
    ['a lapse without an award', () => ({ ...ruled, awards: ruled.awards.slice(1) }), 'never awarded'],
    ['a ranking of its own', () => withRecord(ruled, { ranking: [] }), 'does not follow'],
    [
      'scores before there were any',
      async () => {
        const bids = recordOf(sealed.record ?? { record: {}, operator: '', signature: '' }).bids
        const best = bids.map((bid) => ({ ...bid, reputation: 9_000 }))
        const { recompute } = await import('./awarding')
        const record = recordOf(sealed.record ?? { record: {}, operator: '', signature: '' })
        return { ...sealed, record: await publish(recompute({ ...record, bids: best })) }
      },
      'nobody can have had',
    ],
    ['nonsense', () => ({ ...ruled, bids: bidsWith(ruled, 1, { amount_units: 'much' }) }), 'malformed'],
    [
      'an earlier bid within the price that was passed over',
      async () => {
        const { task } = ordered
        const first = await openBid(task, { signer: agent, name: 'Tabula', amount: '19000000', seq: 1 })
        const second = await openBid(task, { signer: rival, name: 'Columnar', amount: '20000000', seq: 2 })
        const bids = [first, second]
        return { ...ordered, bids, awards: [await awardOf(task, second.bid_hash, bids, 'order')] }
      },
      'came earlier and was within the price',
    ],
    ['an order nobody gave', () => ({ ...ordered, order: null }), 'no order'],
    [
      'an order over another price',
      () => ({ ...ordered, order: ordered.order && { ...ordered.order, max_units: '99000000' } }),
      'not signed by the buyer',
    ],
  ]
  it.each(cases)('%s', async (_name, forge, sentence) => {
    await expect(verify(await forge())).rejects.toThrow(sentence)
  })
  it('a winner other than the record names', async () => {
    const loser = ruled.bids[0]?.bid_hash ?? ''
    const awards = [...ruled.awards.slice(0, 1), await awardOf(ruled.task, loser, ruled.bids, 'rule')]
    await expect(verify({ ...ruled, awards })).rejects.toThrow('not signed by the operator for this award')
  })
  it('keys of a retired operator still count, unknown ones do not', async () => {
    const until = new Date(0).toISOString()
    const retired = { ...network, operators: network.operators.map((one) => ({ ...one, until })) }
    await expect(verifyAuction(retired, ruled)).resolves.toHaveLength(3)
    const others = { ...network, operators: [{ ...network.operators[0], address: ruled.task.buyer }] }
    await expect(verifyAuction(others as typeof network, ruled)).rejects.toThrow("not the operator's")
    expect(operator.address).not.toBe(ruled.task.buyer)
  })
})
