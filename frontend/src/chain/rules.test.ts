import type { Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import { network } from '@/test/fixtures'
import awards from '../../../sdk/aicp/rules/vectors/awards.json'
import decay from '../../../sdk/aicp/rules/vectors/decay.json'
import pricing from '../../../sdk/aicp/rules/vectors/pricing.json'
import reputation from '../../../sdk/aicp/rules/vectors/reputation.json'
import stakes from '../../../sdk/aicp/rules/vectors/stakes.json'
import { type AwardRecord, hundredths, inputsHash, points, rank, recompute, scale, termsOf } from './awarding'
import { DECAY, daysBetween, decayed } from './decay'
import { epochRoot, evidenceOf, manifestHash, verifyScore } from './epochs'
import {
  factorsOf,
  multiplierOf,
  priceUnits,
  quoteAddsUp,
  quoteDigest,
  successRateBps,
  TIERS,
  tierOf,
  URGENCY_BPS,
} from './pricing'
import { counting, qualities, speedMark } from './qualities'
import { believed, forecast, scoreCard, specialtyScore } from './reputation'
import { SPECIALTIES } from './specialties'
import { OUTCOMES, requiredStake, stakeEffect } from './stakes'
import { digest } from './typedData'
import { dealOf } from './witnesses'

/* The published vectors are what Python computed; the page must come to the same numbers. */

const deployment = {
  ...network,
  chain_id: pricing.chain_id,
  contracts: { ...network.contracts, escrow: pricing.escrow },
}

describe('prices', () => {
  it('have the published tiers', () => {
    expect(TIERS).toEqual(pricing.tiers)
    expect(URGENCY_BPS).toEqual(pricing.urgency_bps)
  })
  it.each(pricing.quotes)('$base_units at $successes of $decided', (quote) => {
    const { tier, multiplierBps } = multiplierOf(quote.successes, quote.decided)
    expect(tier).toBe(quote.tier)
    const price = priceUnits(BigInt(quote.base_units), multiplierBps, quote.complexity, quote.urgency_bps)
    expect(price.toString()).toBe(quote.price_units)
    expect(quoteDigest(deployment, quote)).toBe(quote.digest)
    expect(quoteAddsUp(quote)).toBe(true)
    expect(quoteAddsUp({ ...quote, price_units: (price + 1n).toString() })).toBe(false)
    expect(quoteAddsUp({ ...quote, formula: 2 })).toBe(false)
  })
  it('are the product of their factors', () => {
    const factors = factorsOf(19, 20, 1, 10_000)
    expect(factors.map(({ name, bps }) => [name, bps])).toEqual([
      ['multiplier', 20_000],
      ['complexity', 15_000],
      ['urgency', 10_000],
    ])
    expect(factors[0]?.because).toBe('19 of 20 decided escrows succeeded (95.00%)')
    expect(factorsOf(9, 9, 1, 10_000)[0]).toMatchObject({ bps: 10_000 })
  })
  it('refuse what cannot be', () => {
    expect(() => priceUnits(-1n, 10_000, 1, 10_000)).toThrow()
    for (const complexity of [0, 11, 1.5]) expect(() => priceUnits(1n, 10_000, complexity, 10_000)).toThrow()
    expect(() => successRateBps(2, 1)).toThrow()
    expect(() => tierOf(10_001)).toThrow()
    expect(() => tierOf(-1)).toThrow()
  })
})

describe('decay', () => {
  it('is the published table', () => expect(DECAY.map(String)).toEqual(decay.table))
  it('is e^(-days/10), computed here on its own', () => {
    // Taylor's series of e^x to 80 digits, then one over it
    const digits = 10n ** 80n
    for (const [days, value] of DECAY.entries()) {
      let [sum, term] = [0n, digits]
      for (let n = 1n; term > 0n; n++) {
        sum += term
        term = (term * BigInt(days)) / (10n * n)
      }
      expect(value).toBe((digits * 10n ** 18n) / sum)
    }
  })
  it.each(decay.decayed)('$base and $recent after $days days', ({ base, recent, days, current }) =>
    expect(decayed(base, recent, days)).toBe(current),
  )
  it.each(decay.believed)('$current believed by $credit_ppm', ({ current, credit_ppm, score }) =>
    expect(believed(current, BigInt(credit_ppm))).toBe(score),
  )
  it('refuses days outside the table', () => {
    expect(() => decayed(1, 1, 366)).toThrow()
    expect(() => decayed(1, 1, -1)).toThrow()
    expect(() => daysBetween(2, 1)).toThrow()
    expect(daysBetween(0, 1_000 * 86_400)).toBe(365)
  })
})

it.each(stakes)('stake of $amount_units after outcome $outcome', (row) => {
  const outcome = OUTCOMES[row.outcome]
  if (!outcome) throw new Error('no such outcome')
  expect(requiredStake(BigInt(row.amount_units)).toString()).toBe(row.lock_units)
  const effect = stakeEffect(outcome, {
    amountUnits: BigInt(row.amount_units),
    refundedUnits: BigInt(row.refunded_units),
    feeUnits: BigInt(row.fee_units),
    bonusPoolUnits: BigInt(row.bonus_pool_units),
  })
  expect([effect.toClient, effect.toPool, effect.bonus].map(String)).toEqual([
    row.to_client_units,
    row.to_pool_units,
    row.bonus_units,
  ])
})

describe('awards', () => {
  it.each(awards)('award %#', ({ record: published, inputs_hash, digest: signed }) => {
    const record = published as AwardRecord
    expect(recompute({ ...record, bids: [...record.bids].reverse() })).toEqual(record)
    expect(inputsHash(record)).toBe(inputs_hash)
    const message = { taskHash: record.task_hash, bidHash: record.winner, inputsHash: inputs_hash, rule: record.rule }
    expect(digest('AwardInputs', deployment, message)).toBe(signed)
  })
  it.each(awards)('points of award %# are the sum of their terms', ({ record: published }) => {
    const record = published as AwardRecord
    for (const [hash, given] of record.ranking) {
      const offer = record.bids.find((bid) => bid.bid_hash === hash)
      if (!offer) throw new Error('no bid')
      const parts = Object.values(termsOf(offer, record))
      expect(parts.reduce((sum, part) => sum + part).toString()).toBe(given)
      expect(hundredths(BigInt(given ?? 0), record)).toBe(Number((BigInt(given ?? 0) * 10_000n) / scale(record)))
    }
  })
  it('refuse a bid given twice', () => {
    const record = awards[0]?.record as AwardRecord
    expect(() => rank(record, [...record.bids, ...record.bids])).toThrow('given twice')
  })
  it('show a forged record', () => {
    const record = awards[1]?.record as AwardRecord
    const loser = record.ranking.at(-1)?.[0] ?? ''
    expect(recompute({ ...record, winner: loser })).not.toEqual({ ...record, winner: loser })
    const kept = record.bids.filter((offer) => offer.bid_hash === record.winner)
    expect(recompute({ ...record, bids: kept }).bids_root).not.toBe(record.bids_root)
    expect(() => recompute({ ...record, bids: [] })).toThrow('no offer counts')
  })
  it('give the perfect offer all points', () => {
    const record = awards[0]?.record as AwardRecord
    const [first] = record.bids
    if (!first) throw new Error('no bid')
    const perfect = { ...first, amount_units: '0', eta_seconds: 0, reputation: 10_000, specialty: 10_000 }
    expect(points(perfect, record)).toBe(scale(record))
    expect(rank(record, [{ ...perfect, withdrawn: true }]).ranked).toEqual([])
  })
})

const evidence = await evidenceOf(reputation.manifest, deployment, reputation.deals.map(dealOf))

describe('scores', () => {
  const tags = reputation.tags as Record<string, Record<string, string>>

  it('are of every agent', () =>
    expect(evidence.map((about) => about.agent)).toEqual(reputation.agents.map((card) => card.agent.toLowerCase())))
  it('carry the hash of the manifest', () => expect(manifestHash(reputation.manifest)).toBe(reputation.manifest_hash))

  it.each(reputation.agents.map((card, index) => ({ card, index })))('of $card.agent', ({ card, index }) => {
    const about = evidence[index]
    if (!about) throw new Error('an agent is missing')
    const { credit, settled_value, ...found } = scoreCard(about, reputation.manifest.end)
    expect(card).toMatchObject({ ...found, credit: credit.toString(), settled_value: settled_value.toString() })
    expect(forecast(about, reputation.manifest.end, [0, 7, 30, 400])).toEqual(card.forecast)
    for (const [name, score] of Object.entries(card.specialties)) {
      const [dimension, value] = name.split(':') as [string, string]
      expect(specialtyScore(about, (deal) => tags[deal.escrowId]?.[dimension] === value)).toBe(score)
    }
    const small = reputation.micro.filter((deal) => deal.provider === card.agent)
    expect(qualities(about, small)).toEqual(card.qualities)
    const leaf = { agent: card.agent, score: card.score, settledValue: settled_value, jobs: card.jobs, epoch: 1n }
    expect(verifyScore(reputation.root as Hex, leaf, card.proof as Hex[])).toBe(true)
    expect(verifyScore(reputation.root as Hex, { ...leaf, score: card.score + 1 }, card.proof as Hex[])).toBe(false)
  })
  it('have the published root and specialties', () => {
    const leaves = reputation.agents.map(({ agent, score, jobs, settled_value }) => {
      return { agent, score, jobs, settledValue: BigInt(settled_value), epoch: 1n }
    })
    expect(epochRoot([...leaves].reverse())).toBe(reputation.root)
    expect(epochRoot(leaves.slice(1))).not.toBe(reputation.root)
    const names = Object.entries(SPECIALTIES).flatMap(([kind, values]) => values.map((value) => `${kind}:${value}`))
    expect(Object.keys(reputation.agents[0]?.specialties ?? {})).toEqual(names)
  })
  it('are not of the future', () => {
    const [about] = evidence
    if (!about) throw new Error('an agent is missing')
    expect(() => scoreCard(about, 0)).toThrow('later')
  })
  it('take small deals as the rule says', () => {
    expect(counting(reputation.micro).length).toBeLessThan(reputation.micro.length)
    expect([
      speedMark(100, 0),
      speedMark(100, 100),
      speedMark(100, 101),
      speedMark(100, null),
      speedMark(0, 0),
    ]).toEqual([10_000, 5_000, 0, 0, 5_000])
  })
})
