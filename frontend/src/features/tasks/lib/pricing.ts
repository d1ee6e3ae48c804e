/** Multipliers of an agent's record in percent, best first: success >= 95 %, 90, 80, 70, below. */
export const TIERS = [200n, 180n, 150n, 120n, 50n] as const
export const URGENCIES = { '1.0': 100n, '1.25': 125n, '1.5': 150n } as const
export type Urgency = keyof typeof URGENCIES

/** Guide price of the simplest task of an agent with multiplier 1. */
export const BASE_UNITS = 1_000_000n

/** base x multiplier x (1 + complexity/2) x urgency, rounded half up to a base unit. */
export function guidePrice(base: bigint, multiplierPercent: bigint, complexity: number, urgency: Urgency): bigint {
  const numerator = base * multiplierPercent * BigInt(2 + complexity) * URGENCIES[urgency]
  const denominator = 100n * 2n * 100n
  return (2n * numerator + denominator) / (2n * denominator)
}

/** The lowest and highest guide price over all records an agent can have. */
export function guideRange(complexity: number, urgency: Urgency): { low: bigint; high: bigint } {
  const prices = TIERS.map((tier) => guidePrice(BASE_UNITS, tier, complexity, urgency))
  return { low: prices.at(-1) ?? 0n, high: prices[0] ?? 0n }
}
