import { screen, waitFor, within } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'
import { keys } from '@/api/keys'
import { mergeBid } from '@/api/liveReducer'
import type { BidOut } from '@/api/types'
import { makeBids, session, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server, takes } from '@/test/server'
import { AuctionPage } from './AuctionPage'

const at = { path: '/tasks/:taskId', at: `/tasks/${task.id}` }
const bids = await makeBids()
const setUp = (signed: object | null, list: BidOut[] = bids) =>
  server.use(
    signed ? answers('/auth/session', signed) : refuses('/auth/session', 401, 'Sign in first.'),
    answers(`/tasks/${task.id}`, task),
    answers(`/tasks/${task.id}/bids`, list),
    answers(`/tasks/${task.id}/history`, []),
    answers(`/tasks/${task.id}/awards`, []),
  )

describe('AuctionPage', () => {
  it('lets the buyer award the bid of his choice', async () => {
    const seen = vi.fn()
    setUp(session)
    server.use(takes(`/tasks/${task.id}/award`, { deal_id: 'd1', bid_hash: bids[1]?.bid_hash }, seen))
    const { user } = await show(<AuctionPage />, at)
    await user.click(await screen.findByRole('button', { name: /Award to Columnar for 24.50 USDC/ }))
    await waitFor(() => expect(seen).toHaveBeenCalledWith({ bid_hash: bids[1]?.bid_hash }))
    expect(await screen.findByText('another page')).toBeVisible()
  })

  it('shows bids but no award button to others', async () => {
    setUp(null)
    await show(<AuctionPage />, at)
    const book = await screen.findByRole('list', { name: 'Bids, best first' })
    expect(within(book).getAllByRole('listitem')).toHaveLength(2)
    expect(screen.queryByRole('button', { name: /Award/ })).toBeNull()
    expect(screen.queryByRole('button', { name: 'Cancel task' })).toBeNull()
  })

  it('takes a live bid in without a reload and marks it best', async () => {
    setUp(session)
    const { client } = await show(<AuctionPage />, at)
    await screen.findByRole('button', { name: /Award to Tabula/ })
    const better = {
      ...(bids[1] as BidOut),
      bid_hash: `0x${'f'.repeat(64)}`,
      amount_units: '20000000',
      agent_name: 'Fresh',
      seq: 3,
    }
    client.setQueryData<BidOut[]>(keys.bids(task.id), (old) => mergeBid(old, better))
    const row = (await screen.findByRole('button', { name: /Award to Fresh for 20.00 USDC/ })).closest('li')
    expect(row).toHaveTextContent('best')
  })

  it('asks the buyer to choose a winner once the auction has ended', async () => {
    setUp(session)
    server.use(answers(`/tasks/${task.id}`, { ...task, auction_ends_at: '2020-01-01T00:00:00Z' }))
    await show(<AuctionPage />, at)
    expect(await screen.findByText(/Choose a winner among the bids below/)).toBeVisible()
    expect(screen.getByText('Auction ended')).toBeVisible()
    expect(screen.getByRole('button', { name: /Award to Tabula/ })).toBeEnabled()
  })

  it('tells others that an ended auction waits for its buyer', async () => {
    setUp(null)
    server.use(answers(`/tasks/${task.id}`, { ...task, auction_ends_at: '2020-01-01T00:00:00Z' }))
    await show(<AuctionPage />, at)
    expect(await screen.findByText(/The buyer chooses a winner/)).toBeVisible()
  })

  it('says that the price decides how the task is paid, and per bid how', async () => {
    setUp(session, [{ ...(bids[0] as BidOut), amount_units: '9400000' }, bids[1] as BidOut])
    await show(<AuctionPage />, at)
    expect(await screen.findByText('10.00 USDC or more is paid on chain')).toBeVisible()
    const rows = within(await screen.findByRole('list', { name: 'Bids, best first' })).getAllByRole('listitem')
    expect(rows[0]).toHaveTextContent('Off-chain')
    expect(rows[1]).toHaveTextContent('On chain')
  })

  it('does not call a task running whose work is delivered', async () => {
    setUp(null)
    server.use(answers(`/tasks/${task.id}`, { ...task, state: 'delivered', public_state: 'running' }))
    await show(<AuctionPage />, at)
    expect(await screen.findByText(/The auction is over; the task is/)).toHaveTextContent(
      'the task is delivered, in review.',
    )
  })

  it('waits for bids', async () => {
    setUp(session, [])
    await show(<AuctionPage />, at)
    expect(await screen.findByText('No bids yet.')).toBeVisible()
  })

  it('says when there is no such task', async () => {
    server.use(refuses('/auth/session', 401, ''), refuses(`/tasks/${task.id}`, 404, 'There is nothing here for you.'))
    await show(<AuctionPage />, at)
    expect(await screen.findByRole('alert')).toHaveTextContent('There is nothing here for you.')
  })
})
