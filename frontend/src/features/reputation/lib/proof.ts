import type { Hex } from 'viem'
import type { AnchorOut, ReputationOut } from '@/api/types'
import { verifyScore } from '@/chain/epochs'

export type ProofProblem = 'proof' | 'agent' | 'score' | 'epoch' | 'root'

export const PROOF_PROBLEMS: Record<ProofProblem, string> = {
  proof: 'The proof does not lead from this score to the root of the epoch.',
  agent: 'The proof is of another agent.',
  score: 'The proof is of another score than the one shown.',
  epoch: 'The proof is of another epoch.',
  root: 'The chain has another root for this epoch, or none.',
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** What is wrong with a score's proof; `chainRoot` is what a node says is anchored, undefined if none was asked. */
export function proofProblems(
  reputation: ReputationOut,
  anchor: AnchorOut,
  chainRoot: string | undefined,
): ProofProblem[] {
  const { leaf } = anchor
  const fields = {
    agent: leaf.agent,
    score: leaf.score,
    settledValue: BigInt(leaf.settled_value_units),
    jobs: leaf.jobs,
    epoch: BigInt(leaf.epoch),
  }
  const shown =
    leaf.score === reputation.score &&
    leaf.jobs === reputation.jobs &&
    leaf.settled_value_units === reputation.settled_value_units
  const findings: [ProofProblem, boolean][] = [
    ['proof', !verifyScore(anchor.root.toLowerCase() as Hex, fields, anchor.proof as Hex[])],
    ['agent', !same(leaf.agent, reputation.agent)],
    ['score', !shown],
    ['epoch', leaf.epoch !== anchor.epoch],
    ['root', chainRoot !== undefined && !same(chainRoot, anchor.root)],
  ]
  return findings.filter(([, wrong]) => wrong).map(([code]) => code)
}
