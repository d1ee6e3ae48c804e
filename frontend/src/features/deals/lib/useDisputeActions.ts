import type { Address } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { DealOut, DealRole, SplitOfferOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { commentHash } from '@/chain/evidence'
import { useNetwork } from '@/chain/network'
import { askSignature } from '@/chain/signing'
import { type Parts, quorumSheet, ratingSheet, refundSheet, splitSheet } from './disputeSheets'
import { answerDispute, type CaseInput, raiseDispute, STEP_SECONDS } from './disputeSteps'
import { escrowOf, leftUnits, openRelease, releasableUnits } from './escrow'
import { useStep } from './useStep'

/** What a role that begins a release by several gives the others, as far as the escrow's own clocks allow. */
const RELEASE_SECONDS = 3 * 86_400

const partsOf = (offer: SplitOfferOut): Parts => ({
  toAgent: BigInt(offer.to_provider_units),
  toBuyer: BigInt(offer.to_client_units),
  validUntil: offer.valid_until,
})

/** What the parties of an escrow and its verifier can do when they disagree, divide, release together or rate. */
export function useDisputeActions(deal: DealOut, role: DealRole) {
  const network = useNetwork()
  const escrow_id = deal.escrow?.escrow_id ?? ''

  const dispute = useStep<CaseInput>(deal, 'Dispute signed', (input) => raiseDispute(network, deal, input))
  const respond = useStep<CaseInput>(deal, 'Answer signed', (input) => answerDispute(network, deal, input))

  const offerSplit = useStep<Parts>(deal, 'Offer signed', async (parts) => {
    const signature = await askSignature(splitSheet(network, deal, role, parts, 'offer'))
    return endpoints.offerSplit(deal.id, {
      escrow_id,
      to_provider_units: parts.toAgent.toString(),
      to_client_units: parts.toBuyer.toString(),
      valid_until: parts.validUntil,
      signature,
    })
  })

  const acceptSplit = useStep<SplitOfferOut>(deal, 'Division signed', async (offer) => {
    const signature = await askSignature(splitSheet(network, deal, role, partsOf(offer), 'accept'))
    return endpoints.acceptSplit(deal.id, offer.id, { signature })
  })

  const signRelease = useStep<void>(deal, 'Release signed', async () => {
    const escrow = escrowOf(deal)
    const others = openRelease(escrow, serverNow())
    const cumulative = others ? BigInt(others.cumulative_released_units) : releasableUnits(escrow)
    const clock = escrow.challenge_ends_at ?? Number.POSITIVE_INFINITY
    const validUntil = others?.valid_until ?? Math.min(serverNow() + RELEASE_SECONDS, clock)
    const joins = others !== undefined && others.role !== role
    const signature = await askSignature(quorumSheet(network, deal, { cumulative, validUntil, role, joins }))
    return endpoints.signRelease(deal.id, {
      escrow_id,
      cumulative_released_units: cumulative.toString(),
      valid_until: validUntil,
      signature,
    })
  })

  const rate = useStep<{ score: number; comment: string }>(deal, 'Rating signed', async ({ score, comment }) => {
    const validUntil = serverNow() + STEP_SECONDS
    const signature = await askSignature(ratingSheet(network, deal, { role, score, comment, validUntil }))
    const comment_hash = commentHash(comment)
    return endpoints.rateDeal(deal.id, { escrow_id, score, comment, comment_hash, valid_until: validUntil, signature })
  })

  const refund = useStep<void>(deal, 'Refund signed', async () => {
    const escrow = escrowOf(deal)
    const cumulative = BigInt(escrow.refunded_units) + leftUnits(escrow)
    const validUntil = serverNow() + STEP_SECONDS
    const signature = await askSignature(refundSheet(network, deal, { cumulative, validUntil }))
    return endpoints.refundDeal(deal.id, {
      escrow_id,
      cumulative_refunded_units: cumulative.toString(),
      valid_until: validUntil,
      signature,
    })
  })

  const account = (role === 'buyer' ? deal.buyer : role === 'agent' ? deal.agent : deal.verifier) as Address
  return { account, dispute, respond, offerSplit, acceptSplit, signRelease, rate, refund }
}

export type DisputeSteps = ReturnType<typeof useDisputeActions>
