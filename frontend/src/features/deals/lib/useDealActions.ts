import { useEffect } from 'react'
import type { Address } from 'viem'
import { endpoints } from '@/api/endpoints'
import type { DealOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { useNetwork } from '@/chain/network'
import { loadSessionKey } from '@/chain/sessionKey'
import { askSignature, closeSheet } from '@/chain/signing'
import { toast } from '@/components/ui/toast'
import { STEP_SECONDS } from './disputeSteps'
import { escrowOf, releasableUnits } from './escrow'
import { giveVerdict, OrderRefused, placeOrder } from './order'
import { readDeal } from './read'
import { cancelSheet, payableUntil, paySheet, releaseSheet, sheetSubject } from './sheets'
import { useStep } from './useStep'
import { verifyEscrow } from './verify'

async function needKey(chainId: number, buyer: string) {
  const key = await loadSessionKey(chainId, buyer)
  if (!key) throw new OrderRefused('This browser holds no session key for your account. Open a pool here first.')
  return key
}

/** Closes a sheet that asks for what another tab, the agent or the clock has settled meanwhile. */
function useFreshSheet(deal: DealOut) {
  useEffect(() => {
    const steps = deal.actions.filter((action) => action.allowed).map((action) => action.name as string)
    const open = [...steps, ...(deal.escrow?.dispute?.appeal ? ['appeal'] : [])].map((step) => sheetSubject(deal, step))
    const closed = closeSheet((subject) => subject.startsWith(`${deal.id}:`) && !open.includes(subject))
    if (closed) toast('info', 'The deal has moved on', 'Nothing was signed here.')
  }, [deal])
}

/** What the buyer can do on a deal. */
export function useDealActions(deal: DealOut) {
  const network = useNetwork()
  useFreshSheet(deal)

  const pay = useStep<void>(deal, 'Payment signed', async () => {
    const verdict = await verifyEscrow(network, deal, deal.buyer)
    const validBefore = payableUntil(network, deal)
    const balances = await endpoints.balances(deal.buyer)
    if (BigInt(balances.usdc_units) < BigInt(deal.price_units))
      throw new Error('Your wallet holds less USDC than the price. Nothing was signed.')
    const signature = await askSignature(paySheet(network, deal, validBefore, verdict))
    const escrow_id = deal.escrow?.escrow_id ?? ''
    return endpoints.authorize(deal.id, { escrow_id, valid_before: validBefore, signature })
  })

  const release = useStep<void>(deal, 'Release signed', async () => {
    const validUntil = serverNow() + STEP_SECONDS
    const signature = await askSignature(releaseSheet(network, deal, validUntil))
    return endpoints.release(deal.id, {
      escrow_id: deal.escrow?.escrow_id ?? '',
      cumulative_released_units: releasableUnits(escrowOf(deal)).toString(),
      valid_until: validUntil,
      signature,
    })
  })

  const cancel = useStep<void>(deal, 'Cancellation signed', async () => {
    const validUntil = serverNow() + STEP_SECONDS
    const signature = await askSignature(cancelSheet(network, deal, validUntil))
    return endpoints.cancelDeal(deal.id, {
      escrow_id: deal.escrow?.escrow_id ?? '',
      valid_until: validUntil,
      signature,
    })
  })

  // nothing has been paid, so no signature is needed: the task itself is taken back
  const callOff = useStep<void>(deal, 'Deal cancelled', async () => {
    await endpoints.cancelTask(deal.task_id)
    return readDeal(network, deal.id, deal.buyer as Address)
  })

  const order = useStep<void>(deal, 'Order placed from your pool', async () => {
    const key = await needKey(network.chain_id, deal.buyer)
    // read anew: other orders may have raised what this channel needs
    return placeOrder(network, await endpoints.deal(deal.id, key.address), deal.buyer, key)
  })

  const verdict = useStep<{ accepted: boolean; reason: number }>(deal, 'Verdict signed', async ({ accepted, reason }) =>
    giveVerdict(network, deal, await needKey(network.chain_id, deal.buyer), accepted, reason),
  )

  return { pay, release, cancel, callOff, order, verdict }
}
