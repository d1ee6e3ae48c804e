import { DAY } from './decay'
import { severityBps } from './stakes'
import { type Deal, type Market, PPM } from './witnesses'

/* How an agent gets over a failure: by time, by work that went well, by agents who vouch. See docs/Rules.md. */

const RECOVERY_DAYS = 30
export const MOST_BY_TIME_BPS = 5_000
export const MOST_BY_REDEMPTION_BPS = 3_000
export const MOST_BY_VOUCH_BPS = 2_000
const VOUCHER_CREDIT = 5n * PPM

export interface Vouch {
  voucher: string
  agent: string
  atRisk: bigint
  validFrom: number
  validUntil: number
  /** Vouches are taken in its order. */
  salt: string
}

export const isBurden = (deal: Deal): boolean => severityBps(deal.outcome) > 0
export const isSuccess = (deal: Deal): boolean => deal.outcome === 'completed' || deal.outcome === 'won'

const orderOf = (vouch: Vouch) => [vouch.salt, vouch.voucher, vouch.agent].join(' ')

function bySalt(a: Vouch, b: Vouch): number {
  const [one, other] = [orderOf(a), orderOf(b)]
  if (one !== other) return one < other ? -1 : 1
  return a.validUntil - b.validUntil || (a.atRisk < b.atRisk ? -1 : 1)
}

/** The vouches that hold at a second; the caller has checked their signatures. */
export function validVouches(
  vouches: readonly Vouch[],
  market: Market,
  at: { second: number; freeStake: ReadonlyMap<string, bigint>; credit: (agent: string) => bigint },
): Vouch[] {
  const left = new Map(at.freeStake)
  const seen = new Set<string>()
  const found: Vouch[] = []
  for (const vouch of [...vouches].sort(bySalt)) {
    const free = left.get(vouch.voucher) ?? 0n
    const pair = `${vouch.voucher} ${vouch.agent}`
    if (vouch.validFrom > at.second || at.second >= vouch.validUntil || seen.has(pair)) continue
    if (market.groupOf(vouch.voucher) === market.groupOf(vouch.agent)) continue
    if (at.credit(vouch.voucher) < VOUCHER_CREDIT || vouch.atRisk <= 0n || vouch.atRisk > free) continue
    left.set(vouch.voucher, free - vouch.atRisk)
    seen.add(pair)
    found.push(vouch)
  }
  return found
}

/** How much less failures weigh by time alone, in basis points: half after 30 days without another one. */
export function timeForgivenBps(lastFailureAt: number, at: number): number {
  const clean = Math.min(Math.floor(Math.max(at - lastFailureAt, 0) / DAY), RECOVERY_DAYS)
  return Math.floor((MOST_BY_TIME_BPS * clean) / RECOVERY_DAYS)
}

/** How much less a failure weighs at a second, in basis points. */
export function forgivenBps(deal: Deal, own: readonly Deal[], market: Market, at: number, vouchers: number): number {
  const last = Math.max(...own.filter(isBurden).map((one) => one.closedAt))
  const redeemers = new Set(
    own
      .filter((one) => isSuccess(one) && one.closedAt > deal.closedAt && one.released >= deal.amount)
      .map((one) => market.groupOf(one.client)),
  )
  const agent = market.groupOf(deal.provider)
  redeemers.delete(agent)
  const stayed = [...redeemers].filter((group) => market.netPaid(group, agent) >= deal.amount)
  const credit = stayed.reduce((sum, group) => sum + market.credit(group), 0n)
  const redeemed = Number(((credit < 3n * PPM ? credit : 3n * PPM) * 1_000n) / PPM)
  const total = timeForgivenBps(last, at) + redeemed + Math.min(vouchers, 2) * 1_000
  return Math.min(total, deal.outcome === 'lost' ? 5_000 : 10_000)
}

/** Failures that a voucher carries for others, with their weights in base units. */
export function carried(vouches: readonly Vouch[], voucher: string, deals: readonly Deal[]): [Deal, bigint][] {
  const failures = deals.filter(isBurden).sort((a, b) => a.closedAt - b.closedAt || (a.escrowId < b.escrowId ? -1 : 1))
  const found: [Deal, bigint][] = []
  for (const vouch of vouches) {
    let left = vouch.voucher === voucher ? vouch.atRisk : 0n
    for (const deal of failures) {
      const stood = vouch.validFrom <= deal.closedAt && deal.closedAt < vouch.validUntil
      if (deal.provider !== vouch.agent || !stood || left <= 0n) continue
      const weight = left < deal.amount ? left : deal.amount
      found.push([deal, weight])
      left -= weight
    }
  }
  return found
}
