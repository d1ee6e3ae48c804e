import { type Address, isAddressEqual } from 'viem'
import type { DealRole } from '@/api/types'

/** What a reader is in a deal. It is shown to its buyer, its agent and its verifier only. */
export function roleOf(deal: { buyer: string; agent: string }, reader: Address): DealRole {
  if (isAddressEqual(reader, deal.buyer as Address)) return 'buyer'
  return isAddressEqual(reader, deal.agent as Address) ? 'agent' : 'verifier'
}
