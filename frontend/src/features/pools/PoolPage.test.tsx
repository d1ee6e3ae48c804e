import { screen, waitFor } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import { Toaster } from '@/components/ui/Toaster'
import { agent, buyer, intent, NOW, operator, pool, session, sessionKey } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server, takes } from '@/test/server'
import { signs } from '@/test/wallet'
import { poolParts } from './lib/pool'
import { PoolPage } from './PoolPage'

describe('PoolPage', () => {
  it('shows where the money of a pool is', async () => {
    server.use(answers('/auth/session', session), answers('/pools', [pool]))
    await show(<PoolPage />, { connected: true })
    const bar = await screen.findByRole('img', { name: /Settled on chain: 1.20 USDC, Earned off-chain: 0.87 USDC/ })
    expect(bar).toBeVisible()
    expect(screen.getByText('Agents paid from it')).toBeVisible()
    expect(await screen.findByRole('button', { name: 'Withdraw from pool' })).toBeEnabled()
  })

  it('keeps below what the payer wants to be told, and takes an empty field for never', async () => {
    const asked: unknown[] = []
    const warned = { ...pool, warn_below_units: '1500000' }
    server.use(
      answers('/auth/session', session),
      answers('/pools', [warned]),
      takes(`/pools/${pool.pool_id}/warning`, warned, (body) => asked.push(body)),
    )
    const { user } = await show(<PoolPage />, { connected: true })
    const field = await screen.findByLabelText('Tell me when less is free than')
    expect(field).toHaveValue('1.50')
    const save = await screen.findByRole('button', { name: 'Save' })
    await user.clear(field)
    await user.type(field, 'much')
    await user.click(save)
    expect(screen.getByText('Write an amount such as 1 or 0.50.')).toBeVisible()
    await user.clear(field)
    await user.type(field, '0.75')
    await user.click(save)
    await waitFor(() => expect(asked).toEqual([{ below_units: '750000' }]))
    await user.clear(field)
    await user.click(save)
    await waitFor(() => expect(asked.at(-1)).toEqual({ below_units: null }))
  })

  it('offers to open one, to a reader without a wallet too', async () => {
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await show(<PoolPage />)
    expect(await screen.findByText('You have no pool here yet.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Connect wallet' })).toBeEnabled()
  })

  it('refuses amounts that a pool does not take', async () => {
    server.use(answers('/auth/session', session), answers('/pools', []))
    const { user } = await show(<PoolPage />, { connected: true })
    const field = await screen.findByLabelText('First deposit')
    await user.clear(field)
    await user.type(field, '50.000001')
    await user.click(await screen.findByRole('button', { name: 'Open pool' }))
    expect(screen.getByText(/A pool holds at most 50.00 USDC/)).toBeVisible()
  })

  it('lets the payer finish a withdrawal whose time is over, and not before', async () => {
    const leaving = { ...pool, pending_withdraw_units: '1000000' }
    server.use(answers('/auth/session', session), answers('/pools', [{ ...leaving, finalize_at: NOW + 900 }]))
    const early = await show(<PoolPage />, { connected: true })
    expect(await screen.findByRole('button', { name: 'Cancel withdrawal' })).toBeEnabled()
    expect(screen.queryByRole('button', { name: 'Finish withdrawal' })).toBeNull()
    early.unmount()
    server.use(answers('/pools', [{ ...leaving, finalize_at: NOW - 1 }]))
    await show(<PoolPage />, { connected: true })
    expect(await screen.findByRole('button', { name: 'Finish withdrawal' })).toBeEnabled()
  })

  it('says that a cancellation is signed when a withdrawal is taken back', async () => {
    const seen = vi.fn()
    const leaving = { ...pool, pending_withdraw_units: '1000000', finalize_at: NOW + 900 }
    server.use(
      answers('/auth/session', session),
      answers('/pools', [leaving]),
      takes(`/pools/${pool.pool_id}/withdrawal`, { ...intent, state: 'queued' }, seen),
      signs(buyer),
    )
    const { user } = await show(
      <>
        <PoolPage />
        <Toaster />
      </>,
      { connected: true },
    )
    await user.click(await screen.findByRole('button', { name: 'Cancel withdrawal' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    expect(await screen.findByText('Cancellation signed')).toBeVisible()
    expect(seen).toHaveBeenCalledWith(expect.objectContaining({ amount_units: '0', cancel: true }))
  })

  it('offers to move a pool whose operator is no longer the one of new pools, and to open one with him', async () => {
    const earlier = { ...pool, operator: agent.address, operator_serves: false }
    server.use(answers('/auth/session', session), answers('/pools', [earlier]))
    await show(<PoolPage />, { connected: true })
    expect(await screen.findByRole('button', { name: 'Move 2.53 USDC' })).toBeEnabled()
    expect(screen.getByText(/no longer in use. It takes no new orders/)).toBeVisible()
    expect(screen.queryByText('Top up')).toBeNull()
    expect(screen.getByRole('button', { name: 'Open pool' })).toBeEnabled()
    expect(screen.getByRole('button', { name: 'Withdraw from pool' })).toBeEnabled()
  })

  it('offers to send a signed deposit again whose answer was lost, and no other one', async () => {
    const kept = {
      payer_authorizer: sessionKey.address,
      operator: operator.address,
      amount_units: '5000000',
      valid_after: 0,
      valid_before: NOW + 600,
      salt: `0x${'1'.repeat(64)}`,
      signature: `0x${'1b'.repeat(65)}`,
    }
    localStorage.setItem(`aicp.deposit.31337:${buyer.address.toLowerCase()}`, JSON.stringify(kept))
    server.use(
      answers('/auth/session', session),
      answers('/pools', []),
      answers('/transactions', { items: [], next_cursor: null }),
    )
    await show(<PoolPage />, { connected: true })
    expect(await screen.findByRole('button', { name: 'Send deposit again' })).toBeEnabled()
    expect(screen.queryByLabelText('First deposit')).toBeNull()
  })

  it('says what failed', async () => {
    server.use(answers('/auth/session', session), refuses('/pools', 503, 'The mirror is away.'))
    await show(<PoolPage />, { connected: true })
    expect(await screen.findByText('The mirror is away.')).toBeVisible()
  })
})

describe('PoolPage without the service', () => {
  it('says so with a retry, and does not ask over and over', async () => {
    let asked = 0
    server.use(
      http.get('http://localhost:8000/api/v1/auth/session', () => {
        asked += 1
        return HttpResponse.error()
      }),
    )
    const { user } = await show(<PoolPage />, { connected: true })
    expect(await screen.findByRole('alert', undefined, { timeout: 4000 })).toHaveTextContent('does not answer')
    expect(screen.queryByText('You have no pool here yet.')).toBeNull()
    expect(asked).toBe(2)
    server.use(answers('/auth/session', session), answers('/pools', [pool]))
    await user.click(screen.getByRole('button', { name: 'Try again' }))
    expect(await screen.findByRole('heading', { name: 'Your pool' })).toBeVisible()
  })

  it('keeps saying so while it tries again', async () => {
    server.use(answers('/auth/session', session), refuses('/pools', 503, 'The mirror is away.'))
    const { user } = await show(<PoolPage />, { connected: true })
    await screen.findByText('The mirror is away.')
    const again = vi.fn()
    server.use(
      http.get('http://localhost:8000/api/v1/pools', () => {
        again()
        return new Promise<never>(() => undefined)
      }),
    )
    await user.click(screen.getByRole('button', { name: 'Try again' }))
    await waitFor(() => expect(again).toHaveBeenCalled())
    expect(screen.getByText('The mirror is away.')).toBeVisible()
    expect(screen.queryByText('Loading your pool')).toBeNull()
  })
})

describe('poolParts', () => {
  it('adds up to the balance and what was claimed', () => {
    const parts = poolParts(pool)
    expect(parts).toEqual({
      claimed: 1_200_000n,
      earned: 870_000n,
      reserved: 400_000n,
      free: 2_530_000n,
      total: 5_000_000n,
    })
  })

  it('is never negative while the mirror catches up', () => {
    const parts = poolParts({ ...pool, balance_latest_units: '100', claimed_units: '3000000' })
    expect(parts.free).toBe(0n)
    expect(parts.earned).toBe(0n)
  })
})
