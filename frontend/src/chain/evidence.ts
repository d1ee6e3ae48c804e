import { type Address, getAddress, type Hex, keccak256, stringToBytes, zeroHash } from 'viem'
import type { ManifestFile } from '@/api/types'
import { documentHash, type Json } from './canonical'

const EVIDENCE_VERSION = 1

/** What a party says in a dispute over an escrow. */
export interface EvidenceParts {
  escrowId: string
  party: string
  claim: string
  files: readonly ManifestFile[]
  salt: string
}

/** Half a character has no UTF-8 form, so it has no hash that others would come to. */
const requireText = (text: string) => {
  if (/\p{Surrogate}/u.test(text)) throw new Error('The text holds a broken character; type it again.')
}

/** The document an evidence hash commits to, files sorted by name. Throws for equal file names and for an empty claim. */
export function evidenceDocument({ escrowId, party, claim, files, salt }: EvidenceParts): Json {
  if (claim === '') throw new Error('Say what is wrong first.')
  requireText(claim)
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1))
  if (new Set(files.map((file) => file.name)).size < files.length) throw new Error('Two files have the same name.')
  return {
    version: EVIDENCE_VERSION,
    escrow_id: escrowId,
    party: getAddress(party as Address),
    claim,
    files: sorted.map(({ name, sha256, size, media_type }) => ({ name, sha256, size, media_type })),
    salt,
  }
}

/** keccak256 of the canonical evidence document: what goes on chain of a dispute's words and files. */
export const evidenceHash = (parts: EvidenceParts): Hex => documentHash(evidenceDocument(parts))

/** keccak256 of a rating's comment in UTF-8, zero for none. */
export function commentHash(comment: string): Hex {
  requireText(comment)
  return comment === '' ? zeroHash : keccak256(stringToBytes(comment))
}
