import { describe, expect, it } from 'vitest'
import { formatUsdc, groupUsdc, parseUsdc } from './amount'

describe('parseUsdc', () => {
  it.each([
    ['25', 25_000_000n],
    ['0.40', 400_000n],
    [' 9.999999 ', 9_999_999n],
    ['0', 0n],
  ])('reads %s', (text, units) => expect(parseUsdc(text)).toBe(units))

  it.each(['', '.5', '1.', '-1', '+1', '1e3', '0x10', '1,5', '01', '1.1234567', 'ten', '1 000'])('refuses %j', (text) =>
    expect(parseUsdc(text)).toBeNull(),
  )
})

describe('formatUsdc', () => {
  it('keeps every digit and at least two decimals', () => {
    expect(formatUsdc(400_000n)).toBe('0.40')
    expect(formatUsdc(9_999_999n)).toBe('9.999999')
    expect(formatUsdc(-1n)).toBe('-0.000001')
    expect(groupUsdc(1_234_567_890_000n)).toBe('1\u202f234\u202f567.89')
  })

  it('comes back through parseUsdc for any amount', () => {
    let seed = 42n
    for (let round = 0; round < 500; round++) {
      seed = (seed * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n
      const units = seed >> BigInt(round % 60)
      expect(parseUsdc(formatUsdc(units))).toBe(units)
    }
  })
})
