const LINES = 4
const USDC = 1_000_000

/** The step, a 1, 2 or 5 with zeros, whose multiples reach a value in at most four lines. */
function stepTo(most: number): number {
  const raw = most / LINES
  const unit = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].find((factor) => factor * unit >= raw) ?? 10
  return step * unit
}

/** Where a chart of amounts in base units draws lines: round amounts from nothing to at least the largest. */
export function amountTicks(units: readonly number[]): number[] {
  const step = stepTo(Math.max(USDC, ...units))
  const last = Math.ceil(Math.max(USDC, ...units) / step)
  return Array.from({ length: last + 1 }, (_, line) => line * step)
}
