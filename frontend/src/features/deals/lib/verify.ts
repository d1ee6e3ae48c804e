import { type Hex, zeroAddress } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { DealOut, NetworkOut } from '@/api/types'
import { bidsRoot } from '@/chain/bids'
import { CLOCK_SLACK_SECONDS, serverNow } from '@/chain/clock'
import { signedBy, signedByOperator } from '@/chain/signatures'
import { type Agreed, checkTerms, TERM_PROBLEMS, type TermProblem } from '@/chain/terms'
import { bidMessage, escrowId, jobHash, receiptedHash, taskHash } from '@/chain/typedData'
import { escrowOf } from './escrow'

/** What the page recomputed of a deal: sentences that hold, and codes of what does not. */
export interface Verdict {
  checks: string[]
  problems: TermProblem[]
}

const equal = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The bids an award was made among: receipts count 1, 2, 3 ... and later ones came after it. */
const counted = (bids: readonly { bid_hash: string; seq: number }[], count: number) =>
  bids.filter(({ seq }) => seq <= count).map(({ bid_hash }) => bid_hash as Hex)

const countSentence = (count: number) =>
  count === 1 ? 'The award counts the one bid there was.' : `The award counts all ${count} bids.`

/** Checks what both sides signed before any payment: task document, bid, award. */
export async function verifyAward(network: NetworkOut, deal: DealOut): Promise<Verdict> {
  const { bid, award } = deal
  const awardMessage = {
    taskHash: award.task_hash,
    bidHash: award.bid_hash,
    bidsRoot: award.bids_root,
    bidCount: award.bid_count,
  }
  const [bidSigned, awardSigned, bids] = await Promise.all([
    signedBy('Bid', network, bidMessage(deal.task_hash, bid), bid.signature, deal.agent),
    signedByOperator('Award', network, awardMessage, award.signature, award.operator),
    bid.sealed ? endpoints.commits(deal.task_id) : endpoints.bids(deal.task_id),
  ])
  const sameTask = equal(taskHash(deal.document), deal.task_hash) && equal(award.task_hash, deal.task_hash)
  const sameBid =
    equal(receiptedHash(network, deal.task_hash, bid), award.bid_hash) && bid.amount_units === deal.price_units
  const findings: [TermProblem, boolean][] = [
    ['task_hash_differs', !sameTask],
    ['bid_hash_differs', !sameBid],
    ['bid_signature', !bidSigned],
    ['bids_root_differs', !equal(bidsRoot(counted(bids, award.bid_count)), award.bids_root)],
    ['award_signature', !awardSigned],
  ]
  const problems = findings.filter(([, wrong]) => wrong).map(([code]) => code)
  return {
    checks:
      problems.length === 0
        ? ['Task, bid and award are the ones that were signed.', countSentence(award.bid_count)]
        : [],
    problems,
  }
}

/** Seconds to deliver that the task document promises. */
export const deliverWithin = (deal: DealOut): number => Number(deal.document.deliver_within_seconds)

/** The verifier that the task document names, the zero address if none. */
export const namedVerifier = (deal: DealOut): string => String(deal.document.verifier ?? zeroAddress)

const jobOf = (deal: DealOut) => jobHash(deal.task_hash as Hex, deal.award.bid_hash as Hex, deal.award.bids_root as Hex)

/** Checks that the escrow a step is signed for is the one of this task, these parties and these judges. */
export function verifyStanding(network: NetworkOut, deal: DealOut): Verdict {
  const { terms, escrow_id: id } = escrowOf(deal)
  const differs = (a: string, b: string) => !equal(a, b)
  const findings: [TermProblem, boolean][] = [
    ['task_hash_differs', differs(taskHash(deal.document), deal.task_hash)],
    ['job_hash_differs', differs(jobOf(deal), terms.job_hash)],
    ['client_differs', differs(terms.client, deal.buyer)],
    ['provider_differs', differs(terms.provider, deal.agent)],
    ['verifier_differs', differs(terms.verifier, namedVerifier(deal))],
    ['arbiter_unknown', ![zeroAddress, network.contracts.arbiter].some((known) => equal(known, terms.arbiter))],
    ['escrow_id_differs', differs(escrowId(network, terms), id)],
  ]
  const problems = findings.filter(([, wrong]) => wrong).map(([code]) => code)
  const checks = problems.length === 0 ? ['Escrow id recomputed: it is the one of this task and these parties.'] : []
  return { checks, problems }
}

/** Checks everything about an escrow payment that the wallet will not show. */
export async function verifyEscrow(network: NetworkOut, deal: DealOut, buyer: string): Promise<Verdict> {
  const { terms, escrow_id: id } = escrowOf(deal)
  const base = await verifyAward(network, deal)
  const agreed: Agreed = {
    client: buyer,
    provider: deal.bid.agent,
    amountUnits: BigInt(deal.bid.amount_units),
    etaSeconds: deal.bid.eta_seconds,
    deliverWithinSeconds: deliverWithin(deal),
    jobHash: jobOf(deal),
    arbiters: [network.contracts.arbiter],
    verifier: namedVerifier(deal),
    now: serverNow() + CLOCK_SLACK_SECONDS,
  }
  const found = checkTerms(terms, agreed, network.constants)
  if (!equal(escrowId(network, terms), id)) found.push('escrow_id_differs')
  const checks = found.length === 0 ? ['Escrow id recomputed; terms, fee and clocks are the agreed ones.'] : []
  return { checks: [...base.checks, ...checks], problems: [...base.problems, ...found] }
}

export const problemSentences = (problems: readonly TermProblem[]) => problems.map((code) => TERM_PROBLEMS[code])
