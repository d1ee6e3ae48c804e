import { DECAY_TABLE } from './decayTable'

/* How much of an old score is left after some days: the published table, the same integers as in Python and Solidity. */

const ONE = 10n ** 18n

export const DAY = 86_400
export const DECAY: readonly bigint[] = DECAY_TABLE.split(',').map(BigInt)
export const MAX_DAYS = DECAY.length - 1

/** Full days from one unix second to a later one, at most 365. */
export function daysBetween(earlier: number, later: number): number {
  if (later < earlier) throw new Error('the later second is before the earlier one')
  return Math.min(Math.floor((later - earlier) / DAY), MAX_DAYS)
}

/** (base x decay + recent x (1e18 - decay)) / 1e18, rounded down; hundredths. */
export function decayed(base: number, recent: number, days: number): number {
  const left = DECAY[days]
  if (left === undefined) throw new Error('days are 0 to 365')
  return Number((BigInt(base) * left + BigInt(recent) * (ONE - left)) / ONE)
}
