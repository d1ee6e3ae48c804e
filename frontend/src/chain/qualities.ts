import { DAY } from './decay'
import { isBurden, isSuccess } from './recovery'
import { believed, creditOf, type Evidence, FLOOR, foreign } from './reputation'
import { PPM } from './witnesses'

/* What an agent is good at: speed, quality, reliability. See docs/Rules.md. */

const MICRO_A_DAY = 5

export interface MicroDeal {
  order_hash: string
  client: string
  provider: string
  succeeded: boolean
  ended_at: number
  allowed_seconds: number
  used_seconds: number | null
  signed_by_client: boolean
  signed_by_provider: boolean
}

export interface Qualities {
  speed: number
  quality: number
  reliability: number
}

/** 10,000 at once, 5,000 in the last second, 0 late or never. */
export function speedMark(allowedSeconds: number, usedSeconds: number | null): number {
  if (usedSeconds === null || usedSeconds > allowedSeconds) return 0
  if (allowedSeconds <= 0) return 5_000
  return 10_000 - Math.floor((5_000 * Math.max(usedSeconds, 0)) / allowedSeconds)
}

/** The small deals that count: signed by whom they burden, the first 5 a day between the same two. */
export function counting(micro: readonly MicroDeal[]): MicroDeal[] {
  const seen = new Map<string, number>()
  return [...micro]
    .sort((a, b) => a.ended_at - b.ended_at || (a.order_hash.toLowerCase() < b.order_hash.toLowerCase() ? -1 : 1))
    .filter((deal) => {
      const pair = `${deal.client} ${deal.provider} ${Math.floor(deal.ended_at / DAY)}`.toLowerCase()
      const signed = deal.succeeded ? deal.signed_by_client : deal.signed_by_provider
      const taken = seen.get(pair) ?? 0
      if (!signed || taken >= MICRO_A_DAY) return false
      seen.set(pair, taken + 1)
      return true
    })
}

class Mean {
  private total = 0n
  private weighted = 0n

  add(weight: bigint, value: number): void {
    this.total += weight
    this.weighted += weight * BigInt(value)
  }

  value(): number {
    return this.total === 0n ? FLOOR : Number(this.weighted / this.total)
  }
}

/** Speed, quality and reliability of an agent, each believed as far as its witnesses go. */
export function qualities(evidence: Evidence, micro: readonly MicroDeal[] = []): Qualities {
  const { market, agent } = evidence
  const deals = foreign(evidence)
  const creditOfBuyer = (account: string) => market.credit(market.groupOf(account.toLowerCase()))
  const [speed, quality, reliability] = [new Mean(), new Mean(), new Mean()]
  for (const deal of deals) {
    const weight = creditOfBuyer(deal.client)
    const failed = isBurden(deal)
    if (failed || isSuccess(deal)) {
      const used = deal.submittedAt === null ? null : deal.submittedAt - deal.acceptedAt
      reliability.add(failed ? PPM : weight, failed ? 0 : 10_000)
      speed.add(failed && used === null ? PPM : weight, speedMark(deal.deliverBy - deal.acceptedAt, used))
    }
    if (deal.rating !== null) quality.add(weight * deal.released, deal.rating * 100)
  }
  for (const small of counting(micro)) {
    if (market.groupOf(small.client.toLowerCase()) === market.groupOf(agent)) continue
    reliability.add(creditOfBuyer(small.client), small.succeeded ? 10_000 : 0)
    speed.add(creditOfBuyer(small.client), speedMark(small.allowed_seconds, small.used_seconds))
  }
  const credit = creditOf(evidence, deals)
  return {
    speed: believed(speed.value(), credit),
    quality: believed(quality.value(), credit),
    reliability: believed(reliability.value(), credit),
  }
}
