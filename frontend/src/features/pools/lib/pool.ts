import type { Hex } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { NetworkOut, PoolOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { liveOperator } from '@/chain/operators'
import { randomBytes32 } from '@/chain/random'
import { askSignature } from '@/chain/signing'
import { poolDepositNonce, poolId, signingRequest } from '@/chain/typedData'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'

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

/** How long after the longest wait for a withdrawal the deposit that follows it may still be sent. */
const MOVE_SLACK_SECONDS = 6 * 3600

async function signWithdrawal(network: NetworkOut, pool: PoolOut, amountUnits: bigint, cancel: boolean, next: string) {
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
    next,
    request: signingRequest('PoolWithdraw', network, {
      poolId: pool.pool_id as Hex,
      amount: signedUnits,
      cancel,
      nonce: pool.nonce,
      validUntil,
    }),
  })
  return { amount_units: signedUnits.toString(), cancel, nonce: pool.nonce, valid_until: validUntil, signature }
}

/** Starts a withdrawal from a pool, or takes one back. */
export async function withdraw(network: NetworkOut, pool: PoolOut, amountUnits: bigint, cancel: boolean) {
  const next = cancel
    ? 'The pool takes new orders again.'
    : 'Agents claim what they have earned first; meanwhile the pool takes no new orders.'
  return endpoints.withdrawPool(pool.pool_id, await signWithdrawal(network, pool, amountUnits, cancel, next))
}

/** Moves what is free in a pool to the operator whom new pools name: a withdrawal, and the deposit that follows it. */
export async function movePool(network: NetworkOut, pool: PoolOut, sessionKey: string) {
  const amount = BigInt(pool.available_units)
  const operator = liveOperator(network)
  const target = poolId(network, { payer: pool.payer, payerAuthorizer: sessionKey, operator })
  const withdrawal = await signWithdrawal(
    network,
    pool,
    amount,
    false,
    'One more signature follows: it deposits the money into your new pool as soon as it has come back.',
  )
  const salt = randomBytes32()
  const validBefore = serverNow() + network.constants.pool_withdraw_delay_seconds + MOVE_SLACK_SECONDS
  const signature = await askSignature({
    title: `Deposit ${amountText(amount)} into your new pool`,
    intro: 'Sent by the service once the withdrawal is paid; it pays into this pool only, and only once.',
    rows: [
      { label: 'You deposit', value: amount.toString(), kind: 'amount' },
      { label: 'Held by (PaymentChannel)', value: network.contracts.payment_channel, kind: 'address' },
      { label: 'Session key of this browser', value: sessionKey, kind: 'address' },
      { label: 'New operator', value: operator, kind: 'address' },
      { label: 'Signature expires', value: String(validBefore), kind: 'time' },
      { label: 'New pool id', value: target, kind: 'hash' },
    ],
    checks: ['Pool id recomputed: only this session key can promise money from it.'],
    problems: [],
    next: 'Nothing else to do: agents are paid from the old pool what it still owes them.',
    request: signingRequest('ReceiveWithAuthorization', network, {
      from: pool.payer,
      to: network.contracts.payment_channel,
      value: amount,
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: poolDepositNonce(target, salt),
    }),
  })
  return endpoints.movePool(pool.pool_id, {
    withdrawal,
    deposit: {
      payer_authorizer: sessionKey,
      operator,
      amount_units: amount.toString(),
      valid_after: 0,
      valid_before: validBefore,
      salt,
      signature,
    },
  })
}
