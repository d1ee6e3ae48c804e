import { FLOOR } from '@/chain/reputation'

const TOPS = [2_400, 4_000, 6_000, 10_000] as const
const STEPS = 4

/** Where a chart of scores draws lines: from where everybody begins to just above the best of them. */
export function scoreTicks(scores: readonly number[]): number[] {
  const best = Math.max(FLOOR, ...scores)
  const top = TOPS.find((one) => one >= best) ?? best
  return Array.from({ length: STEPS + 1 }, (_, step) => FLOOR + ((top - FLOOR) * step) / STEPS)
}
