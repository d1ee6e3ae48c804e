import { type Address, encodeAbiParameters, type Hex, isAddressEqual, keccak256, parseAbiParameters } from 'viem'
import { arbiterAbi, usdcAbi } from '@/abi/generated'
import type { EscrowOut, NetworkOut } from '@/api/types'
import type { Call } from './useTx'

const EXTRA = parseAbiParameters('bytes32, address, address, address')
const NAME = parseAbiParameters('uint256, address, address, bytes')
const ID_MASK = (1n << 160n) - 1n

/** The arbiter's number of the dispute over an escrow: it names chain, arbiter, escrow contract, escrow and parties. */
export function disputeId(network: NetworkOut, { escrow_id, terms }: Pick<EscrowOut, 'escrow_id' | 'terms'>): bigint {
  const parties = [terms.client, terms.provider, terms.verifier] as Address[]
  const [client, provider, verifier] = parties as [Address, Address, Address]
  const extra = encodeAbiParameters(EXTRA, [escrow_id as Hex, client, provider, verifier])
  const arbiter = network.contracts.arbiter as Address
  const name = [BigInt(network.chain_id), arbiter, network.contracts.escrow as Address, extra] as const
  return BigInt(keccak256(encodeAbiParameters(NAME, name))) & ID_MASK
}

/** The number of an escrow's dispute at the arbiter of this network. Throws where the service shows another one. */
export function checkedId(network: NetworkOut, escrow: EscrowOut): bigint {
  const id = disputeId(network, escrow)
  const ours = isAddressEqual(escrow.terms.arbiter as Address, network.contracts.arbiter as Address)
  if (!ours || escrow.dispute?.dispute_id !== id.toString())
    throw new Error('The service shows another dispute than the terms name. Nothing was sent.')
  return id
}

/** The two transactions that pay `units` for a side of an appeal: the arbiter is allowed exactly that, then takes it. */
export function payAppealCalls(network: NetworkOut, escrow: EscrowOut, role: 'buyer' | 'agent', units: bigint): Call[] {
  const id = checkedId(network, escrow)
  const arbiter = network.contracts.arbiter as Address
  const side = role === 'buyer' ? 1 : 2
  return [
    { abi: usdcAbi, address: network.contracts.usdc as Address, functionName: 'approve', args: [arbiter, units] },
    { abi: arbiterAbi, address: arbiter, functionName: 'fundAppeal', args: [id, side, units] },
  ]
}

/** The transaction that pays out what lies at the arbiter for the sender. */
export const collectCall = (network: NetworkOut, units: bigint): Call => ({
  abi: arbiterAbi,
  address: network.contracts.arbiter as Address,
  functionName: 'withdraw',
  args: [units],
})
