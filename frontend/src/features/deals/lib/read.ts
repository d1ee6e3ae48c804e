import { type Address, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { DealOut, NetworkOut } from '@/api/types'
import { loadSessionKey } from '@/chain/sessionKey'

/** A deal as its reader sees it: to a buyer the pool is that of this browser's session key, where it has one. */
export async function readDeal(network: NetworkOut, dealId: string, reader: Address): Promise<DealOut> {
  // a browser without a key store holds no session key
  const key = await loadSessionKey(network.chain_id, reader).catch(() => null)
  const deal = await endpoints.deal(dealId, key?.address)
  // the key of an agent or verifier, for tasks it buys elsewhere, has nothing to do with this buyer's pool
  return key && !isAddressEqual(reader, deal.buyer as Address) ? endpoints.deal(dealId) : deal
}
