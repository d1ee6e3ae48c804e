import { screen, waitFor, within } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import type { OfferOut, TaskOut } from '@/api/types'
import { agent, iso, makeBids, NOW, rival, session, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server } from '@/test/server'
import { AuctionPage } from './AuctionPage'

const at = { path: '/tasks/:taskId', at: `/tasks/${task.id}` }
const instant: TaskOut = { ...task, instant: true, buy_now_units: '25000000', buy_now_signed: true, bid_count: 0 }
const offer = (changes: Partial<OfferOut>): OfferOut => ({
  task_id: task.id,
  agent: agent.address,
  agent_name: 'Tabula',
  max_units: '25000000',
  rule_version: 1,
  why: 'best',
  points_bps: 6120,
  refused: [{ agent: rival.address, agent_name: 'Rival', why: 'full', points_bps: 7000 }],
  offered_at: iso(NOW - 20),
  answer_until: iso(NOW + 10),
  answer: null,
  answered_at: null,
  bid_hash: null,
  ...changes,
})
const bids = await makeBids()

function setUp(signed: object | null, offers: OfferOut[], shown: TaskOut = instant) {
  server.use(
    signed ? answers('/auth/session', signed) : refuses('/auth/session', 401, 'Sign in first.'),
    answers(`/tasks/${task.id}`, shown),
    answers(`/tasks/${task.id}/bids`, shown.instant ? [] : bids),
    answers(`/tasks/${task.id}/offers`, offers),
    answers(`/tasks/${task.id}/history`, []),
  )
}

describe('SchedulerPanel', () => {
  it('tells whom the scheduler has asked, why, and what they said', async () => {
    const silent = offer({ answer: 'silent', answered_at: iso(NOW - 5), answer_until: iso(NOW - 5) })
    setUp(null, [silent, offer({ agent: rival.address, why: 'newcomer', refused: [] })])
    await show(<AuctionPage />, at)
    const rows = within(await screen.findByRole('list', { name: 'Offers, oldest first' })).getAllByRole('listitem')
    expect(rows).toHaveLength(2)
    expect(rows[0]).toHaveTextContent('no answer')
    expect(rows[0]).toHaveTextContent('most points, 61.2%')
    expect(rows[0]).toHaveTextContent('Not asked: Rival (no room, 70%)')
    expect(rows[0]).toHaveTextContent('Tabula')
    expect(rows[1]).toHaveTextContent("the newcomers' share")
    expect(rows[1]).toHaveTextContent('asked')
    expect(screen.queryByRole('button', { name: 'Decline' })).toBeNull()
    expect(screen.queryByRole('button', { name: 'Place the bid' })).toBeNull()
    expect(screen.queryByText('Auction ended')).toBeNull()
    expect(screen.getByText(/the best first, at 25.00 USDC at most/)).toBeVisible()
    expect(screen.queryByText('The auction')).toBeNull()
  })

  it('says of an agent that took the task and failed that it did not do it', async () => {
    const took = offer({ answer: 'bid', answered_at: iso(NOW - 15) })
    setUp(null, [took, offer({ agent: rival.address, answer: 'bid' })], { ...instant, state: 'assigned' })
    await show(<AuctionPage />, at)
    const rows = within(await screen.findByRole('list', { name: 'Offers, oldest first' })).getAllByRole('listitem')
    expect(rows[0]).toHaveTextContent('took it, did not do it')
    expect(rows[1]).toHaveTextContent('took it')
    expect(rows[1]).not.toHaveTextContent('did not do it')
  })

  it('lets the agent that is asked decline, or bid', async () => {
    const seen = vi.fn()
    setUp({ ...session, address: agent.address }, [offer({})])
    server.use(
      http.post(`http://localhost:8000/api/v1/tasks/${task.id}/offer/decline`, () => {
        seen()
        return HttpResponse.json(offer({ answer: 'declined', answered_at: iso(NOW) }))
      }),
    )
    const { user } = await show(<AuctionPage />, { ...at, connected: true, account: agent.address })
    expect(await screen.findByText(/You are asked: bid at most/)).toBeVisible()
    expect(await screen.findByRole('button', { name: 'Place the bid' })).toBeVisible()
    await user.click(await screen.findByRole('button', { name: 'Decline' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
  })

  it('leaves the choice to nobody but the scheduler', async () => {
    setUp(session, [])
    server.use(answers(`/tasks/${task.id}/bids`, bids))
    await show(<AuctionPage />, { ...at, connected: true })
    await screen.findByRole('list', { name: 'Bids, best first' })
    expect(screen.queryByRole('button', { name: /Award/ })).toBeNull()
    expect(screen.getByText('The best agent that is there and has room is asked within seconds.')).toBeVisible()
  })

  it('says what it waits for before anybody is asked', async () => {
    setUp(null, [], { ...instant, buy_now_signed: false })
    await show(<AuctionPage />, at)
    expect(await screen.findByText(/begins when the buyer has signed/)).toBeVisible()
  })

  it.each([
    ['pool_short', /Your pool has to cover/, 'Top up the pool', '/pool'],
    ['buyer_full', /as many offers and unpaid deals/, 'See what waits', '/me'],
    ['left_unpaid', /left deals unpaid in the last 24 hours/, 'See what waits', '/me'],
  ] as const)('tells its buyer of %s and what to do', async (waits_for, said, label, to) => {
    setUp(session, [], { ...instant, waits_for })
    await show(<AuctionPage />, { ...at, connected: true })
    expect(await screen.findByText(said)).toBeVisible()
    expect(screen.getByRole('link', { name: label })).toHaveAttribute('href', to)
    expect(screen.queryByText('Nobody is asked yet.')).toBeNull()
  })

  it('tells everybody else what it waits for, and after an offer as well', async () => {
    const declined = offer({ answer: 'declined', answered_at: iso(NOW - 5) })
    setUp(null, [declined], { ...instant, waits_for: 'buyer_full' })
    await show(<AuctionPage />, at)
    expect(await screen.findByText('It waits until the buyer has paid for an earlier task.')).toBeVisible()
    expect(screen.queryByRole('link', { name: 'See what waits' })).toBeNull()
    expect(screen.getByRole('list', { name: 'Offers, oldest first' })).toBeVisible()
  })

  it('is not there where there is an auction', async () => {
    setUp(null, [], task)
    await show(<AuctionPage />, at)
    await screen.findByRole('list', { name: 'Bids, best first' })
    expect(screen.queryByText('Assigned by the scheduler')).toBeNull()
  })
})
