export const USDC_DECIMALS = 6
const SCALE = 10n ** BigInt(USDC_DECIMALS)

/** Base units of a human amount such as `25` or `0.40`, or null when it is not one. More than 6 decimals is refused, never rounded. */
export function parseUsdc(text: string): bigint | null {
  const match = /^(0|[1-9][0-9]{0,27})(?:\.([0-9]{1,6}))?$/.exec(text.trim())
  if (!match) return null
  return BigInt(match[1] ?? '0') * SCALE + BigInt((match[2] ?? '').padEnd(USDC_DECIMALS, '0'))
}

/** Human amount with at least two decimals and none lost: 400000 is `0.40`, 9999999 is `9.999999`. */
export function formatUsdc(units: bigint): string {
  const sign = units < 0n ? '-' : ''
  const value = units < 0n ? -units : units
  const digits = (value % SCALE).toString().padStart(USDC_DECIMALS, '0').replace(/0+$/, '').padEnd(2, '0')
  return `${sign}${value / SCALE}.${digits}`
}

/** `formatUsdc` with thin-space groups in the whole part, for reading. */
export function groupUsdc(units: bigint): string {
  const [whole = '0', fraction = '00'] = formatUsdc(units).split('.')
  return `${whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')}.${fraction}`
}

/** Base units of a JSON amount field. */
export const units = (text: string) => BigInt(text)

/** A rate in basis points as percent: 250 is `2.5%`. */
export const formatRate = (bps: number) => `${bps / 100}%`
