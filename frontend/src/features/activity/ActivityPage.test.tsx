import { screen, waitFor } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import { balances, buyer, intent, makeDeal, NOW, network, rival, session, task, withHeld } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server, takes } from '@/test/server'
import { signs, type TypedData } from '@/test/wallet'
import { ActivityPage } from './ActivityPage'

const signedIn = () =>
  server.use(
    answers('/auth/session', session),
    answers(`/accounts/${session.address}/balances`, balances),
    answers('/transactions', { items: [], next_cursor: null }),
  )

/** A list in pages, each told from the others by its cursor. */
const paged = (path: string, ...pages: unknown[][]) =>
  http.get(`http://localhost:8000/api/v1${path}`, ({ request }) => {
    const index = Number(new URL(request.url).searchParams.get('cursor') ?? 0)
    return HttpResponse.json({ items: pages[index], next_cursor: index + 1 < pages.length ? String(index + 1) : null })
  })

describe('ActivityPage', () => {
  it('lists my tasks and what can be collected', async () => {
    signedIn()
    server.use(answers('/tasks', { items: [task], next_cursor: null }))
    await show(<ActivityPage />, { connected: true })
    expect(await screen.findByRole('link', { name: task.title })).toBeVisible()
    expect(await screen.findByRole('button', { name: 'Collect 1.50 USDC' })).toBeEnabled()
  })

  it('collects a share of a slashed stake where it lies, by a signature for that contract alone', async () => {
    signedIn()
    const seen = vi.fn()
    const asked: TypedData[] = []
    server.use(
      answers(`/accounts/${session.address}/balances`, withHeld('reputation', '2200000')),
      answers('/tasks', { items: [], next_cursor: null }),
      takes('/withdrawals', { ...intent, kind: 'withdraw', state: 'queued' }, seen),
      signs(buyer, asked),
    )
    const { user } = await show(<ActivityPage />, { connected: true })
    expect(await screen.findByRole('list', { name: 'To collect' })).toHaveTextContent('2.20 USDC from stakes')
    await user.click(screen.getByRole('button', { name: 'Collect 2.20 USDC' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen).toHaveBeenCalledWith(
      expect.objectContaining({ ledger: 'reputation', amount_units: '2200000', nonce: 3 }),
    )
    expect(asked[0]?.domain).toMatchObject({
      name: 'AICP Reputation',
      verifyingContract: network.contracts.reputation,
    })
  })

  it('shows the state of a transaction, and why one failed', async () => {
    signedIn()
    const failed = { ...intent, id: 'f', kind: 'release', state: 'failed', error_code: 'Escrow_WrongStatus' }
    const collected = { ...intent, id: 'w', kind: 'withdraw', reference: { amount_units: '2200000', ledger: 'escrow' } }
    const funded = { ...intent, reference: { deal_id: 'd1' } }
    server.use(answers('/transactions', { items: [funded, failed, collected], next_cursor: null }))
    await show(<ActivityPage />, { connected: true, path: '/activity', at: '/activity?view=transactions' })
    expect((await screen.findAllByText('Mined'))[0]).toBeVisible()
    expect(screen.getByRole('link', { name: 'its deal' })).toHaveAttribute('href', '/deals/d1')
    expect(screen.getByText('Collected to the wallet').closest('li')).toHaveTextContent('2.20')
    expect(screen.getByText(/another state by now/)).toBeVisible()
  })

  it('asks for no second signature while a withdrawal of that ledger is on its way', async () => {
    signedIn()
    const sent = { ...intent, kind: 'withdraw', state: 'sent', reference: { ledger: 'escrow' } }
    server.use(
      answers('/tasks', { items: [], next_cursor: null }),
      answers('/transactions', { items: [sent], next_cursor: null }),
    )
    await show(<ActivityPage />, { connected: true })
    const row = await screen.findByText('on its way to your wallet')
    expect(row.closest('li')).toHaveTextContent('1.50 USDC')
    expect(screen.queryByRole('button', { name: /^Collect/ })).toBeNull()
  })

  it('finds a withdrawal on its way behind many newer transactions, and asks for none that has expired', async () => {
    signedIn()
    const at = (seconds: number) => new Date((NOW - seconds) * 1000).toISOString()
    const sent = { ...intent, id: 's', kind: 'withdraw', state: 'sent', reference: { ledger: 'escrow' } }
    const asked: (string | null)[] = []
    server.use(
      answers('/tasks', { items: [], next_cursor: null }),
      paged('/transactions', [{ ...intent, created_at: at(1) }], [{ ...sent, created_at: at(2) }], [intent]),
    )
    server.events.on('request:start', ({ request }) => {
      const url = new URL(request.url)
      if (url.pathname.endsWith('/transactions')) asked.push(url.searchParams.get('cursor'))
    })
    const first = await show(<ActivityPage />, { connected: true })
    expect(await screen.findByText('on its way to your wallet')).toBeVisible()
    first.unmount()
    asked.length = 0
    server.use(paged('/transactions', [{ ...intent, created_at: at(4000) }], [{ ...sent, created_at: at(4001) }]))
    await show(<ActivityPage />, { connected: true })
    expect(await screen.findByRole('button', { name: 'Collect 1.50 USDC' })).toBeEnabled()
    expect(asked).toEqual([null])
    server.events.removeAllListeners()
  })

  it('gets test USDC through the relayer, without a transaction of the wallet', async () => {
    signedIn()
    const seen = vi.fn()
    server.use(
      answers('/tasks', { items: [], next_cursor: null }),
      takes('/wallet/faucet', { ...intent, kind: 'faucet', state: 'queued' }, seen),
    )
    const { user } = await show(<ActivityPage />, { connected: true })
    await user.click(await screen.findByRole('button', { name: 'Get test USDC' }))
    await waitFor(() => expect(seen).toHaveBeenCalledWith({ amount_units: '1000000000' }))
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('lists the deals I verify, when asked for them', async () => {
    signedIn()
    const deal = { ...(await makeDeal('escrow')), buyer: rival.address, verifier: session.address }
    const asked: (string | null)[] = []
    server.use(
      http.get('http://localhost:8000/api/v1/deals', ({ request }) => {
        const role = new URL(request.url).searchParams.get('role')
        asked.push(role)
        return HttpResponse.json({ items: role === 'agent' ? [] : [deal], next_cursor: null })
      }),
    )
    const { user } = await show(<ActivityPage />, { connected: true, path: '/activity', at: '/activity?view=deals' })
    expect(await screen.findByText(/you are the verifier/)).toBeVisible()
    await user.click(screen.getByRole('link', { name: 'As agent' }))
    expect(await screen.findByText('You have sold nothing yet.')).toBeVisible()
    await user.click(screen.getByRole('link', { name: 'As verifier' }))
    expect(await screen.findByRole('link', { name: deal.title })).toBeVisible()
    expect(asked).toEqual([null, 'agent', 'verifier'])
  })

  it('calls a deal ended that its task went on without', async () => {
    signedIn()
    const deal = { ...(await makeDeal('escrow')), live: false, current: false, state: 'open' as const }
    server.use(
      http.get('http://localhost:8000/api/v1/deals', () => HttpResponse.json({ items: [deal], next_cursor: null })),
    )
    await show(<ActivityPage />, { connected: true, path: '/activity', at: '/activity?view=deals' })
    expect(await screen.findByText('Ended')).toBeVisible()
    expect(screen.queryByText('Open for bids')).toBeNull()
  })

  it.each([
    ['tasks', 'tasks', { ...task, title: 'The oldest task' }, task, 'The oldest task'],
    [
      'deals',
      'deals',
      async () => ({ ...(await makeDeal('escrow')), title: 'The oldest deal' }),
      null,
      'The oldest deal',
    ],
    ['transactions', 'transactions', { ...intent, id: 'old', kind: 'faucet' }, intent, 'Test USDC'],
  ])('reads on to the oldest of the %s', async (view, path, oldest, newer, text) => {
    signedIn()
    const last = typeof oldest === 'function' ? await oldest() : oldest
    const first = newer ?? { ...(await makeDeal('escrow')), id: 'newer' }
    server.use(paged(`/${path}`, [first], [last]))
    const { user } = await show(<ActivityPage />, { connected: true, path: '/activity', at: `/activity?view=${view}` })
    await user.click(await screen.findByRole('button', { name: 'Show more' }))
    expect(await screen.findByText(text)).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Show more' })).toBeNull()
  })

  it('asks to sign in', async () => {
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await show(<ActivityPage />)
    expect(await screen.findByText('Sign in to see what is yours.')).toBeVisible()
  })
})
