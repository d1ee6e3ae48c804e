import type { Address, Hex } from 'viem'
import { endpoints, uploadFile } from '@/api/endpoints'
import type { DealOut, NetworkOut } from '@/api/types'
import { checkedId } from '@/chain/appeal'
import { serverNow } from '@/chain/clock'
import { type EvidenceParts, evidenceHash } from '@/chain/evidence'
import { heldIn } from '@/chain/ledgers'
import { randomBytes32 } from '@/chain/random'
import { askSignature } from '@/chain/signing'
import { amountText } from '@/components/web3/Amount'
import { ownSide } from './appealNow'
import { appealSheet, type BondSource, bondSheet, disputeSheet, responseSheet } from './disputeSheets'
import { escrowOf } from './escrow'
import { readDeal } from './read'

/** A signature of a signed step stays valid this long, so that the relayer has time and nothing lingers. */
export const STEP_SECONDS = 600

/** The arbiter asks for another fee than the one that was shown: it is shown again, and nothing is sent. */
export class FeeChanged extends Error {
  /** The deal with the fee of now. */
  readonly deal: DealOut

  constructor(shown: string, deal: DealOut) {
    const fee = escrowOf(deal).dispute_fee_units
    super(
      fee === null
        ? "The arbiter's fee is not known at the moment; nothing was sent."
        : `The arbiter's fee has changed from ${amountText(shown)} to ${amountText(fee)}. Look at it and confirm again; nothing was sent.`,
    )
    this.name = 'FeeChanged'
    this.deal = deal
  }
}

/** What a party puts before the arbiter, and how it pays: `shownFee` is what it has seen and agreed to. */
export interface CaseInput {
  claim: string
  files: readonly File[]
  from: BondSource
  shownFee: string
}

interface Party {
  network: NetworkOut
  deal: DealOut
  account: Address
}

/** Reads the deal anew. Throws `FeeChanged` unless the fee is still the one the reader has seen. */
async function requireFee({ network, deal, account }: Party, shown: string): Promise<void> {
  const fresh = await readDeal(network, deal.id, account)
  if (escrowOf(fresh).dispute_fee_units !== shown) throw new FeeChanged(shown, fresh)
}

async function requireMoney({ deal, account }: Party, from: BondSource, fee: bigint): Promise<void> {
  const balances = await endpoints.balances(account)
  const held = BigInt(from === 'wallet' ? balances.usdc_units : heldIn(balances, 'escrow'))
  const where = from === 'wallet' ? 'Your wallet holds' : 'In your escrow balance are'
  if (held < fee) throw new Error(`${where} ${amountText(held)}, ${amountText(fee)} are needed. Nothing was signed.`)
  if (from === 'balance' && fee > BigInt(deal.price_units))
    throw new Error('The fee is above the price of the deal; pay it from the wallet. Nothing was signed.')
}

async function evidenceOf({ deal, account }: Party, input: CaseInput): Promise<EvidenceParts> {
  const stored = await Promise.all(input.files.map(uploadFile))
  const files = stored.map(({ name, sha256, size, media_type }) => ({ name, sha256, size, media_type }))
  const escrowId = escrowOf(deal).escrow_id
  return { escrowId, party: account, claim: input.claim, files, salt: randomBytes32() }
}

/** When a signature ends that must be used before a clock of the escrow. */
const stepEnd = (clock: number | null) => Math.min(serverNow() + STEP_SECONDS, clock ?? Number.POSITIVE_INFINITY)

async function askBond(party: Party, input: CaseInput, validBefore: number, step: 'dispute' | 'respond') {
  if (input.from === 'balance') return null
  await requireFee(party, input.shownFee)
  const given = { party: party.account, fee: BigInt(input.shownFee), validBefore, step }
  const signature = await askSignature(bondSheet(party.network, party.deal, given))
  return { value_units: input.shownFee, valid_before: validBefore, signature }
}

const evidenceIn = ({ claim, files, salt }: EvidenceParts) => ({ claim, files: [...files], salt })

/** Disputes a result: uploads, asks for the signatures, sends. What is signed is what the sheets show. */
export async function raiseDispute(network: NetworkOut, deal: DealOut, input: CaseInput): Promise<DealOut> {
  const party: Party = { network, deal, account: deal.buyer as Address }
  const escrow = escrowOf(deal)
  const fee = BigInt(input.shownFee)
  const evidence = await evidenceOf(party, input)
  await requireMoney(party, input.from, fee)
  await requireFee(party, input.shownFee)
  const validUntil = stepEnd(escrow.challenge_ends_at)
  const signature: Hex = await askSignature(
    disputeSheet(network, deal, { evidence, fee, from: input.from, validUntil }),
  )
  const bond = await askBond(party, input, validUntil, 'dispute')
  // it may have changed while the wallet was open
  await requireFee(party, input.shownFee)
  return endpoints.disputeDeal(deal.id, {
    escrow_id: escrow.escrow_id,
    evidence: evidenceIn(evidence),
    evidence_hash: evidenceHash(evidence),
    valid_until: validUntil,
    signature,
    bond,
  })
}

/** Answers a dispute, with or without words of one's own. */
export async function answerDispute(network: NetworkOut, deal: DealOut, input: CaseInput): Promise<DealOut> {
  const party: Party = { network, deal, account: deal.agent as Address }
  const escrow = escrowOf(deal)
  const fee = BigInt(input.shownFee)
  const evidence = input.claim === '' ? null : await evidenceOf(party, input)
  await requireMoney(party, input.from, fee)
  await requireFee(party, input.shownFee)
  const validUntil = stepEnd(escrow.dispute?.respond_by ?? null)
  const signature = await askSignature(responseSheet(network, deal, { evidence, fee, from: input.from, validUntil }))
  const bond = await askBond(party, input, validUntil, 'respond')
  await requireFee(party, input.shownFee)
  return endpoints.respondDeal(deal.id, {
    escrow_id: escrow.escrow_id,
    evidence: evidence && evidenceIn(evidence),
    valid_until: validUntil,
    signature,
    bond,
  })
}

/**
 * Pays what is missing for a party's own side of the open appeal, by a signature that is relayed. The deal is read anew
 * first: the other side, or anybody, may have paid meanwhile.
 */
export async function payAppeal(network: NetworkOut, deal: DealOut, role: 'buyer' | 'agent'): Promise<DealOut> {
  const party: Party = { network, deal, account: deal[role] as Address }
  const fresh = escrowOf(await readDeal(network, deal.id, party.account))
  const appeal = fresh.dispute?.appeal
  const side = appeal && ownSide(appeal, role)
  if (!appeal || !side || side.payable_until === null || side.payable_until <= serverNow())
    throw new Error('Nothing can be paid for your side of an appeal now. Nothing was signed.')
  await requireMoney(party, 'wallet', BigInt(side.missing_units))
  const given = {
    party: party.account,
    side,
    round: appeal.round,
    dispute: checkedId(network, fresh),
    salt: randomBytes32(),
    validBefore: stepEnd(side.payable_until),
  }
  const signature = await askSignature(appealSheet(network, deal, given))
  return endpoints.payAppeal(deal.id, {
    escrow_id: fresh.escrow_id,
    round: given.round,
    amount_units: side.missing_units,
    valid_before: given.validBefore,
    salt: given.salt,
    signature,
  })
}
