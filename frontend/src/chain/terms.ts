import { type Address, isAddressEqual, zeroAddress } from 'viem'
import type { Constants, TermsOut } from '@/api/types'

/** Signatures of distinct roles that release without the buyer alone or the clock. */
const QUORUM = 2
const MAX_UINT96 = 2n ** 96n - 1n

/** One sentence for each thing the policy can find wrong, in the words of the published rules. */
export const TERM_PROBLEMS = {
  client_differs: 'The terms name another buyer.',
  provider_differs: 'The terms name another agent.',
  self_deal: 'Buyer and agent are the same account.',
  verifier_differs: 'The terms name a verifier that was not agreed.',
  arbiter_unknown: 'The terms name an arbiter this network does not know.',
  party_is_judge: 'The verifier or the arbiter is one of the two parties.',
  amount_differs: 'The amount is not the price of the bid.',
  amount_out_of_range: 'The amount is below the minimum price or too large for the contract.',
  fee_differs: "The fee is not the network's fee.",
  quorum_differs: 'The number of signatures that release is not the agreed one.',
  accept_window: 'The time to accept and pay has passed or is longer than the network allows.',
  deliver_window: "The delivery time is shorter than the bid's or longer than the task's or the network's.",
  challenge_period: "The time to check the result is not the network's, or out of its bounds.",
  dispute_timeout: "The time after which a dispute is settled without a ruling is not the network's.",
  job_hash_differs: 'The terms commit to another task, bid or auction.',
  escrow_id_differs: 'The escrow id is not the one of these terms.',
  task_hash_differs: 'The task document is not the one both sides signed for.',
  bid_hash_differs: 'The bid is not the one that was awarded.',
  bid_signature: 'The bid is not signed by the agent.',
  bids_root_differs: 'The award leaves out a bid that was received.',
  award_signature: 'The award is not signed by an operator of this network.',
} as const

export type TermProblem = keyof typeof TERM_PROBLEMS

export interface Agreed {
  client: string
  provider: string
  amountUnits: bigint
  etaSeconds: number
  deliverWithinSeconds: number
  jobHash: string
  /** Arbiters this network knows; the zero address (no arbitration) is always allowed. */
  arbiters: readonly string[]
  /** Unix seconds by the server's clock. */
  now: number
  /** Only one the buyer named himself; otherwise the zero address. */
  verifier?: string
}

const same = (a: string, b: string) => isAddressEqual(a as Address, b as Address)

function partyProblems(terms: TermsOut, agreed: Agreed): [TermProblem, boolean][] {
  const judges = [terms.verifier, terms.arbiter].filter((address) => !same(address, zeroAddress))
  return [
    ['client_differs', !same(terms.client, agreed.client)],
    ['provider_differs', !same(terms.provider, agreed.provider)],
    ['self_deal', same(terms.client, terms.provider)],
    ['verifier_differs', !same(terms.verifier, agreed.verifier ?? zeroAddress)],
    [
      'arbiter_unknown',
      !same(terms.arbiter, zeroAddress) && !agreed.arbiters.some((known) => same(known, terms.arbiter)),
    ],
    ['party_is_judge', judges.some((judge) => same(judge, terms.client) || same(judge, terms.provider))],
  ]
}

function moneyProblems(terms: TermsOut, agreed: Agreed, constants: Constants): [TermProblem, boolean][] {
  const amount = BigInt(terms.amount_units)
  return [
    ['amount_differs', amount !== agreed.amountUnits],
    ['amount_out_of_range', amount < BigInt(constants.minimum_price_units) || amount > MAX_UINT96],
    ['fee_differs', terms.fee_bps !== constants.fee_bps],
    ['quorum_differs', terms.quorum !== QUORUM],
  ]
}

function clockProblems(terms: TermsOut, agreed: Agreed, constants: Constants): [TermProblem, boolean][] {
  const work = terms.deliver_by - terms.accept_by
  const bounded =
    terms.challenge_period >= constants.min_challenge_period_seconds &&
    terms.challenge_period <= constants.max_challenge_period_seconds
  return [
    [
      'accept_window',
      !(agreed.now < terms.accept_by && terms.accept_by <= agreed.now + constants.accept_window_seconds),
    ],
    [
      'deliver_window',
      work <= 0 ||
        work < agreed.etaSeconds ||
        work > agreed.deliverWithinSeconds ||
        terms.deliver_by > agreed.now + constants.max_deliver_window_seconds,
    ],
    ['challenge_period', terms.challenge_period !== constants.challenge_period_seconds || !bounded],
    ['dispute_timeout', terms.dispute_timeout !== constants.dispute_timeout_seconds],
  ]
}

/** Everything in the terms that was not agreed; empty means they may be signed. */
export function checkTerms(terms: TermsOut, agreed: Agreed, constants: Constants): TermProblem[] {
  const findings: [TermProblem, boolean][] = [
    ...partyProblems(terms, agreed),
    ...moneyProblems(terms, agreed, constants),
    ...clockProblems(terms, agreed, constants),
    ['job_hash_differs', terms.job_hash.toLowerCase() !== agreed.jobHash.toLowerCase()],
  ]
  return findings.filter(([, wrong]) => wrong).map(([code]) => code)
}
