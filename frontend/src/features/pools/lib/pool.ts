import type { Hex } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { NetworkOut, PoolOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { askSignature } from '@/chain/signing'
import { signingRequest } from '@/chain/typedData'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'

/** The operator key that serves now: new pools name it. */
export function liveOperator(network: NetworkOut): string {
  const operator = network.operators.find((known) => known.until === null)
  if (!operator) throw new Error('No operator serves at the moment; pools cannot be opened.')
  return operator.address
}

/** Where the money of a pool stands, in parts that add up to its balance plus what was claimed from it. */
export function poolParts(pool: PoolOut): {
  claimed: bigint
  earned: bigint
  reserved: bigint
  free: bigint
  total: bigint
} {
  const claimed = BigInt(pool.claimed_units)
  const balance = BigInt(pool.balance_latest_units)
  const earnedInAll = BigInt(pool.earned_units)
  const earned = earnedInAll > claimed ? earnedInAll - claimed : 0n
  const reserved = BigInt(pool.reserved_units)
  const free = balance > earned + reserved ? balance - earned - reserved : 0n
  return { claimed, earned, reserved, free, total: claimed + earned + reserved + free }
}

const STEP_SECONDS = 600

/** Starts a withdrawal from a pool, or takes one back. */
export async function withdraw(network: NetworkOut, pool: PoolOut, amountUnits: bigint, cancel: boolean) {
  const validUntil = serverNow() + STEP_SECONDS
  // the contract reads a cancellation as one of amount 0
  const signedUnits = cancel ? 0n : amountUnits
  const delay = formatDuration(network.constants.pool_withdraw_delay_seconds)
  const signature = await askSignature({
    title: cancel ? 'Keep the money in the pool' : `Withdraw ${amountText(amountUnits)}`,
    intro: cancel
      ? 'Takes your pending withdrawal back.'
      : `The money comes back to your wallet after ${delay}, sooner when the operator agrees.`,
    rows: [
      { label: 'Amount', value: amountUnits.toString(), kind: 'amount' },
      { label: 'To', value: pool.payer, kind: 'address' },
      { label: 'Signature expires', value: String(validUntil), kind: 'time' },
      { label: 'Pool id', value: pool.pool_id, kind: 'hash' },
    ],
    checks: [],
    problems: [],
    next: cancel
      ? 'The pool takes new orders again.'
      : 'Agents claim what they have earned first; meanwhile the pool takes no new orders.',
    request: signingRequest('PoolWithdraw', network, {
      poolId: pool.pool_id as Hex,
      amount: signedUnits,
      cancel,
      nonce: pool.nonce,
      validUntil,
    }),
  })
  return endpoints.withdrawPool(pool.pool_id, {
    amount_units: signedUnits.toString(),
    cancel,
    nonce: pool.nonce,
    valid_until: validUntil,
    signature,
  })
}
