import { recoverTypedDataAddress } from 'viem'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { DealOut } from '@/api/types'
import { orderMessage, signingRequest } from '@/chain/typedData'
import { buyer, makeDeal, network, rival, sessionKey } from '@/test/fixtures'
import { answers, server, takes } from '@/test/server'
import { neededCeiling, orderedUnits, placeOrder } from './order'

interface Sent {
  payer_authorizer: string
  price_units: string
  deliver_by: number
  evaluate_by: number
  signature: `0x${string}`
  voucher: { max_claimable_units: string; signature: `0x${string}` } | null
}
const sent: Sent[] = []
let deal: DealOut

const place = (given = deal, key = sessionKey) => placeOrder(network, given, buyer.address, key)

beforeEach(async () => {
  sent.length = 0
  deal = await makeDeal('channel')
  server.use(
    answers(`/tasks/${deal.task_id}/bids`, [deal.bid]),
    takes(`/deals/${deal.id}/order`, deal, (body) => sent.push(body as Sent)),
  )
})

describe('placeOrder', () => {
  it('sends an order and a voucher signed by the session key', async () => {
    await place()
    const [body] = sent
    if (!body?.voucher || !deal.channel?.channel_id) throw new Error('nothing was sent')
    const message = orderMessage({ ...body, channel_id: deal.channel.channel_id, bid_hash: deal.bid.bid_hash })
    const request = signingRequest('MicroOrder', network, message) as unknown as Parameters<
      typeof recoverTypedDataAddress
    >[0]
    expect(await recoverTypedDataAddress({ ...request, signature: body.signature })).toBe(sessionKey.address)
    expect(body.voucher.max_claimable_units).toBe('400000')
    expect(body.evaluate_by - body.deliver_by).toBe(network.constants.evaluation_seconds)
  })

  it('sends the very same order again after a failure', async () => {
    await place()
    vi.useFakeTimers({ now: Date.now() + 5000, toFake: ['Date'] })
    await place()
    vi.useRealTimers()
    expect(sent[1]).toEqual(sent[0])
    expect(orderedUnits(deal.channel?.channel_id ?? '')).toBe(400_000n)
  })

  it('counts an award once, under whatever deal it is shown', async () => {
    await place()
    const again = { ...structuredClone(deal), id: '0197f3a0-0000-7000-8000-00000000ffff' }
    if (again.channel) again.channel.need_units = '800000'
    await expect(place(again)).rejects.toThrow(/you have ordered only 0.40 USDC/)
    expect(orderedUnits(deal.channel?.channel_id ?? '')).toBe(400_000n)
    expect(sent).toHaveLength(1)
  })

  it('sends no voucher where the ceiling is high enough', async () => {
    if (deal.channel) deal.channel.ceiling_units = '400000'
    await place()
    expect(sent[0]?.voucher).toBeNull()
  })

  it.each([
    [
      'a ceiling above all orders',
      (d: DealOut) => d.channel && Object.assign(d.channel, { need_units: '400001' }),
      /you have ordered only 0.40 USDC/,
    ],
    [
      'a foreign channel',
      (d: DealOut) => d.channel && Object.assign(d.channel, { channel_id: `0x${'1'.repeat(64)}` }),
      /not the one of this agent/,
    ],
    [
      'too small a pool',
      (d: DealOut) => d.channel && Object.assign(d.channel, { available_units: '399999' }),
      /Top it up/,
    ],
    ['no pool', (d: DealOut) => d.channel && Object.assign(d.channel, { pool_id: null }), /no pool yet/],
    ['another price', (d: DealOut) => Object.assign(d, { price_units: '300000' }), /not the one that was awarded/],
  ])('signs nothing for %s', async (_name, tamper, text) => {
    const changed = structuredClone(deal)
    tamper(changed)
    await expect(place(changed)).rejects.toThrow(text)
    expect(sent).toEqual([])
  })

  it('signs nothing for a pool of another session key', async () => {
    await expect(place(deal, rival)).rejects.toThrow(/session key of another browser/)
    expect(sent).toEqual([])
  })
})

describe('neededCeiling', () => {
  it('is what the service asks for, up to what was ordered', () => {
    expect(neededCeiling(500n, 400n, 500n)).toBe(500n)
    expect(() => neededCeiling(501n, 400n, 500n)).toThrow()
    expect(() => neededCeiling(399n, 400n, 500n)).toThrow()
  })
})
