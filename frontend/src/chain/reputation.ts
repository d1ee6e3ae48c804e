import { DAY, daysBetween, decayed, MAX_DAYS } from './decay'
import { type Tier, tierOf } from './pricing'
import { isBurden, isSuccess } from './recovery'
import { severityBps } from './stakes'
import { type Deal, type Market, PPM } from './witnesses'

/* The score of an agent, version 1: the same function of chain events as in Python, step by step. See docs/Rules.md. */

export const FLOOR = 2_000
const MAX_MARK = 10_000
export const RECENT_DAYS = 30
const DOUBT = 15n

/** What speaks about one agent; `forgiven` is by escrow id in basis points. */
export interface Evidence {
  agent: string
  deals: readonly Deal[]
  market: Market
  forgiven: ReadonlyMap<string, number>
  carried: readonly (readonly [Deal, bigint])[]
}

export interface ScoreCard {
  base: number
  recent: number
  days: number
  active_days: number
  current: number
  credit: bigint
  score: number
  settled_value: bigint
  jobs: number
  tier: Tier
}

/** How well a deal went, in hundredths. */
export function mark(deal: Deal): bigint {
  const severity = severityBps(deal.outcome)
  const rest = severity > 0 ? BigInt(Math.floor((MAX_MARK - severity) / 2)) : 0n
  return (BigInt(MAX_MARK) * deal.released + rest * deal.refunded) / deal.amount
}

/** A decayed score with what activity adds: 0.10 for each of the last 30 days with a success. */
export const withActivity = (score: number, activeDays: number): number => Math.min(MAX_MARK, score + 10 * activeDays)

/** The score of which so much credit convinces, never below the newcomer's. */
export function believed(current: number, credit: bigint): number {
  const square = credit * credit
  const above = BigInt(Math.max(0, Math.min(current, MAX_MARK) - FLOOR))
  return FLOOR + Number((above * square) / (square + DOUBT * PPM * PPM))
}

/** The deals of the agent with others than its own group. */
export function foreign({ agent, deals, market }: Evidence): Deal[] {
  const own = market.groupOf(agent)
  return deals.filter((deal) => market.groupOf(deal.client) !== own)
}

function grouped<Item>(items: readonly Item[], groupOf: (item: Item) => string): Map<string, Item[]> {
  const found = new Map<string, Item[]>()
  for (const item of items) found.set(groupOf(item), [...(found.get(groupOf(item)) ?? []), item])
  return found
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** What one witness's outcomes and ratings weigh, and their marks times that. */
function testimony(deals: readonly Deal[]): [bigint, bigint] {
  let [value, marks] = [0n, 0n]
  for (const deal of deals) {
    if (!isBurden(deal)) {
      value += deal.amount
      marks += deal.amount * mark(deal)
    }
    if (deal.rating !== null) {
      value += deal.released
      marks += deal.released * BigInt(deal.rating * 100)
    }
  }
  return [value, marks]
}

/** Weighted mean mark of deals in hundredths, null if nothing of weight is among them. */
export function meanOf(evidence: Evidence, deals: readonly Deal[], since = 0): number | null {
  const { market, forgiven } = evidence
  const own = market.groupOf(evidence.agent)
  const cap = BigInt(market.parameters.pair_cap_units)
  let [total, weighted] = [0n, 0n]
  for (const [group, witnessed] of grouped(deals, (deal) => market.groupOf(deal.client))) {
    const [value, marks] = testimony(witnessed)
    const weight = market.credit(group) * least(least(value, cap), market.netPaid(group, own))
    if (weight === 0n) continue
    total += weight
    weighted += weight * (marks / value)
  }
  const failures = deals.filter(isBurden).map((deal): readonly [Deal, bigint] => {
    const stays = BigInt(10_000 - (forgiven.get(deal.escrowId) ?? 0))
    return [deal, (least(deal.amount, cap) * stays) / 10_000n]
  })
  const borne = evidence.carried.filter(([deal]) => deal.closedAt >= since)
  for (const [deal, part] of [...failures, ...borne]) {
    const weight = PPM * least(part, cap)
    total += weight
    weighted += weight * mark(deal)
  }
  return total === 0n ? null : Number(weighted / total)
}

/** How many full witnesses speak in deals, in ppm; outside the market's main part at most one. */
export function creditOf({ agent, market }: Evidence, deals: readonly Deal[]): bigint {
  const own = market.groupOf(agent)
  const full = BigInt(market.parameters.full_release_units)
  let total = 0n
  for (const [group, paid] of grouped(deals, (deal) => market.groupOf(deal.client))) {
    const released = paid.reduce((sum, deal) => sum + deal.released, 0n)
    total += (market.credit(group) * least(least(released, full), market.netPaid(group, own))) / full
  }
  return market.isMain(own) ? total : least(total, PPM)
}

/** The score at a second, the end of an epoch. */
export function scoreCard(evidence: Evidence, at: number): ScoreCard {
  const deals = foreign(evidence)
  if (deals.some((deal) => deal.closedAt > at)) throw new Error('an outcome is later than the score')
  const since = at - RECENT_DAYS * DAY
  const lately = deals.filter((deal) => deal.closedAt >= since)
  const base = meanOf(evidence, deals) ?? FLOOR
  const recent = meanOf(evidence, lately, since) ?? FLOOR
  const days = deals.length === 0 ? MAX_DAYS : daysBetween(Math.max(...deals.map((deal) => deal.closedAt)), at)
  const successes = new Set(lately.filter(isSuccess).map((deal) => Math.floor(deal.closedAt / DAY))).size
  const activeDays = Math.min(successes, RECENT_DAYS)
  const current = withActivity(decayed(base, recent, days), activeDays)
  const credit = creditOf(evidence, deals)
  const score = believed(current, credit)
  return {
    base,
    recent,
    days,
    active_days: activeDays,
    current,
    credit,
    score,
    settled_value: deals.reduce((sum, deal) => sum + deal.released, 0n),
    jobs: deals.length,
    tier: credit < PPM ? 'new' : tierOf(score).tier,
  }
}

/** The score so many days ahead if nothing more happens. */
export const forecast = (evidence: Evidence, at: number, days: readonly number[]): number[] =>
  days.map((ahead) => scoreCard(evidence, at + ahead * DAY).score)

/** Share of deals that succeeded, in basis points: a success as its buyer is credible, a failure in full. */
function successRatio({ market }: Evidence, deals: readonly Deal[]): number {
  let [good, bad] = [0n, 0n]
  for (const deal of deals) {
    if (isSuccess(deal)) good += market.credit(market.groupOf(deal.client))
    else if (isBurden(deal)) bad += PPM
  }
  return good + bad === 0n ? 0 : Number((good * 10_000n) / (good + bad))
}

/** The score in a specialty: base x (1 + 0.5 x success ratio) of its deals alone. */
export function specialtyScore(evidence: Evidence, ofSpecialty: (deal: Deal) => boolean): number {
  const deals = foreign(evidence).filter(ofSpecialty)
  const base = meanOf({ ...evidence, carried: [] }, deals)
  if (base === null) return FLOOR
  const raw = Math.floor((base * (20_000 + successRatio(evidence, deals))) / 20_000)
  return believed(Math.min(MAX_MARK, raw), creditOf(evidence, deals))
}
