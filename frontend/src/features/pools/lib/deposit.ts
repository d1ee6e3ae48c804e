import type { Hex } from 'viem'
import { ProblemError } from '@/api/client'
import { endpoints } from '@/api/endpoints'
import type { IntentOut, NetworkOut } from '@/api/types'
import { CLOCK_SLACK_SECONDS, serverNow } from '@/chain/clock'
import { liveOperator } from '@/chain/operators'
import { randomBytes32 } from '@/chain/random'
import { askSignature } from '@/chain/signing'
import { poolDepositNonce, poolId, signingRequest } from '@/chain/typedData'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'

/*
 * One deposit at a time, and never twice. What is to be signed is kept in this browser before the wallet opens, the
 * signature before it is sent. Until the deposit is on chain or its signature has expired, whatever this browser signs
 * carries the same salt, so the same nonce, which the token takes once; a signature whose answer was lost is sent again
 * as it is. A crash before the signature leaves a salt that nothing was signed for; a crash after it leaves the body to
 * send again; a crash after the answer leaves a record that the list of transactions settles.
 */

/** A deposit this browser has signed or is about to sign: the very body the service is sent. */
export interface KeptDeposit {
  payer_authorizer: string
  operator: string
  amount_units: string
  valid_after: 0
  valid_before: number
  salt: Hex
  /** Null before the wallet has signed, and again once the service has refused what it signed. */
  signature: Hex | null
}

/** Where a kept deposit stands. `unsent`: signed, but the service does not know it; `underway`: it does. */
export type Standing = { state: 'unsent' | 'underway'; amount_units: string } | null

const storageKey = (network: NetworkOut, payer: string) => `aicp.deposit.${network.chain_id}:${payer.toLowerCase()}`

const readKept = (network: NetworkOut, payer: string): KeptDeposit | null =>
  JSON.parse(localStorage.getItem(storageKey(network, payer)) ?? 'null') as KeptDeposit | null

const keep = (network: NetworkOut, payer: string, deposit: KeptDeposit) =>
  localStorage.setItem(storageKey(network, payer), JSON.stringify(deposit))

/** Forgets a deposit, unless another one has taken its place meanwhile. */
function forget(network: NetworkOut, payer: string, deposit: KeptDeposit) {
  if (readKept(network, payer)?.salt === deposit.salt) localStorage.removeItem(storageKey(network, payer))
}

const LANDED = new Set<IntentOut['state']>(['mined', 'final'])
const DEAD = new Set<IntentOut['state']>(['failed', 'expired', 'cancelled'])
const PAGE = 50

const poolOf = (network: NetworkOut, payer: string, kept: Pick<KeptDeposit, 'payer_authorizer' | 'operator'>): Hex =>
  poolId(network, { payer, payerAuthorizer: kept.payer_authorizer, operator: kept.operator })

/** On chain and carried out. One that failed in its block may yet succeed in another one. */
const hasLanded = (intent: IntentOut) => LANDED.has(intent.state) && intent.error_code === null

/** The transaction of a nonce: one that is or may be carried out before one that is dead. */
async function intentOf(nonce: Hex): Promise<IntentOut | null> {
  let dead: IntentOut | null = null
  let cursor: string | undefined
  do {
    const page = await endpoints.transactions({ limit: PAGE, cursor })
    for (const intent of page.items) {
      if (intent.kind !== 'pool_deposit' || intent.reference.nonce !== nonce) continue
      if (!DEAD.has(intent.state)) return intent
      dead ??= intent
    }
    cursor = page.next_cursor ?? undefined
  } while (cursor)
  return dead
}

type Fate = 'none' | 'landed' | 'dead' | 'underway' | 'unsent'

async function fateOf(network: NetworkOut, payer: string, kept: KeptDeposit | null): Promise<Fate> {
  if (!kept?.signature) return 'none'
  const intent = await intentOf(poolDepositNonce(poolOf(network, payer, kept), kept.salt))
  if (intent === null) return kept.valid_before <= serverNow() ? 'dead' : 'unsent'
  return hasLanded(intent) ? 'landed' : DEAD.has(intent.state) ? 'dead' : 'underway'
}

