import { HttpResponse, http } from 'msw'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { SheetClosed, useSheet } from '@/chain/signing'
import { balances, buyer, intent, NOW, network, sessionKey } from '@/test/fixtures'
import { answers, server } from '@/test/server'
import { deposit, depositStanding } from './deposit'

const URL = 'http://localhost:8000/api/v1/pools/deposit'
const SIGNATURE = `0x${'1b'.repeat(65)}` as const

/** Bodies the service was sent, and what the wallet was asked to sign. */
let bodies: string[] = []
let asked: Record<string, unknown>[] = []
let declines = false
let reply: (body: string) => Response = () => HttpResponse.json(intent)

const listed = (state: string, nonce: unknown, error_code: string | null = null) =>
  answers('/transactions', {
    items: [{ ...intent, kind: 'pool_deposit', state, error_code, reference: { nonce } }],
    next_cursor: null,
  })
const nothingListed = () => answers('/transactions', { items: [], next_cursor: null })

beforeEach(() => {
  bodies = []
  asked = []
  declines = false
  reply = () => HttpResponse.json(intent)
  useSheet.setState({ pending: null })
  server.use(
    answers(`/accounts/${buyer.address}/balances`, balances),
    nothingListed(),
    http.post(URL, async ({ request }) => {
      const body = await request.text()
      bodies.push(body)
      return reply(body)
    }),
  )
  return useSheet.subscribe(({ pending }) => {
    if (!pending) return
    asked.push(pending.sheet.request.message)
    useSheet.setState({ pending: null })
    if (declines) pending.reject(new SheetClosed())
    else pending.resolve(SIGNATURE)
  })
})

const put = (amount = 5_000_000n) => deposit(network, buyer.address, sessionKey.address, amount)
const lost = () => HttpResponse.error()

describe('deposit', () => {
  it('sends the very same signature again when the answer was lost', async () => {
    reply = lost
    await expect(put()).rejects.toThrow()
    expect(await depositStanding(network, buyer.address)).toEqual({ state: 'unsent', amount_units: '5000000' })
    reply = () => HttpResponse.json(intent)
    await put(7_000_000n)
    expect(bodies).toHaveLength(2)
    expect(bodies[1]).toBe(bodies[0])
    expect(asked).toHaveLength(1)
  })

  it('signs no other one while the first is under way, and does once it has landed', async () => {
    await put()
    const nonce = asked[0]?.nonce
    server.use(listed('sent', nonce))
    expect(await depositStanding(network, buyer.address)).toEqual({ state: 'underway', amount_units: '5000000' })
    await put()
    expect(bodies[1]).toBe(bodies[0])
    expect(asked).toHaveLength(1)
    server.use(listed('mined', nonce))
    expect(await depositStanding(network, buyer.address)).toBeNull()
    await put()
    expect(asked).toHaveLength(2)
    expect(asked[1]?.nonce).not.toBe(nonce)
  })

  it('forgets none that failed in its block before that block is final', async () => {
    await put()
    const nonce = asked[0]?.nonce
    server.use(listed('mined', nonce, 'reverted'))
    expect(await depositStanding(network, buyer.address)).toEqual({ state: 'underway', amount_units: '5000000' })
    server.use(listed('failed', nonce, 'reverted'))
    expect(await depositStanding(network, buyer.address)).toBeNull()
    await put(6_000_000n)
    expect(asked[1]).toMatchObject({ nonce, value: 6_000_000n })
  })

  it.each(['failed', 'expired', 'cancelled'])('signs anew after one that %s, under the same nonce', async (state) => {
    await put()
    server.use(listed(state, asked[0]?.nonce))
    expect(await depositStanding(network, buyer.address)).toBeNull()
    await put(6_000_000n)
    expect(asked[1]).toMatchObject({ nonce: asked[0]?.nonce, value: 6_000_000n })
  })

  it('keeps the nonce of a signature that was refused', async () => {
    reply = () => HttpResponse.json({ status: 400, code: 'invalid_signature' }, { status: 400 })
    await expect(put()).rejects.toThrow()
    expect(await depositStanding(network, buyer.address)).toBeNull()
    reply = () => HttpResponse.json(intent)
    await put()
    expect(asked[1]?.nonce).toBe(asked[0]?.nonce)
  })

  it('sends again what was refused for a passing reason', async () => {
    reply = () => HttpResponse.json({ status: 429, code: 'limit_exceeded' }, { status: 429 })
    await expect(put()).rejects.toThrow()
    reply = () => HttpResponse.json(intent)
    await put()
    expect(bodies[1]).toBe(bodies[0])
  })

  it('starts afresh when a signature nobody knows has expired', async () => {
    reply = lost
    await expect(put()).rejects.toThrow()
    const clock = vi.spyOn(Date, 'now').mockReturnValue((NOW + 901) * 1000)
    try {
      expect(await depositStanding(network, buyer.address)).toBeNull()
      reply = () => HttpResponse.json(intent)
      await put()
    } finally {
      clock.mockRestore()
    }
    expect(asked[1]?.nonce).not.toBe(asked[0]?.nonce)
  })

  it('asks nothing of the wallet while it cannot be known what became of the first', async () => {
    reply = lost
    await expect(put()).rejects.toThrow()
    server.use(http.get('http://localhost:8000/api/v1/transactions', () => HttpResponse.error()))
    await expect(put()).rejects.toThrow()
    expect(asked).toHaveLength(1)
    expect(bodies).toHaveLength(1)
  })

  it('keeps nothing open when the sheet is closed, and reuses its nonce', async () => {
    declines = true
    await expect(put()).rejects.toThrow(SheetClosed)
    expect(bodies).toHaveLength(0)
    expect(await depositStanding(network, buyer.address)).toBeNull()
    declines = false
    await put()
    expect(asked[1]?.nonce).toBe(asked[0]?.nonce)
  })
})
