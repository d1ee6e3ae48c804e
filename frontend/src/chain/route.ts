import type { Constants } from '@/api/types'

export type Path = 'escrow' | 'channel'
export type RouteReason = 'price' | 'flag' | 'time' | 'small'

export interface RouteInput {
  priceUnits: bigint
  taskEscrowOnly: boolean
  bidEscrowOnly: boolean
  deliverWithinSeconds: number
}

type RouteConstants = Pick<Constants, 'threshold_units' | 'max_micro_seconds' | 'evaluation_seconds'>

/** Which way a price is paid and what decided it: the published rule, repeated here so that the form answers while typing. */
export function chooseRoute(input: RouteInput, constants: RouteConstants): { path: Path; reason: RouteReason } {
  if (input.priceUnits >= BigInt(constants.threshold_units)) return { path: 'escrow', reason: 'price' }
  if (input.taskEscrowOnly || input.bidEscrowOnly) return { path: 'escrow', reason: 'flag' }
  if (input.deliverWithinSeconds + constants.evaluation_seconds > constants.max_micro_seconds)
    return { path: 'escrow', reason: 'time' }
  return { path: 'channel', reason: 'small' }
}

export const ROUTE_SENTENCES: Record<RouteReason, string> = {
  price: 'On chain: the price reaches the escrow threshold.',
  flag: 'On chain: you asked for escrow, which keeps the right to dispute.',
  time: 'On chain: the work takes longer than a pool can cover.',
  small: 'Off-chain: paid from your pool, no wallet prompt and no fee.',
}
