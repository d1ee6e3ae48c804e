import {
  type Address,
  concat,
  encodeAbiParameters,
  type Hex,
  hashTypedData,
  isAddressEqual,
  keccak256,
  parseAbiParameters,
  stringToBytes,
  type TypedDataDomain,
  zeroAddress,
} from 'viem'
import { domains, typedData } from '@/abi/generated'
import type { LedgerName, NetworkOut, TermsOut } from '@/api/types'
import { documentHash, type Json } from './canonical'

const APPEAL_NONCE = parseAbiParameters('uint256, uint256, uint256, bytes32')

interface Field {
  name: string
  type: string
}

export type MessageName = keyof typeof typedData
export type MessageValue = string | number | bigint | boolean
export type Message = Record<string, MessageValue>

/** A typed-data request as wallets and viem take it. */
export interface SigningRequest {
  domain: TypedDataDomain
  types: Record<string, readonly Field[]>
  primaryType: string
  message: Message
}

/** The part of `/network` that domains are made of. */
export type Deployment = Pick<NetworkOut, 'chain_id' | 'contracts' | 'token'>

/** Permit2, at the same address on every chain; its domain has no version. */
const PERMIT2: Address = '0x000000000022D473030F116dDEE9F6B43aC78BA3'

type DomainName = (typeof typedData)[MessageName]['domain']

/** EIP-712 domain of a message on a deployment. */
export const domainOf = (name: MessageName, deployment: Deployment): TypedDataDomain =>
  domainAt(typedData[name].domain, deployment)

function domainAt(key: DomainName, deployment: Deployment): TypedDataDomain {
  const { contracts, token, chain_id: chainId } = deployment
  switch (key) {
    case 'escrow':
      return { ...named('escrow'), chainId, verifyingContract: contracts.escrow as Address }
    case 'marketplace':
      return { ...named('marketplace'), chainId, verifyingContract: contracts.escrow as Address }
    case 'channel':
      return { ...named('channel'), chainId, verifyingContract: contracts.payment_channel as Address }
    case 'reputation':
      return { ...named('reputation'), chainId, verifyingContract: contracts.reputation as Address }
    case 'arbiter':
      // terms may name no other arbiter than the one of the deployment, or none
      if (isAddressEqual(contracts.arbiter as Address, zeroAddress)) throw new Error('This network has no arbiter.')
      return { ...named('arbiter'), chainId, verifyingContract: contracts.arbiter as Address }
    case 'token':
      return { name: token.name, version: token.version, chainId, verifyingContract: contracts.usdc as Address }
    case 'permit2':
      return { name: domains.permit2.name, chainId, verifyingContract: PERMIT2 }
  }
}

function named(key: Exclude<keyof typeof domains, 'token' | 'permit2'>) {
  const { name, version } = domains[key]
  return { name, version }
}

/** The signing request of a message: types from the one shared document, never written by hand here. */
export function signingRequest(name: MessageName, deployment: Deployment, message: Message): SigningRequest {
  const { types, primaryType } = typedData[name]
  return { domain: domainOf(name, deployment), types, primaryType, message }
}

/** The signing request of a withdrawal from the ledger of one contract; the message is the same for all of them. */
export const withdrawalRequest = (ledger: LedgerName, deployment: Deployment, message: Message): SigningRequest => ({
  ...signingRequest('Withdrawal', deployment, message),
  domain: domainAt(ledger, deployment),
})

/** EIP-712 digest of a message. */
export const digest = (name: MessageName, deployment: Deployment, message: Message): Hex =>
  hashTypedData(signingRequest(name, deployment, message) as unknown as Parameters<typeof hashTypedData>[0])

/** The contract's `Terms` as an EIP-712 message. */
export const termsMessage = (terms: TermsOut): Message => ({
  client: terms.client,
  provider: terms.provider,
  verifier: terms.verifier,
  arbiter: terms.arbiter,
  amount: BigInt(terms.amount_units),
  feeBps: terms.fee_bps,
  quorum: terms.quorum,
  acceptBy: terms.accept_by,
  deliverBy: terms.deliver_by,
  challengePeriod: terms.challenge_period,
  disputeTimeout: terms.dispute_timeout,
  jobHash: terms.job_hash,
  salt: BigInt(terms.salt),
})

export const escrowId = (deployment: Deployment, terms: TermsOut): Hex =>
  digest('EscrowTerms', deployment, termsMessage(terms))

export interface PoolParties {
  payer: string
  payerAuthorizer: string
  operator: string
}

export const poolId = (deployment: Deployment, parties: PoolParties): Hex =>
  digest('PoolKey', deployment, { ...parties })

