import type { DealOut, NetworkOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { serverNow } from '@/chain/clock'
import type { SheetRequest } from '@/chain/signing'
import { signingRequest } from '@/chain/typedData'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { escrowOf, feeOn, leftUnits, releasableUnits } from './escrow'
import { problemSentences, type Verdict } from './verify'

/** What a step costs now, where its sheet shows that. */
function priceOf({ escrow }: DealOut, step: string): string {
  if (step === 'dispute' || step === 'respond') return `:${escrow?.dispute_fee_units ?? ''}`
  const appeal = step === 'appeal' ? escrow?.dispute?.appeal : null
  return appeal ? `:${appeal.round}:${appeal.sides.map(({ missing_units }) => missing_units).join(':')}` : ''
}

/** What a sheet of a deal is about: this step, on these terms, at this price where the step has one. */
export const sheetSubject = (deal: DealOut, step: string): string =>
  `${deal.id}:${step}:${deal.escrow?.escrow_id ?? ''}${priceOf(deal, step)}`

/** The latest moment the payment authorization may be used: what the service would take now, never past our own limit. */
export function payableUntil(network: NetworkOut, deal: DealOut, now = serverNow()): number {
  const escrow = escrowOf(deal)
  const limit = now + network.constants.authorization_lifetime_seconds
  return Math.min(limit, escrow.payable_until ?? limit, escrow.acceptance_valid_until ?? limit, escrow.terms.accept_by)
}

/** The sheet for the one signature that funds an escrow. */
export function paySheet(network: NetworkOut, deal: DealOut, validBefore: number, verdict: Verdict): SheetRequest {
  const { escrow_id: id, terms } = escrowOf(deal)
  const amount = amountText(deal.price_units)
  return {
    subject: sheetSubject(deal, 'pay'),
    title: `Pay ${amount} into escrow`,
    intro: 'One signature. The money goes from your wallet into the escrow contract, not to the agent and not to us.',
    rows: [
      { label: 'You pay', value: deal.price_units, kind: 'amount' },
      { label: 'For', value: deal.title },
      { label: 'Agent', value: deal.agent, kind: 'address' },
      { label: 'Held by (Escrow)', value: network.contracts.escrow, kind: 'address' },
      {
        label: `Marketplace fee (${formatRate(terms.fee_bps)}), paid by the agent`,
        value: deal.fee_units,
        kind: 'amount',
      },
      ...(deal.verifier
        ? [{ label: 'Verifier: may release with the agent', value: deal.verifier, kind: 'address' } as const]
        : []),
      { label: 'Time to check the result', value: formatDuration(terms.challenge_period) },
      { label: 'Signature expires', value: String(validBefore), kind: 'time' },
      { label: 'Escrow id', value: id, kind: 'hash' },
    ],
    checks: verdict.checks,
    problems: problemSentences(verdict.problems),
    next: `A relayer sends it and pays the gas. The agent starts once the payment is final. If nothing is delivered in time, ${amount} come back to you.`,
    request: signingRequest('ReceiveWithAuthorization', network, {
      from: terms.client,
      to: network.contracts.escrow,
      value: BigInt(terms.amount_units),
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: id,
    }),
  }
}

/** The sheet for paying the agent out. */
export function releaseSheet(network: NetworkOut, deal: DealOut, validUntil: number): SheetRequest {
  const escrow = escrowOf(deal)
  const { escrow_id: id, terms } = escrow
  const due = leftUnits(escrow)
  return {
    subject: sheetSubject(deal, 'release'),
    title: `Release ${amountText(due)}`,
    intro: deal.deliverable
      ? 'You accept the result. The agent is paid and its stake is freed; this cannot be taken back.'
      : 'Nothing has been delivered yet. The agent is paid all the same; this cannot be taken back.',
    rows: [
      { label: 'Released', value: due.toString(), kind: 'amount' },
      { label: 'To agent', value: deal.agent, kind: 'address' },
      {
        label: `Marketplace fee (${formatRate(terms.fee_bps)}), taken from it`,
        value: feeOn(escrow, due).toString(),
        kind: 'amount',
      },
      { label: 'Signature expires', value: String(validUntil), kind: 'time' },
      { label: 'Escrow id', value: id, kind: 'hash' },
    ],
    checks: [],
    problems: [],
    next: 'A relayer sends it and pays the gas. The deal is completed once the transaction is mined.',
    request: signingRequest('Release', network, {
      escrowId: id,
      cumulativeReleased: releasableUnits(escrow),
      validUntil,
    }),
  }
}

/** The sheet for taking back money that nobody has accepted. */
export function cancelSheet(network: NetworkOut, deal: DealOut, validUntil: number): SheetRequest {
  const { escrow_id: id } = escrowOf(deal)
  return {
    subject: sheetSubject(deal, 'cancel'),
    title: 'Cancel the escrow',
    intro: 'The agent has not accepted, so the whole amount comes back to you.',
    rows: [
      { label: 'Back to you', value: deal.price_units, kind: 'amount' },
      { label: 'Signature expires', value: String(validUntil), kind: 'time' },
      { label: 'Escrow id', value: id, kind: 'hash' },
    ],
    checks: [],
    problems: [],
    next: 'A relayer sends it. The amount waits for you under Activity, ready to collect.',
    request: signingRequest('Cancellation', network, { escrowId: id, validUntil }),
  }
}
