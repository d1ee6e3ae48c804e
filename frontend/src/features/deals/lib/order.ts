import { type Address, isAddressEqual } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { endpoints } from '@/api/endpoints'
import type { DealOut, NetworkOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { liveOperators } from '@/chain/operators'
import {
  channelId,
  deliverableHash,
  type Message,
  type MessageName,
  type OrderFields,
  orderHash,
  orderMessage,
  poolId,
  signingRequest,
} from '@/chain/typedData'
import { amountText } from '@/components/web3/Amount'
import { deliverWithin, problemSentences, verifyAward } from './verify'

/** Why the session key did not sign. */
export class OrderRefused extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'OrderRefused'
  }
}

/** An order this browser has signed, kept before it is sent so that a retry sends the very same one. */
interface SignedOrder {
  price_units: string
  bid_hash: string
  deliver_by: number
}
type Ledger = Record<string, SignedOrder>

const ledgerKey = (channel: string) => `aicp.orders.${channel}`

/** The orders of a channel. They live and die with the session key. */
const readLedger = (channel: string): Ledger => JSON.parse(localStorage.getItem(ledgerKey(channel)) ?? '{}') as Ledger

/** The order of a bid, with its place in the ledger: the same bid shown under another deal's id is the same order. */
const orderOf = (channel: string, bidHash: string): [string, SignedOrder] | undefined =>
  Object.entries(readLedger(channel)).find(([, order]) => order.bid_hash === bidHash)

const keepOrder = (channel: string, order: SignedOrder) => {
  const place = orderOf(channel, order.bid_hash)?.[0] ?? order.bid_hash
  localStorage.setItem(ledgerKey(channel), JSON.stringify({ ...readLedger(channel), [place]: order }))
}

/** What this browser has ordered on a channel in all, in base units: the bound of every ceiling its key signs. */
export const orderedUnits = (channel: string): bigint =>
  Object.values(readLedger(channel)).reduce((sum, order) => sum + BigInt(order.price_units), 0n)

const sign = (key: PrivateKeyAccount, name: MessageName, network: NetworkOut, message: Message) =>
  key.signTypedData(signingRequest(name, network, message) as unknown as Parameters<typeof key.signTypedData>[0])

/** The ceiling an order needs, or the reason why it must not be signed: the service can attest no more than was ordered. */
export function neededCeiling(need: bigint, price: bigint, ordered: bigint): bigint {
  if (need < price) throw new OrderRefused('The service asks for less than the price; reload the page.')
  if (need > ordered)
    throw new OrderRefused(
      `The service asks for a ceiling of ${amountText(need)}, but you have ordered only ${amountText(ordered)} from this agent.`,
    )
  return need
}

/** When the work is due: as the task says, counted from now; the order kept for this bid while it still gives the agent its time. */
function dueTime(network: NetworkOut, deal: DealOut, channel: string, now: number): number {
  const kept = orderOf(channel, deal.award.bid_hash)?.[1]
  if (kept && kept.deliver_by >= now + deal.bid.eta_seconds) return kept.deliver_by
  const within = deliverWithin(deal)
  if (within + network.constants.evaluation_seconds > network.constants.max_micro_seconds)
    throw new OrderRefused('This task is too long to be paid from a pool.')
  return now + within
}

function checkedChannel(network: NetworkOut, deal: DealOut, buyer: string, key: PrivateKeyAccount) {
  const side = deal.channel
  if (!side) throw new Error('This deal is not paid from a pool.')
  const parties = { payer: buyer, payerAuthorizer: key.address, operator: deal.award.operator }
  if (side.pool_id === null) throw new OrderRefused('You have no pool yet. Open one, then order.')
  if (poolId(network, parties) !== side.pool_id)
    throw new OrderRefused(
      'Your pool belongs to a session key of another browser or program. Use that one, or withdraw the pool and open a new one.',
    )
  const channel = channelId(network, { ...parties, receiver: deal.agent })
  if (side.channel_id !== null && side.channel_id !== channel)
    throw new OrderRefused('The channel is not the one of this agent.')
  return { side, channel }
}

/** Places an order with the session key: no wallet prompt. Everything is recomputed before the key signs. */
export async function placeOrder(
  network: NetworkOut,
  deal: DealOut,
  buyer: string,
  key: PrivateKeyAccount,
): Promise<DealOut> {
  const verdict = await verifyAward(network, deal)
  if (verdict.problems.length > 0) throw new OrderRefused(problemSentences(verdict.problems).join(' '))
  const known = liveOperators(network).some((address) =>
    isAddressEqual(address as Address, deal.award.operator as Address),
  )
  if (!known) throw new OrderRefused('The operator of this award no longer serves; a new award is needed.')
  const { side, channel } = checkedChannel(network, deal, buyer, key)
  const price = BigInt(deal.price_units)
  if (price > BigInt(side.available_units))
    throw new OrderRefused(`Your pool has ${amountText(side.available_units)} free. Top it up, then order.`)
  const now = serverNow()
  if (now > deal.bid.valid_until) throw new OrderRefused('The bid has expired.')
  const deliverBy = dueTime(network, deal, channel, now)
  const order: OrderFields = {
    channel_id: channel,
    bid_hash: deal.award.bid_hash,
    price_units: deal.price_units,
    deliver_by: deliverBy,
    evaluate_by: deliverBy + network.constants.evaluation_seconds,
  }
  keepOrder(channel, { price_units: deal.price_units, bid_hash: order.bid_hash, deliver_by: deliverBy })
  const ceiling = neededCeiling(BigInt(side.need_units), price, orderedUnits(channel))
  const raise = BigInt(side.ceiling_units) < ceiling
  const [signature, voucher] = await Promise.all([
    sign(key, 'MicroOrder', network, orderMessage(order)),
    raise ? sign(key, 'Voucher', network, { channelId: channel, maxClaimableAmount: ceiling }) : null,
  ])
  return endpoints.order(deal.id, {
    payer_authorizer: key.address,
    price_units: order.price_units,
    deliver_by: order.deliver_by,
    evaluate_by: order.evaluate_by,
    signature,
    voucher: voucher && { max_claimable_units: ceiling.toString(), signature: voucher },
  })
}

/** Accepts or rejects a delivered result with the session key: no wallet prompt. */
export async function giveVerdict(
  network: NetworkOut,
  deal: DealOut,
  key: PrivateKeyAccount,
  accepted: boolean,
  reason: number,
) {
  const order = deal.channel?.order
  if (!order || !deal.deliverable) throw new OrderRefused('There is no delivered result to judge.')
  const deliverable = deliverableHash(deal.deliverable.manifest)
  if (deliverable !== deal.deliverable.deliverable_hash)
    throw new OrderRefused('The file list does not match what the agent signed.')
  const hash = orderHash(network, order)
  if (hash !== order.order_hash) throw new OrderRefused('The order is not the one this browser signed.')
  const message = { orderHash: hash, deliverableHash: deliverable, accepted, reason }
  const signature = await sign(key, 'MicroVerdict', network, message)
  return endpoints.verdict(deal.id, { deliverable_hash: deliverable, accepted, reason, signature })
}
