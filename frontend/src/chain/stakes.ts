/* What an outcome does to the stake behind an escrow, as the contract's StakeMath decides it. */

export const OUTCOMES = [
  'none',
  'completed',
  'settled',
  'returned',
  'missed',
  'lost',
  'won',
  'tie',
  'stalled',
  'cancelled',
] as const

export type Outcome = (typeof OUTCOMES)[number]

const BPS = 10_000n
const STAKE_BPS = 2_000n
const BONUS_BPS = 500n
const SEVERITY_BPS: Partial<Record<Outcome, number>> = { returned: 1_000, missed: 5_000, lost: 10_000 }

/** Share of the lock that an outcome costs when the whole price went back, in basis points. */
export const severityBps = (outcome: Outcome): number => SEVERITY_BPS[outcome] ?? 0

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const up = (value: bigint, divisor: bigint): bigint => (value + divisor - 1n) / divisor

/** Stake an agent locks, rounded up. */
export const requiredStake = (amountUnits: bigint): bigint => up(amountUnits * STAKE_BPS, BPS)

export interface StakeEffect {
  toClient: bigint
  toPool: bigint
  bonus: bigint
}

/** Slash of an escrow's lock and who gets it, and the bonus of a success, in base units. */
export function stakeEffect(
  outcome: Outcome,
  escrow: { amountUnits: bigint; refundedUnits: bigint; feeUnits: bigint; bonusPoolUnits: bigint },
): StakeEffect {
  const lock = requiredStake(escrow.amountUnits)
  const total = up(lock * BigInt(severityBps(outcome)) * escrow.refundedUnits, escrow.amountUnits * BPS)
  const toClient = outcome === 'lost' ? least(total, lock / 2n) : total
  const share = least((lock * BONUS_BPS) / BPS, escrow.feeUnits / 2n)
  const bonus = outcome === 'completed' ? least(share, escrow.bonusPoolUnits) : 0n
  return { toClient, toPool: total - toClient, bonus }
}
