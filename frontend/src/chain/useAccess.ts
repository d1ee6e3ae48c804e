import type { Address } from 'viem'
import { useConnection } from 'wagmi'
import { sessionOf, useSession } from '@/api/session'
import { useNetwork } from './network'

/** How far the reader is from being able to act, in the order the one button leads through. */
export type Access =
  | { state: 'reconnecting'; address: Address | undefined }
  | { state: 'disconnected'; address: undefined }
  | { state: 'wrong-network'; address: Address; chainId: number }
  | { state: 'signed-out'; address: Address }
  | { state: 'ready'; address: Address }

/** Combines wallet and session: an address that is merely remembered, or a session of another account, enables nothing. */
export function useAccess(): Access {
  const network = useNetwork()
  const { address, chainId, status } = useConnection()
  const session = useSession()
  if (status === 'reconnecting' || status === 'connecting' || (status === 'connected' && session.isPending))
    return { state: 'reconnecting', address }
  if (status !== 'connected' || !address) return { state: 'disconnected', address: undefined }
  if (chainId !== network.chain_id) return { state: 'wrong-network', address, chainId }
  if (!sessionOf(session.data, address)) return { state: 'signed-out', address }
  return { state: 'ready', address }
}

/** The account that is signed in here, whatever its wallet does at the moment; for reading one's own things. */
export function useReader(): Address | undefined {
  return useSession().data?.address as Address | undefined
}
