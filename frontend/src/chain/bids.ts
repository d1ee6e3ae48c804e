import { type Hex, keccak256 } from 'viem'
import { treeRoot } from './merkle'

/** Merkle root of an auction's bids (OpenZeppelin's standard tree over ascending hashes), so that the page can see whether the award left one out. */
export function bidsRoot(hashes: readonly Hex[]): Hex {
  const ordered = [...new Set(hashes.map((hash) => hash.toLowerCase() as Hex))].sort()
  return treeRoot(ordered.map((hash) => keccak256(keccak256(hash))))
}
