import type { Hex } from 'viem'
import type { DealOut, DealRole, ManifestFile, NetworkOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { commentHash, type EvidenceParts, evidenceHash } from '@/chain/evidence'
import type { SheetRequest, SheetRow } from '@/chain/signing'
import { appealNonce, bondNonce, type Message, type MessageName, signingRequest } from '@/chain/typedData'
import { formatBytes } from '@/components/ui/bytes'
import { amountText } from '@/components/web3/Amount'
import type { AppealSide } from './appealNow'
import { escrowOf, feeOn, leftUnits } from './escrow'
import { sheetSubject } from './sheets'
import { problemSentences, type Verdict, verifyStanding } from './verify'
import { ROUNDS } from './words'

/** Where a bond comes from: what waits in the escrow contract for its owner, or his wallet by one more signature. */
export type BondSource = 'balance' | 'wallet'

const SOURCES: Record<BondSource, string> = {
  balance: 'your balance in the escrow contract',
  wallet: 'your wallet, by a second signature',
}
const RELAYED = 'A relayer sends it and pays the gas.'

interface Step {
  subject: string
  title: string
  intro: string
  rows: SheetRow[]
  checks?: string[]
  next: string
  sign: [MessageName, Message]
}

/** A sheet of a step on a funded escrow: what is signed for is checked to be this deal's escrow. */
function stepSheet(network: NetworkOut, deal: DealOut, step: Step): SheetRequest {
  const verdict: Verdict = verifyStanding(network, deal)
  const { subject, title, intro, rows, checks = [], next, sign } = step
  return {
    subject: sheetSubject(deal, subject),
    title,
    intro,
    rows: [...rows, { label: 'Escrow id', value: escrowOf(deal).escrow_id, kind: 'hash' }],
    checks: [...verdict.checks, ...checks],
    problems: problemSentences(verdict.problems),
    next,
    request: signingRequest(sign[0], network, sign[1]),
  }
}

const expires = (validUntil: number): SheetRow => ({
  label: 'Signature expires',
  value: String(validUntil),
  kind: 'time',
})
const filesText = (files: readonly ManifestFile[]) =>
  files.length === 0 ? 'none' : files.map(({ name, size }) => `${name} (${formatBytes(size)})`).join(', ')

/** What a bond taken from the balance may cost, as the signature itself names no amount. */
const balanceCheck = (deal: DealOut) =>
  `A bond from the balance is what the arbiter asks for when it is mined, at most the price of ${amountText(deal.price_units)}.`

/** The sheet for disputing a result: its words and files by their hash. */
export function disputeSheet(
  network: NetworkOut,
  deal: DealOut,
  given: { evidence: EvidenceParts; fee: bigint; from: BondSource; validUntil: number },
): SheetRequest {
  const escrow = escrowOf(deal)
  const hash = evidenceHash(given.evidence)
  return stepSheet(network, deal, {
    subject: 'dispute',
    title: 'Dispute the result',
    intro: 'You say that the result is not what was agreed. The agent has to answer, or loses.',
    rows: [
      { label: 'In dispute', value: leftUnits(escrow).toString(), kind: 'amount' },
      { label: 'Your bond', value: given.fee.toString(), kind: 'amount' },
      { label: 'The bond comes from', value: SOURCES[given.from] },
      { label: 'What you say', value: given.evidence.claim, kind: 'long' },
      { label: 'Files', value: filesText(given.evidence.files) },
      { label: 'Evidence hash, goes on chain', value: hash, kind: 'hash' },
      { label: 'Arbiter', value: escrow.terms.arbiter, kind: 'address' },
      expires(given.validUntil),
    ],
    checks: [
      'Evidence hash computed here from these words and files.',
      ...(given.from === 'balance' ? [balanceCheck(deal)] : []),
    ],
    next:
      given.from === 'wallet'
        ? 'Your wallet then asks once more, for the bond. Nothing is sent before both are signed.'
        : RELAYED,
    sign: ['Dispute', { escrowId: escrow.escrow_id, evidenceHash: hash, validUntil: given.validUntil }],
  })
}

/** The sheet for answering a dispute. Words and files are kept beside it; the signature does not cover them. */
export function responseSheet(
  network: NetworkOut,
  deal: DealOut,
  given: { evidence: EvidenceParts | null; fee: bigint; from: BondSource; validUntil: number },
): SheetRequest {
  const escrow = escrowOf(deal)
  const { evidence } = given
  return stepSheet(network, deal, {
    subject: 'respond',
    title: 'Answer the dispute',
    intro: 'You stand by your result and bring the case before the arbiter.',
    rows: [
      { label: 'In dispute', value: leftUnits(escrow).toString(), kind: 'amount' },
      { label: "Arbiter's fee, paid by you", value: given.fee.toString(), kind: 'amount' },
      { label: 'The fee comes from', value: SOURCES[given.from] },
      { label: 'What you say', value: evidence?.claim ?? 'nothing', kind: 'long' },
      { label: 'Files', value: filesText(evidence?.files ?? []) },
      { label: 'Arbiter', value: escrow.terms.arbiter, kind: 'address' },
      expires(given.validUntil),
    ],
    checks: given.from === 'balance' ? [balanceCheck(deal)] : [],
    next:
      given.from === 'wallet'
        ? 'Your wallet then asks once more, for the fee. Nothing is sent before both are signed.'
        : `${RELAYED} The arbiter decides from then on.`,
    sign: ['Response', { escrowId: escrow.escrow_id, validUntil: given.validUntil }],
  })
}

/** The sheet for a bond out of the wallet: exactly what the arbiter asks for, usable for this one purpose. */
export function bondSheet(
  network: NetworkOut,
  deal: DealOut,
  given: { party: `0x${string}`; fee: bigint; validBefore: number; step: 'dispute' | 'respond' },
): SheetRequest {
  const id = escrowOf(deal).escrow_id as `0x${string}`
  const { party, fee, validBefore, step } = given
  const disputes = step === 'dispute'
  return stepSheet(network, deal, {
    subject: step,
    title: disputes ? `Bond of ${amountText(fee)}` : `Arbiter's fee of ${amountText(fee)}`,
    intro: disputes
      ? 'Goes from your wallet into the escrow contract. It comes back to you unless the arbiter rules otherwise.'
      : "Goes from your wallet to the arbiter, and is spent in any case. If you win, the buyer's bond is yours.",
    rows: [
      { label: 'You pay', value: fee.toString(), kind: 'amount' },
      { label: 'For the dispute over', value: deal.title },
      { label: 'Taken by (Escrow)', value: network.contracts.escrow, kind: 'address' },
      expires(validBefore),
    ],
    checks: ['Bound to this escrow and to you: it can pay this bond, and nothing else.'],
    next: `${RELAYED} If the arbiter asks for another amount by then, nothing moves.`,
    sign: [
      'ReceiveWithAuthorization',
      {
        from: party,
        to: network.contracts.escrow,
        value: fee,
        validAfter: 0n,
        validBefore: BigInt(validBefore),
        nonce: bondNonce(id, party),
      },
    ],
  })
}

/** The sheet for a payment into an appeal out of the wallet: for the party's own side of this appeal only. */
export function appealSheet(
  network: NetworkOut,
  deal: DealOut,
  given: {
    party: string
    side: AppealSide
    round: number
    dispute: bigint
    salt: Hex
    validBefore: number
  },
): SheetRequest {
  const { party, side, round, dispute, salt, validBefore } = given
  const nonce = appealNonce(dispute, round, side.role === 'buyer' ? 1 : 2, salt)
  return stepSheet(network, deal, {
    subject: 'appeal',
    title: `Pay ${amountText(side.missing_units)} for the appeal`,
    intro: `Goes from your wallet to the arbiter, for the ${side.role}'s side of the appeal against the ${ROUNDS[round]}.`,
    rows: [
      { label: 'You pay', value: side.missing_units, kind: 'amount' },
      { label: 'For the dispute over', value: deal.title },
      { label: 'Taken by (Arbiter)', value: network.contracts.arbiter, kind: 'address' },
      { label: 'Dispute', value: dispute.toString(), kind: 'hash' },
      expires(validBefore),
    ],
    checks: [
      'Number of the dispute recomputed: it is the one over this escrow.',
      'Bound to this dispute, panel and side: it can pay nothing else.',
    ],
    next: `${RELAYED} The arbiter takes no more than your side is short of. If your side wins, you get back what the panel did not cost; if it loses, it is spent.`,
    sign: [
      'ReceiveWithAuthorization',
      {
        from: party,
        to: network.contracts.arbiter,
        value: BigInt(side.missing_units),
        validAfter: 0n,
        validBefore: BigInt(validBefore),
        nonce,
      },
    ],
  })
}

/** How an escrow is to be divided, in base units. */
export interface Parts {
  toAgent: bigint
  toBuyer: bigint
  validUntil: number
}

/** The sheet for dividing what is left: an offer, or the acceptance of the very same one. */
export function splitSheet(
  network: NetworkOut,
  deal: DealOut,
  role: DealRole,
  parts: Parts,
  accepted: 'offer' | 'accept',
): SheetRequest {
  const escrow = escrowOf(deal)
  const other = role === 'buyer' ? 'agent' : 'buyer'
  const offers = accepted === 'offer'
  const whole = parts.toAgent + parts.toBuyer === leftUnits(escrow)
  const sheet = stepSheet(network, deal, {
    subject: 'split',
    title: offers ? 'Offer to divide' : 'Accept the division',
    intro: offers
      ? `If the ${other} signs the same, the deal ends like this. You cannot take the offer back before it expires.`
      : 'With your signature the deal ends like this; it cannot be taken back.',
    rows: [
      { label: 'To the agent', value: parts.toAgent.toString(), kind: 'amount' },
      { label: 'To the buyer', value: parts.toBuyer.toString(), kind: 'amount' },
      {
        label: `Marketplace fee (${formatRate(escrow.terms.fee_bps)}), taken from the agent's part`,
        value: feeOn(escrow, parts.toAgent).toString(),
        kind: 'amount',
      },
      ...bondRow(deal),
      expires(parts.validUntil),
    ],
    checks: whole ? ['The two parts are all that is left in the escrow.'] : [],
    next: offers ? `The ${other} sees the offer at once. Nothing moves until then.` : RELAYED,
    sign: [
      'Split',
      {
        escrowId: escrow.escrow_id,
        toProvider: parts.toAgent,
        toClient: parts.toBuyer,
        validUntil: parts.validUntil,
      },
    ],
  })
  return whole ? sheet : { ...sheet, problems: [...sheet.problems, 'The parts are not what is left in the escrow.'] }
}

function bondRow(deal: DealOut): SheetRow[] {
  const { dispute } = escrowOf(deal)
  if (!dispute) return []
  const value = dispute.dispute_id === null ? 'goes back to the buyer' : 'half to each side'
  return [{ label: `Bond of ${amountText(dispute.bond_units)}`, value }]
}

/** The sheet for a role's signature of a release by several. */
export function quorumSheet(
  network: NetworkOut,
  deal: DealOut,
  given: { cumulative: bigint; validUntil: number; role: DealRole; joins: boolean },
): SheetRequest {
  const escrow = escrowOf(deal)
  const step = given.cumulative - BigInt(escrow.released_units)
  const { terms } = escrow
  return stepSheet(network, deal, {
    subject: 'sign_release',
    title: `Sign the release of ${amountText(step)}`,
    intro: given.joins
      ? 'Your signature completes the release: the agent is paid, and it cannot be taken back.'
      : `${terms.quorum} of buyer, agent and verifier release together; yours is the first.`,
    rows: [
      { label: 'Released', value: step.toString(), kind: 'amount' },
      { label: 'To agent', value: deal.agent, kind: 'address' },
      {
        label: `Marketplace fee (${formatRate(terms.fee_bps)}), taken from it`,
        value: feeOn(escrow, step).toString(),
        kind: 'amount',
      },
      { label: 'You sign as', value: given.role },
      { label: 'Released in all', value: given.cumulative.toString(), kind: 'amount' },
      expires(given.validUntil),
    ],
    next: given.joins ? RELAYED : 'It is kept until another role signs the same. It cannot be taken back meanwhile.',
    sign: [
      'Release',
      { escrowId: escrow.escrow_id, cumulativeReleased: given.cumulative, validUntil: given.validUntil },
    ],
  })
}

/** The sheet for rating the other side. */
export function ratingSheet(
  network: NetworkOut,
  deal: DealOut,
  given: { role: DealRole; score: number; comment: string; validUntil: number },
): SheetRequest {
  const rated = given.role === 'buyer' ? 'agent' : 'buyer'
  const { escrow_id: escrowId } = escrowOf(deal)
  const hash = commentHash(given.comment)
  return stepSheet(network, deal, {
    subject: 'rate',
    title: `Rate the ${rated}: ${given.score} of 100`,
    intro: 'A rating is public, counts by what was paid, and can be given once. It cannot be changed.',
    rows: [
      { label: 'Score', value: `${given.score} of 100` },
      { label: `About the ${rated}`, value: rated === 'agent' ? deal.agent : deal.buyer, kind: 'address' },
      { label: 'Comment', value: given.comment || 'none', kind: 'long' },
      { label: 'Comment hash, goes on chain', value: hash, kind: 'hash' },
      expires(given.validUntil),
    ],
    next: RELAYED,
    sign: ['Rating', { escrowId, score: given.score, commentHash: hash, validUntil: given.validUntil }],
  })
}

/** The sheet for the agent who gives back all that is left. */
export function refundSheet(network: NetworkOut, deal: DealOut, given: { cumulative: bigint; validUntil: number }) {
  const escrow = escrowOf(deal)
  const lost: Partial<Record<typeof escrow.chain_status, string>> = {
    challenged: 'a tenth of it',
    disputed: 'all of it',
    accepted: 'a tenth of it, half of it after the delivery time',
    submitted: 'a tenth of it',
  }
  return stepSheet(network, deal, {
    subject: 'refund',
    title: `Give back ${amountText(leftUnits(escrow))}`,
    intro: 'The buyer gets back what is left, and the deal ends. It cannot be taken back.',
    rows: [
      { label: 'Back to the buyer', value: leftUnits(escrow).toString(), kind: 'amount' },
      { label: 'Your stake for this deal loses', value: lost[escrow.chain_status] ?? 'nothing' },
      { label: 'Given back in all', value: given.cumulative.toString(), kind: 'amount' },
      expires(given.validUntil),
    ],
    next: RELAYED,
    sign: [
      'Refund',
      { escrowId: escrow.escrow_id, cumulativeRefunded: given.cumulative, validUntil: given.validUntil },
    ],
  })
}