/** Salt of every marketplace channel, from its published text and not from what the service says. */
export const MARKETPLACE_SALT: Hex = keccak256(stringToBytes('AICP marketplace 1'))

/** Id of the one marketplace channel between a pool and an agent. */
export function channelId(
  deployment: Pick<NetworkOut, 'chain_id' | 'contracts' | 'token' | 'constants'>,
  parties: PoolParties & { receiver: string },
): Hex {
  return digest('ChannelConfig', deployment, {
    payer: parties.payer,
    payerAuthorizer: parties.payerAuthorizer,
    receiver: parties.receiver,
    receiverAuthorizer: parties.operator,
    token: deployment.contracts.usdc,
    withdrawDelay: deployment.constants.channel_withdraw_delay_seconds,
    salt: MARKETPLACE_SALT,
  })
}

export interface BidFields {
  agent: string
  amount_units: string
  eta_seconds: number
  escrow_only: boolean
  valid_until: number
  salt: string
}

export const bidMessage = (taskHash: string, bid: BidFields): Message => ({
  taskHash,
  agent: bid.agent,
  amount: BigInt(bid.amount_units),
  etaSeconds: bid.eta_seconds,
  escrowOnly: bid.escrow_only,
  validUntil: bid.valid_until,
  salt: bid.salt,
})

export const bidHash = (deployment: Deployment, taskHash: string, bid: BidFields): Hex =>
  digest('Bid', deployment, bidMessage(taskHash, bid))

export const commitMessage = (taskHash: string, commitment: string, validUntil: number): Message => ({
  taskHash,
  commitment,
  validUntil,
})

/** The hash a sealed bid is receipted under: that of the commit to it. */
export const commitHash = (deployment: Deployment, taskHash: string, bid: BidFields): Hex =>
  digest('BidCommit', deployment, commitMessage(taskHash, bidHash(deployment, taskHash, bid), bid.valid_until))

/** The hash a bid was receipted under: its own or, where bids are sealed, that of the commit that hid it. */
export const receiptedHash = (
  deployment: Deployment,
  taskHash: string,
  bid: BidFields & { sealed?: object | null },
): Hex => {
  return bid.sealed ? commitHash(deployment, taskHash, bid) : bidHash(deployment, taskHash, bid)
}

export interface TaskOrderFields {
  buyer: string
  max_units: string
  valid_until: number
  salt: string
}

export const taskOrderMessage = (taskHash: string, order: TaskOrderFields): Message => ({
  taskHash,
  buyer: order.buyer,
  maxAmount: BigInt(order.max_units),
  validUntil: order.valid_until,
  salt: order.salt,
})

export interface OrderFields {
  channel_id: string
  bid_hash: string
  price_units: string
  deliver_by: number
  evaluate_by: number
}

export const orderMessage = (order: OrderFields): Message => ({
  channelId: order.channel_id,
  bidHash: order.bid_hash,
  price: BigInt(order.price_units),
  deliverBy: order.deliver_by,
  evaluateBy: order.evaluate_by,
})

export const orderHash = (deployment: Deployment, order: OrderFields): Hex =>
  digest('MicroOrder', deployment, orderMessage(order))

/** keccak256(task hash ‖ bid hash ‖ bids root): what an escrow's terms commit to. */
export const jobHash = (taskHash: Hex, bid: Hex, bidsRoot: Hex): Hex => keccak256(concat([taskHash, bid, bidsRoot]))

/** Nonce of a pool deposit authorization. */
export const poolDepositNonce = (pool: Hex, salt: Hex): Hex =>
  keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'bytes32' }], [pool, salt]))

/** Nonce of a payment into an appeal; side 1 is the buyer's, 2 the agent's. */
export const appealNonce = (dispute: bigint, round: number, side: 1 | 2, salt: Hex): Hex =>
  keccak256(encodeAbiParameters(APPEAL_NONCE, [dispute, BigInt(round), BigInt(side), salt]))

/** Nonce of a party's bond in a dispute: one bond of a party in an escrow. */
export const bondNonce = (escrow: Hex, party: Address): Hex =>
  keccak256(
    encodeAbiParameters([{ type: 'bytes32' }, { type: 'string' }, { type: 'address' }], [escrow, 'bond', party]),
  )

export const taskHash = (taskDocument: unknown): Hex => documentHash(taskDocument as Json)

export const deliverableHash = (manifest: { files: readonly unknown[]; salt: string }): Hex =>
  documentHash({ files: manifest.files as Json[], salt: manifest.salt })
