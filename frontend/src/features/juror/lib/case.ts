import { type Address, type Hex, isAddressEqual } from 'viem'
import type { CaseOut, NetworkOut } from '@/api/types'
import { disputeId } from '@/chain/appeal'
import { canonicalJson, type Json } from '@/chain/canonical'
import { deliverableHash, escrowId, jobHash, taskHash } from '@/chain/typedData'

export type CaseProblem = 'escrow' | 'dispute' | 'parties' | 'task' | 'job' | 'files' | 'result'

export const CASE_PROBLEMS: Record<CaseProblem, string> = {
  escrow: 'The escrow id does not match the terms.',
  dispute: 'This is another dispute.',
  parties: 'The terms name other parties.',
  task: 'The task is not the one its hash was made of.',
  job: 'The terms commit to another job.',
  files: 'The input files are not those of the task.',
  result: 'The result is not the one on chain.',
}

/** What is wrong with a case that says it is dispute `id`: its number names the terms, these the task, hashes the rest. */
export function caseProblems(network: NetworkOut, found: CaseOut, id: bigint): CaseProblem[] {
  const { terms, document, deliverable } = found
  const same = (a: string, b: string) => isAddressEqual(a as Address, b as Address)
  const listed = found.input_files.map(({ name, sha256, size, media_type }) => ({ name, sha256, size, media_type }))
  const findings: [CaseProblem, boolean][] = [
    ['escrow', escrowId(network, terms) !== found.escrow_id],
    ['dispute', disputeId(network, found) !== id || BigInt(found.dispute_id) !== id],
    ['parties', !same(terms.client, found.buyer) || !same(terms.provider, found.agent)],
    ['task', taskHash(document) !== found.task_hash],
    ['job', jobHash(found.task_hash as Hex, found.bid_hash as Hex, found.bids_root as Hex) !== terms.job_hash],
    ['files', canonicalJson(listed) !== canonicalJson((document.input_files ?? []) as Json)],
    ['result', deliverable !== null && deliverableHash(deliverable.manifest) !== found.deliverable_hash],
  ]
  return findings.filter(([, wrong]) => wrong).map(([code]) => code)
}
