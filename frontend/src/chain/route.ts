import type { Constants } from '@/api/types'
import { formatUsdc } from './amount'

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

/**
 * How a task is paid, as far as its budget tells: a bid may be lower, so a budget that reaches the threshold decides
 * nothing unless something else asks for escrow.
 */
export function chooseAtBudget(
  input: RouteInput,
  constants: RouteConstants,
): { path: Path | 'either'; reason: RouteReason | 'either' } {
  const atBudget = chooseRoute(input, constants)
  if (atBudget.reason !== 'price') return atBudget
  const below = chooseRoute({ ...input, priceUnits: BigInt(constants.threshold_units) - 1n }, constants)
  return below.path === 'channel' ? { path: 'either', reason: 'either' } : below
}

/** When the price alone decides: in words. */
export const eitherSentence = (constants: RouteConstants) =>
  `Depends on the price you accept: ${formatUsdc(BigInt(constants.threshold_units))} USDC or more is paid on chain, less from your pool.`

export const ROUTE_SENTENCES: Record<RouteReason, string> = {
  price: 'On chain: the price reaches the escrow threshold.',
  flag: 'On chain: you asked for escrow, which keeps the right to dispute.',
  time: 'On chain: the work takes longer than a pool can cover.',
  small: 'Off-chain: paid from your pool, no wallet prompt and no fee.',
}
