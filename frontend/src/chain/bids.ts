import { concat, type Hex, keccak256, zeroHash } from 'viem'

const pair = (a: Hex, b: Hex): Hex => keccak256(BigInt(a) <= BigInt(b) ? concat([a, b]) : concat([b, a]))

/** Merkle root of an auction's bids (OpenZeppelin's standard tree over ascending hashes), so that the page can see whether the award left one out. */
export function bidsRoot(hashes: readonly Hex[]): Hex {
  const ordered = [...new Set(hashes.map((hash) => hash.toLowerCase() as Hex))].sort()
  if (ordered.length === 0) return zeroHash
  const leaves = ordered.map((hash) => keccak256(keccak256(hash))).reverse()
  const nodes: Hex[] = [...Array<Hex>(ordered.length - 1).fill(zeroHash), ...leaves]
  for (let index = ordered.length - 2; index >= 0; index--)
    nodes[index] = pair(nodes[2 * index + 1] ?? zeroHash, nodes[2 * index + 2] ?? zeroHash)
  return nodes[0] ?? zeroHash
}