/** Where the kept deposit of an account stands; null when another one may be signed. */
export async function depositStanding(network: NetworkOut, payer: string): Promise<Standing> {
  const kept = readKept(network, payer)
  const fate = await fateOf(network, payer, kept)
  if (kept && fate === 'landed') forget(network, payer, kept)
  return kept && (fate === 'unsent' || fate === 'underway') ? { state: fate, amount_units: kept.amount_units } : null
}

/** What to sign next: the salt of an earlier deposit into this pool for as long as that one could still be used. */
function compose(network: NetworkOut, payer: string, sessionKey: string, amount: bigint, fate: Fate): KeptDeposit {
  const operator = liveOperator(network)
  const old = readKept(network, payer)
  const parties = { payer_authorizer: sessionKey, operator }
  const usable = old !== null && fate !== 'landed' && old.valid_before > serverNow()
  const same = usable && poolOf(network, payer, old) === poolOf(network, payer, parties)
  return {
    ...parties,
    amount_units: amount.toString(),
    valid_after: 0,
    valid_before: serverNow() + network.constants.authorization_lifetime_seconds - CLOCK_SLACK_SECONDS,
    salt: same ? old.salt : randomBytes32(),
    signature: null,
  }
}

function askDeposit(network: NetworkOut, payer: string, deposit: KeptDeposit): Promise<Hex> {
  const pool = poolOf(network, payer, deposit)
  const delay = formatDuration(network.constants.pool_withdraw_delay_seconds)
  return askSignature({
    title: `Deposit ${amountText(deposit.amount_units)} into your pool`,
    intro: 'One signature. The money stays yours in the contract; small tasks are paid from it by your session key.',
    rows: [
      { label: 'You deposit', value: deposit.amount_units, kind: 'amount' },
      { label: 'Held by (PaymentChannel)', value: network.contracts.payment_channel, kind: 'address' },
      { label: 'Session key of this browser', value: deposit.payer_authorizer, kind: 'address' },
      { label: 'Operator', value: deposit.operator, kind: 'address' },
      { label: 'Signature expires', value: String(deposit.valid_before), kind: 'time' },
      { label: 'Pool id', value: pool, kind: 'hash' },
    ],
    checks: ['Pool id recomputed: only this session key can promise money from it.'],
    problems: [],
    next: `A relayer sends it and pays the gas. You can withdraw what is not promised; that takes ${delay}.`,
    request: signingRequest('ReceiveWithAuthorization', network, {
      from: payer,
      to: network.contracts.payment_channel,
      value: BigInt(deposit.amount_units),
      validAfter: 0n,
      validBefore: BigInt(deposit.valid_before),
      nonce: poolDepositNonce(pool, deposit.salt),
    }),
  })
}

/** Refusals that say nothing about the deposit itself: the same body may well be taken later. */
const PASSING = new Set([401, 403, 408, 425, 429])

async function send(network: NetworkOut, payer: string, deposit: KeptDeposit, signature: Hex): Promise<IntentOut> {
  try {
    return await endpoints.depositPool({ ...deposit, signature })
  } catch (error) {
    const refused = error instanceof ProblemError && error.status < 500 && !PASSING.has(error.status)
    if (refused) keep(network, payer, { ...deposit, signature: null })
    throw error
  }
}

/**
 * Deposits into the pool of the account and its session key by one signature; opens it when it is the first. A deposit
 * that is signed and whose fate is open is sent again instead, whatever the amount asked for now.
 */
export async function deposit(network: NetworkOut, payer: string, sessionKey: string, amountUnits: bigint) {
  const kept = readKept(network, payer)
  const fate = await fateOf(network, payer, kept)
  if (kept?.signature && (fate === 'unsent' || fate === 'underway')) return send(network, payer, kept, kept.signature)
  const next = compose(network, payer, sessionKey, amountUnits, fate)
  const balances = await endpoints.balances(payer)
  if (BigInt(balances.usdc_units) < amountUnits)
    throw new Error(`Your wallet holds ${amountText(balances.usdc_units)}, less than the deposit. Nothing was signed.`)
  keep(network, payer, next)
  const signature = await askDeposit(network, payer, next)
  keep(network, payer, { ...next, signature })
  return send(network, payer, next, signature)
}
