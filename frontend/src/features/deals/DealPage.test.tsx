import { act, screen, waitFor, within } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import { keys } from '@/api/keys'
import type { Action, DealOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import * as keyStore from '@/chain/sessionKey'
import { useSheet } from '@/chain/signing'
import { escrowId } from '@/chain/typedData'
import { agent, balances, makeDeal, makeDelivered, network, session, sessionKey, task, timeline } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server } from '@/test/server'
import { DealPage } from './DealPage'

const setUp = (deal: DealOut) =>
  server.use(
    answers('/auth/session', session),
    answers(`/deals/${deal.id}`, deal),
    answers(`/deals/${deal.id}/timeline`, timeline),
    answers(`/tasks/${deal.task_id}/bids`, [deal.bid]),
    answers(`/accounts/${deal.buyer}/balances`, balances),
  )
const open = (deal: DealOut) => show(<DealPage />, { path: '/deals/:dealId', at: `/deals/${deal.id}`, connected: true })

describe('DealPage', () => {
  it('asks strangers to sign in', async () => {
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await open(await makeDeal('escrow'))
    expect(await screen.findByText('A deal is shown to its parties and its verifier only.')).toBeVisible()
  })

  it('shows the timeline with hashes and finality', async () => {
    const deal = await makeDeal('escrow')
    setUp(deal)
    await open(deal)
    const list = await screen.findByRole('list', { name: 'Timeline' })
    expect(within(list).getAllByRole('listitem')).toHaveLength(3)
    expect(within(list).getByText('final')).toBeVisible()
    expect(within(list).getByText(/0x555555…5555/)).toBeVisible()
  })

  it('shows what one payment signature means, and asks the wallet for exactly that', async () => {
    const deal = await makeDeal('escrow')
    setUp(deal)
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: 'Pay 24.00 USDC' }))
    const sheet = await screen.findByRole('dialog', { name: 'Pay 24.00 USDC into escrow' })
    expect(within(sheet).getByText('Escrow id recomputed; terms, fee and clocks are the agreed ones.')).toBeVisible()
    expect(within(sheet).getByText('The award counts the one bid there was.')).toBeVisible()
    expect(within(sheet).getByRole('button', { name: 'Sign in wallet' })).toBeEnabled()
    const request = useSheet.getState().pending?.sheet.request
    expect(request).toMatchObject({
      primaryType: 'ReceiveWithAuthorization',
      domain: { verifyingContract: network.contracts.usdc, chainId: 31337 },
      message: { to: network.contracts.escrow, value: 24_000_000n, nonce: deal.escrow?.escrow_id },
    })
    await user.click(within(sheet).getByRole('button', { name: 'Cancel' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('closes the sheet when the deal was paid in another tab', async () => {
    const deal = await makeDeal('escrow')
    setUp(deal)
    const { user, client } = await open(deal)
    await user.click(await screen.findByRole('button', { name: 'Pay 24.00 USDC' }))
    await screen.findByRole('dialog', { name: 'Pay 24.00 USDC into escrow' })
    act(() => client.setQueryData(keys.deal(deal.id), { ...deal }))
    expect(screen.getByRole('dialog')).toBeVisible()
    act(() => client.setQueryData(keys.deal(deal.id), { ...deal, state: 'funding', actions: [] }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(screen.queryByRole('alert')).toBeNull()
    expect(screen.queryByRole('button', { name: /^Pay/ })).toBeNull()
  })

  it.each([
    [
      'a higher amount',
      (deal: DealOut) => deal.escrow && Object.assign(deal.escrow.terms, { amount_units: '24000001' }),
      'The amount is not the price of the bid.',
    ],
    [
      'another agent',
      (deal: DealOut) => deal.escrow && Object.assign(deal.escrow.terms, { provider: network.contracts.usdc }),
      'The terms name another agent.',
    ],
    [
      'a foreign arbiter',
      (deal: DealOut) => deal.escrow && Object.assign(deal.escrow.terms, { arbiter: network.contracts.usdc }),
      'The terms name an arbiter this network does not know.',
    ],
    [
      'another task text',
      (deal: DealOut) => Object.assign(deal.document, { title: 'Something else' }),
      'The task document is not the one both sides signed for.',
    ],
  ])('refuses to ask for a signature over %s', async (_name, tamper, sentence) => {
    const deal = structuredClone(await makeDeal('escrow'))
    tamper(deal)
    setUp(deal)
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: /^Pay/ }))
    const sheet = await screen.findByRole('dialog')
    expect(await within(sheet).findByText(sentence)).toBeVisible()
    expect(within(sheet).getByRole('button', { name: 'Sign in wallet' })).toBeDisabled()
    await user.click(within(sheet).getByRole('button', { name: 'Cancel' }))
  })

  it('takes terms composed a moment ahead of its own clock', async () => {
    const deal = structuredClone(await makeDeal('escrow'))
    if (!deal.escrow) throw new Error('no escrow')
    const { terms } = deal.escrow
    const acceptBy = serverNow() + network.constants.accept_window_seconds + 2
    Object.assign(terms, { accept_by: acceptBy, deliver_by: acceptBy + 3600 })
    deal.escrow.escrow_id = escrowId(network, terms)
    setUp(deal)
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: /^Pay/ }))
    expect(await screen.findByRole('button', { name: 'Sign in wallet' })).toBeEnabled()
    await user.click(screen.getByRole('button', { name: 'Cancel' }))
  })

  it('says so when the award leaves out a bid', async () => {
    const deal = await makeDeal('escrow')
    setUp(deal)
    server.use(answers(`/tasks/${deal.task_id}/bids`, [deal.bid, { ...deal.bid, bid_hash: `0x${'e'.repeat(64)}` }]))
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: /^Pay/ }))
    expect(await screen.findByText('The award leaves out a bid that was received.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Cancel' }))
  })

  it('refuses to pay from a wallet that holds too little', async () => {
    const deal = await makeDeal('escrow')
    setUp(deal)
    server.use(answers(`/accounts/${deal.buyer}/balances`, { ...balances, usdc_units: '1' }))
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: /^Pay/ }))
    expect(await screen.findByRole('alert')).toHaveTextContent('less USDC than the price')
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it('shows how long an unpaid deal waits, and cancels it where that is offered', async () => {
    const deal = await makeDeal('channel')
    const order = { ...(deal.actions[0] as Action), due: null, if_nobody_acts: null }
    const cancel: Action = {
      ...order,
      name: 'cancel',
      reason: 'Nothing has been paid; the buyer can take the task back.',
    }
    setUp({ ...deal, actions: [order, cancel] })
    server.use(
      http.post(`http://localhost:8000/api/v1/tasks/${deal.task_id}/cancel`, () =>
        HttpResponse.json({ ...task, state: 'cancelled' }),
      ),
    )
    const { user } = await open({ ...deal, actions: [order, cancel] })
    expect(await screen.findByText(/^Time left:/)).toHaveTextContent(/(59:|1 h 00)/)
    const button = screen.getByRole('button', { name: 'Cancel deal' })
    server.use(answers(`/deals/${deal.id}`, { ...deal, state: 'cancelled', live: false, actions: [] }))
    await user.click(button)
    expect(await screen.findByText('This deal has ended.')).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Cancel deal' })).toBeNull()
  })

  it('shows a deal that the task went on without as ended, whatever became of the task', async () => {
    const deal = await makeDeal('channel')
    const left = { ...deal, live: false, current: false, ended_reason: 'not delivered in time', actions: [] }
    for (const state of ['open', 'completed'] as const) {
      setUp({ ...left, state })
      const shown = await open({ ...left, state })
      expect(await screen.findByText('Ended')).toBeVisible()
      expect(screen.getByText(/Its agent was paid nothing/)).toBeVisible()
      expect(screen.getByRole('link', { name: 'See where the task stands' })).toHaveAttribute(
        'href',
        `/tasks/${deal.task_id}`,
      )
      expect(screen.queryByText(/^(Open for bids|Completed)$/)).toBeNull()
      shown.unmount()
    }
  })

  it("asks for the pool of this browser's session key, and as the agent for the one that pays", async () => {
    vi.spyOn(keyStore, 'loadSessionKey').mockResolvedValue(sessionKey)
    const deal = await makeDeal('channel')
    const asked: (string | null)[] = []
    const reading = (shown: DealOut) => {
      setUp(shown)
      server.use(
        http.get(`http://localhost:8000/api/v1/deals/${deal.id}`, ({ request }) => {
          asked.push(new URL(request.url).searchParams.get('session_key'))
          return HttpResponse.json(shown)
        }),
      )
    }
    try {
      reading(deal)
      const first = await open(deal)
      expect(await screen.findByRole('button', { name: 'Pay 0.40 USDC from pool' })).toBeVisible()
      expect(asked).toEqual([sessionKey.address])
      first.unmount()
      reading({ ...deal, buyer: agent.address, agent: deal.buyer })
      await open(deal)
      await screen.findByRole('list', { name: 'Timeline' })
      expect(asked.slice(1)).toEqual([sessionKey.address, null])
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('offers accept and reject for a small deal, release for an escrow', async () => {
    const micro = await makeDelivered('channel')
    setUp(micro)
    const first = await open(micro)
    expect(await screen.findByRole('button', { name: 'Accept result' })).toBeEnabled()
    expect(screen.getByRole('button', { name: 'Reject result' })).toBeEnabled()
    first.unmount()
    const escrow = await makeDelivered('escrow')
    setUp(escrow)
    await open(escrow)
    expect(await screen.findByRole('button', { name: 'Release payment' })).toBeEnabled()
    expect(screen.getByText('file list matches the signed hash')).toBeVisible()
  })

  it('does not show a file whose bytes differ from its hash', async () => {
    const deal = await makeDelivered('escrow')
    setUp(deal)
    const sha = deal.deliverable?.files[0]?.sha256
    server.use(answers(`/files/${sha}`, { forged: '<script>alert(1)</script>' }))
    vi.spyOn(URL, 'createObjectURL').mockImplementation(() => {
      throw new Error('must not be saved')
    })
    const { user } = await open(deal)
    await user.click(await screen.findByRole('button', { name: 'Download report.json' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('its hash differs')
  })

  it('warns of a result that is not the one submitted on chain', async () => {
    const deal = await makeDelivered('escrow')
    if (!deal.escrow) throw new Error('no escrow')
    deal.escrow.deliverable_hash = `0x${'7'.repeat(64)}`
    setUp(deal)
    const first = await open(deal)
    expect(await screen.findByText('hash differs')).toBeVisible()
    first.unmount()
    setUp({ ...deal, deliverable: null })
    await open(deal)
    expect(await screen.findByText(/its files are not here/)).toBeVisible()
  })
})
