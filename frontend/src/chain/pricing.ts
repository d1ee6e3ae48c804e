import { type Deployment, digest, type Message } from './typedData'

/* The published formula of prices, version 1: base x multiplier x (1 + complexity/2) x urgency, rounded half up. */

export const FORMULA_VERSION = 1
export const SETTLED_BEFORE_TIERS = 10
export const URGENCY_BPS = { '1.0': 10_000, '1.25': 12_500, '1.5': 15_000 } as const

export type Urgency = keyof typeof URGENCY_BPS
export type Tier = 'excellent' | 'very_good' | 'good' | 'fair' | 'low' | 'new'

/** Lowest success rate that belongs to a tier, the tier, its multiplier; basis points, best first. */
export const TIERS = [
  [9_500, 'excellent', 20_000],
  [9_000, 'very_good', 18_000],
  [8_000, 'good', 15_000],
  [7_000, 'fair', 12_000],
  [0, 'low', 5_000],
] as const satisfies readonly (readonly [number, Tier, number])[]

const BPS = 10_000

/** Success rate in basis points, rounded down; 0 where nothing is decided. */
export function successRateBps(successes: number, decided: number): number {
  if (!(successes >= 0 && successes <= decided)) throw new Error('a success rate needs 0 <= successes <= decided')
  return decided === 0 ? 0 : Math.floor((successes * BPS) / decided)
}

/** Tier and multiplier of a rate; a rate on an edge belongs to the better tier. */
export function tierOf(rateBps: number): { tier: Tier; multiplierBps: number } {
  const found = TIERS.find(([edge]) => rateBps >= edge)
  if (!found || rateBps > BPS) throw new Error('a rate is 0 to 10,000 basis points')
  return { tier: found[1], multiplierBps: found[2] }
}

/** Tier and multiplier of an agent: 1.0 until 10 of its escrows are decided. */
export function multiplierOf(successes: number, decided: number): { tier: Tier; multiplierBps: number } {
  const rate = successRateBps(successes, decided)
  return decided >= SETTLED_BEFORE_TIERS ? tierOf(rate) : { tier: 'new', multiplierBps: BPS }
}

export interface Factor {
  name: 'multiplier' | 'complexity' | 'urgency'
  bps: number
  /** What it follows from. */
  because: string
}

/** The factors of a price in the order in which they are multiplied. */
export function factorsOf(successes: number, decided: number, complexity: number, urgencyBps: number): Factor[] {
  const { tier, multiplierBps } = multiplierOf(successes, decided)
  const rate = (successRateBps(successes, decided) / 100).toFixed(2)
  const record =
    tier === 'new'
      ? `${decided} of ${SETTLED_BEFORE_TIERS} escrows are decided; until then it is 1`
      : `${successes} of ${decided} decided escrows succeeded (${rate}%)`
  return [
    { name: 'multiplier', bps: multiplierBps, because: record },
    { name: 'complexity', bps: BPS + (complexity * BPS) / 2, because: `1 + ${complexity}/2` },
    { name: 'urgency', bps: urgencyBps, because: `the buyer asked for ${urgencyBps / BPS}` },
  ]
}

/** The price in base units. */
export function priceUnits(baseUnits: bigint, multiplierBps: number, complexity: number, urgencyBps: number): bigint {
  if (baseUnits < 0n) throw new Error('a price needs a base of at least 0')
  if (!Number.isInteger(complexity) || complexity < 1 || complexity > 10) throw new Error('complexity is 1 to 10')
  const divisor = 200_000_000n
  const product = 2n * baseUnits * BigInt(multiplierBps) * BigInt(2 + complexity) * BigInt(urgencyBps)
  return (product + divisor) / (2n * divisor)
}

export interface QuoteFields {
  agent: string
  base_units: string
  successes: number
  decided: number
  complexity: number
  urgency_bps: number
  price_units: string
  formula: number
  as_of_block: number
  valid_until: number
}

/** A quote as the operator signs it. */
export const quoteMessage = (quote: QuoteFields): Message => ({
  agent: quote.agent,
  base: BigInt(quote.base_units),
  successes: quote.successes,
  decided: quote.decided,
  complexity: quote.complexity,
  urgencyBps: quote.urgency_bps,
  price: BigInt(quote.price_units),
  formula: quote.formula,
  asOfBlock: BigInt(quote.as_of_block),
  validUntil: quote.valid_until,
})

/** EIP-712 digest of a quote. */
export const quoteDigest = (deployment: Deployment, quote: QuoteFields) =>
  digest('Quote', deployment, quoteMessage(quote))

/** Whether a quote's price is what its inputs give. */
export function quoteAddsUp(quote: QuoteFields): boolean {
  if (quote.formula !== FORMULA_VERSION) return false
  const { multiplierBps } = multiplierOf(quote.successes, quote.decided)
  const price = priceUnits(BigInt(quote.base_units), multiplierBps, quote.complexity, quote.urgency_bps)
  return price === BigInt(quote.price_units)
}
