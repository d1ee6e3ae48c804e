import type { Hex } from 'viem'
import { bidsRoot } from './bids'
import { documentHash, type Json } from './canonical'

/* The published rule by which a bid wins where the buyer leaves it to the rule, version 1; see docs/Rules.md. */

export interface Weights {
  price: number
  reputation: number
  time: number
  specialty: number
}

export const DEFAULT_WEIGHTS: Weights = { price: 4_000, reputation: 3_000, time: 1_500, specialty: 1_500 }
const EQUAL_WEIGHTS: Weights = { price: 2_500, reputation: 2_500, time: 2_500, specialty: 2_500 }
const BPS = 10_000n
const MAX_SCORE = 10_000n

export interface OfferFields {
  bid_hash: string
  agent: string
  amount_units: string
  eta_seconds: number
  valid_until: number
  seq: number
  withdrawn: boolean
  revealed: boolean
  lapsed: boolean
  reputation: number
  specialty: number
}

/** Why a bid does not count; each reason can be seen from signatures. */
export type Exclusion = 'withdrawn' | 'unrevealed' | 'expired' | 'replaced' | 'lapsed' | 'above_budget' | 'too_slow'

/** What `AwardInputs` commits to: everything the rule looked at, and what it found. */
export interface AwardRecord {
  rule: number
  task_hash: string
  budget_units: string
  allowed_seconds: number
  weights: Weights
  epoch: string
  decided_at: number
  bids_root: string
  bids: readonly OfferFields[]
  excluded: readonly (readonly string[])[]
  ranking: readonly (readonly string[])[]
  winner: string
}

type Contest = Pick<AwardRecord, 'budget_units' | 'allowed_seconds' | 'weights' | 'decided_at'>

/** Points of the perfect offer: what points are a fraction of. */
export const scale = (contest: Contest): bigint =>
  BPS * MAX_SCORE * BigInt(contest.budget_units) * BigInt(contest.allowed_seconds)

/** What each term adds to an offer's points, exactly, as fractions of `scale`. */
export function termsOf(
  offer: OfferFields,
  contest: Contest,
  weights: Weights = contest.weights,
): Record<keyof Weights, bigint> {
  const budget = BigInt(contest.budget_units)
  const allowed = BigInt(contest.allowed_seconds)
  return {
    price: BigInt(weights.price) * (budget - BigInt(offer.amount_units)) * allowed * MAX_SCORE,
    reputation: BigInt(weights.reputation * offer.reputation) * budget * allowed,
    time: BigInt(weights.time) * (allowed - BigInt(offer.eta_seconds)) * budget * MAX_SCORE,
    specialty: BigInt(weights.specialty * offer.specialty) * budget * allowed,
  }
}

/** Points of an offer, exactly, as a fraction of `scale`. */
export function points(offer: OfferFields, contest: Contest, weights: Weights = contest.weights): bigint {
  const { price, reputation, time, specialty } = termsOf(offer, contest, weights)
  return price + reputation + time + specialty
}

function exclusion(offer: OfferFields, contest: Contest, newest: number): Exclusion | null {
  if (offer.withdrawn) return 'withdrawn'
  if (offer.seq !== newest) return 'replaced'
  if (offer.valid_until <= contest.decided_at) return 'expired'
  if (!offer.revealed) return 'unrevealed'
  if (offer.lapsed) return 'lapsed'
  if (BigInt(offer.amount_units) > BigInt(contest.budget_units)) return 'above_budget'
  return offer.eta_seconds > contest.allowed_seconds ? 'too_slow' : null
}

const descending = (a: bigint, b: bigint) => (a > b ? -1 : a < b ? 1 : 0)
const byHash = (a: OfferFields, b: OfferFields) =>
  a.bid_hash.toLowerCase() < b.bid_hash.toLowerCase() ? -1 : a.bid_hash === b.bid_hash ? 0 : 1

/** The offers that count, best first, and why the others do not. Throws where a bid is given twice. */
export function rank(contest: Contest, offers: readonly OfferFields[]) {
  const given = [...offers].sort(byHash)
  const distinct = (values: Iterable<string | number>) => new Set(values).size === given.length
  if (!distinct(given.map((one) => one.bid_hash)) || !distinct(given.map((one) => one.seq)))
    throw new Error('a bid is given twice')
  const newest = new Map<string, number>()
  for (const offer of given) newest.set(offer.agent, Math.max(newest.get(offer.agent) ?? 0, offer.seq))
  const excluded: [string, Exclusion][] = []
  const counting: OfferFields[] = []
  for (const offer of given) {
    const reason = exclusion(offer, contest, newest.get(offer.agent) ?? 0)
    if (reason === null) counting.push(offer)
    else excluded.push([offer.bid_hash, reason])
  }
  const ranked = counting.sort(
    (a, b) =>
      descending(points(a, contest), points(b, contest)) ||
      descending(points(a, contest, EQUAL_WEIGHTS), points(b, contest, EQUAL_WEIGHTS)) ||
      byHash(a, b),
  )
  return { ranked: ranked.map((offer) => ({ offer, points: points(offer, contest) })), excluded }
}

/** Points as hundredths of the perfect offer's, 0 to 10,000, rounded down: to be shown, never to compare. */
export const hundredths = (value: bigint, contest: Contest): number => Number((value * MAX_SCORE) / scale(contest))

/** The record computed anew from its own inputs: equal to what was published, or the award does not follow from them. */
export function recompute(record: AwardRecord): AwardRecord {
  const { ranked, excluded } = rank(record, record.bids)
  const winner = ranked[0]
  if (!winner) throw new Error('no offer counts, so nothing can be awarded')
  return {
    ...record,
    bids_root: bidsRoot(record.bids.map((offer) => offer.bid_hash as Hex)),
    bids: [...record.bids].sort(byHash),
    excluded,
    ranking: ranked.map((one) => [one.offer.bid_hash, one.points.toString()]),
    winner: winner.offer.bid_hash,
  }
}

/** Hash of the record, which the operator signs. */
export const inputsHash = (record: AwardRecord): Hex => documentHash(record as unknown as Json)
