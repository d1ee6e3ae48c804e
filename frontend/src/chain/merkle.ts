import { concat, type Hex, keccak256, zeroHash } from 'viem'

/* The Merkle tree of OpenZeppelin's StandardMerkleTree, over leaves that are hashed already. */

/** Inner node over two children, in either order. */
export const pairHash = (a: Hex, b: Hex): Hex => keccak256(BigInt(a) <= BigInt(b) ? concat([a, b]) : concat([b, a]))

/** Root of leaves in the order they are published in; they fill a complete binary tree from its end. Zero for none. */
export function treeRoot(leaves: readonly Hex[]): Hex {
  const inner = Array<Hex>(Math.max(leaves.length - 1, 0)).fill(zeroHash)
  const nodes: Hex[] = [...inner, ...[...leaves].reverse()]
  for (let index = inner.length - 1; index >= 0; index--)
    nodes[index] = pairHash(nodes[2 * index + 1] ?? zeroHash, nodes[2 * index + 2] ?? zeroHash)
  return nodes[0] ?? zeroHash
}
