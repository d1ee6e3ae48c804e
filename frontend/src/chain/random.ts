import { bytesToHex, type Hex } from 'viem'

/** 32 random bytes as hex. */
export const randomBytes32 = (): Hex => bytesToHex(crypto.getRandomValues(new Uint8Array(32)))

/** A time-ordered UUID (version 7), so that a retried submit names the same task. */
export function uuid7(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  for (let index = 0; index < 6; index++) bytes[index] = Math.floor(now / 2 ** (8 * (5 - index))) % 256
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytesToHex(bytes).slice(2)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
