import { type Address, type Hex, isAddressEqual, recoverTypedDataAddress } from 'viem'
import type { NetworkOut } from '@/api/types'
import { type Deployment, type Message, type MessageName, signingRequest } from './typedData'

/** Whether an account that is a plain key has signed a message. */
export async function signedBy(
  name: MessageName,
  deployment: Deployment,
  message: Message,
  signature: string,
  signer: string,
): Promise<boolean> {
  const request = signingRequest(name, deployment, message) as unknown as Parameters<typeof recoverTypedDataAddress>[0]
  try {
    return isAddressEqual(await recoverTypedDataAddress({ ...request, signature: signature as Hex }), signer as Address)
  } catch {
    // a malformed signature recovers nobody
    return false
  }
}

/** Whether one of the deployment's operator keys, past or present, has signed a message; `named` narrows it to one. */
export async function signedByOperator(
  name: MessageName,
  network: NetworkOut,
  message: Message,
  signature: string,
  named?: string,
): Promise<boolean> {
  const keys = network.operators.map(({ address }) => address)
  const asked = named === undefined ? keys : keys.filter((key) => isAddressEqual(key as Address, named as Address))
  const found = await Promise.all(asked.map((key) => signedBy(name, network, message, signature, key)))
  return found.includes(true)
}
