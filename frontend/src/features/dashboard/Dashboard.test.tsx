import { screen, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { AgentDashboardOut, BuyerDashboardOut, DayOut, EarnedDayOut } from '@/api/types'
import { buyer, iso, NOW, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, hangs, refuses, server } from '@/test/server'
import { AgentDashboardPage } from './AgentDashboardPage'
import { BuyerDashboardPage } from './BuyerDashboardPage'
import { amountTicks } from './lib/ticks'

const account = buyer.address
const days: DayOut[] = Array.from({ length: 30 }, (_, index) => ({
  day: iso(NOW - (29 - index) * 86_400).slice(0, 10),
  deals: index === 20 ? 2 : 0,
  units: index === 20 ? '12500000' : '0',
}))

const earned: EarnedDayOut[] = days.map((one, index) => ({
  ...one,
  sales: index === 20 ? 3 : 0,
  sales_units: index === 20 ? '300000' : '0',
}))

const buying: BuyerDashboardOut = {
  account,
  pool_units: '5000000',
  pool_free_units: '3700000',
  pool_reserved_units: '900000',
  escrow_units: '12000000',
  escrows: 1,
  collectable_units: '0',
  spent_7_units: '0',
  spent_30_units: '12500000',
  days,
  tasks: [
    { state: 'delivered', count: 1 },
    { state: 'completed', count: 4 },
  ],
  waiting: [
    { step: 'review', task_id: 't1', deal_id: 'd1', title: 'Sales of March', units: '300000', due: iso(NOW + 90) },
    { step: 'dispute', task_id: 't2', deal_id: 'd2', title: 'Logos', units: '20000000', due: iso(NOW + 9000) },
    { step: 'award', task_id: 't3', deal_id: null, title: 'Words', units: '1000000', due: null },
  ],
}

const working: AgentDashboardOut = {
  account,
  slug: 'tabula',
  name: 'Tabula',
  earned_7_units: '0',
  earned_30_units: '12500000',
  sales_7_units: '0',
  sales_30_units: '300000',
  days: earned,
  collectable_units: '1500000',
  owed_units: '400000',
  owed_channels: 1,
  settles_at: iso(NOW + 600),
  running: 3,
  capacity: 10,
  deals: [{ state: 'running', count: 3 }],
  standing: {
    score: 8_005,
    epoch: 7,
    ended_at: iso(NOW - 3600),
    forecast: [{ days: 30, score: 2_500 }],
    last_failure: null,
  },
  breaker: { id: account, kind: 'agent', state: 'open', failures: 5, retry_at: iso(NOW + 2), updated_at: iso(NOW) },
  bids_decided: 8,
  bids_won: 6,
  win_rate_bps: 7_500,
  waiting: [
    { step: 'deliver', task_id: 't1', deal_id: 'd1', title: 'Sales of March', units: '300000', due: iso(NOW + 90) },
    { step: 'show_bid', task_id: 't4', deal_id: null, title: 'Sealed', units: null, due: iso(NOW + 300) },
  ],
}

const signedIn = () => server.use(answers('/auth/session', session))
const figure = async (label: string) => (await screen.findByText(label)).closest('div')

describe('BuyerDashboardPage', () => {
  it('shows where the money is and what waits, due first, each leading to its page', async () => {
    signedIn()
    server.use(answers(`/buyer/${account}/dashboard`, buying))
    await show(<BuyerDashboardPage />, { connected: true })
    expect(await figure('In pools')).toHaveTextContent('3.70 USDC free, 0.90 USDC in flight')
    expect(await figure('In escrow')).toHaveTextContent('1 open escrow')
    expect(await figure('Spent in 7 days')).toHaveTextContent('12.50 USDC in 30 days')
    expect(await figure('Waiting for you')).toHaveTextContent('2steps')
    const rows = within(screen.getByRole('list', { name: 'Waiting, due first' })).getAllByRole('listitem')
    expect(rows.map((row) => within(row).getByRole('link').getAttribute('href'))).toEqual([
      '/deals/d1',
      '/deals/d2',
      '/tasks/t3',
    ])
    expect(rows[0]).toHaveTextContent(/Review the result/)
    expect(rows[0]).toHaveTextContent(/until silence accepts it/)
    expect(rows[2]).toHaveTextContent('no clock runs')
    expect(screen.getByRole('list', { name: 'Your tasks' })).toHaveTextContent('Delivered, in review1')
    expect(screen.getByRole('img', { name: '12.50 USDC in 30 days, on 1 of them.' })).toBeVisible()
  })

  it('counts money to collect among what waits, and leads to it', async () => {
    signedIn()
    server.use(answers(`/buyer/${account}/dashboard`, { ...buying, waiting: [], collectable_units: '2200000' }))
    await show(<BuyerDashboardPage />, { connected: true })
    expect(await figure('Waiting for you')).toHaveTextContent('1step')
    const [row] = within(screen.getByRole('list', { name: 'Waiting, due first' })).getAllByRole('listitem')
    expect(row).toHaveTextContent('2.20')
    expect(within(row as HTMLElement).getByRole('link')).toHaveAttribute('href', '/activity')
  })

  it('says that nothing waits, that it loads, and why it cannot be shown', async () => {
    signedIn()
    server.use(answers(`/buyer/${account}/dashboard`, { ...buying, waiting: [], tasks: [] }))
    const first = await show(<BuyerDashboardPage />, { connected: true })
    expect(await screen.findByText('Nothing waits for you.')).toBeVisible()
    first.unmount()
    server.use(hangs(`/buyer/${account}/dashboard`))
    const second = await show(<BuyerDashboardPage />, { connected: true })
    expect(await screen.findByText('Loading the dashboard')).toBeInTheDocument()
    second.unmount()
    server.use(refuses(`/buyer/${account}/dashboard`, 503, 'The database does not answer.'))
    await show(<BuyerDashboardPage />, { connected: true })
    expect(await screen.findByRole('alert')).toHaveTextContent('The database does not answer.')
  })

  it('asks who has not signed in to do so', async () => {
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await show(<BuyerDashboardPage />)
    expect(await screen.findByText(/dashboard is its owner/)).toBeVisible()
    expect(screen.getByRole('button', { name: 'Connect wallet' })).toBeVisible()
  })
})

describe('AgentDashboardPage', () => {
  it('shows what is earned and owed, the standing, and sealed bids without a price', async () => {
    signedIn()
    server.use(answers(`/agent/${account}/dashboard`, working))
    await show(<AgentDashboardPage />, { connected: true })
    expect(await figure('Owed, by receipts')).toHaveTextContent(/from 1 pool, settles in .* if worth its gas/)
    expect(await figure('In flight')).toHaveTextContent('3 of 107 free')
    expect(await figure('Score')).toHaveTextContent('80.05epoch 7; 25.00 in 30 days without work')
    const standing = screen.getByRole('region', { name: 'Standing' })
    expect(standing).toHaveTextContent('6 of 8, 75%')
    expect(within(standing).getByText('open')).toBeVisible()
    const rows = within(screen.getByRole('list', { name: 'Waiting, due first' })).getAllByRole('listitem')
    expect(rows[1]).toHaveTextContent('Show your bid')
    expect(rows[1]).not.toHaveTextContent('USDC')
    expect(screen.queryByRole('region', { name: 'Recovery' })).toBeNull()
  })

  it('names what was sold by x402 apart from deals', async () => {
    signedIn()
    server.use(answers(`/agent/${account}/dashboard`, working))
    await show(<AgentDashboardPage />, { connected: true })
    expect(await figure('Earned in 7 days')).toHaveTextContent('12.50 USDC in 30 days, 0.30 USDC of it by x402')
    expect(screen.getByRole('region', { name: 'Earned' })).toHaveTextContent(
      '2 deals completed. 0.30 USDC of it for 3 requests by x402.',
    )
    const table = screen.getByRole('table', { name: 'Earned, by day', hidden: true })
    expect(within(table).getAllByRole('cell', { hidden: true }).at(-1)).toHaveTextContent('0.30 USDC')
  })

  it.each([
    ['0', 0, null, 'all is settled'],
    ['400000', 2, null, 'from 2 pools, receipts are being signed'],
  ])('says of %s owed without a receipt that waits: %s', async (owed_units, owed_channels, settles_at, note) => {
    signedIn()
    server.use(answers(`/agent/${account}/dashboard`, { ...working, owed_units, owed_channels, settles_at }))
    await show(<AgentDashboardPage />, { connected: true })
    expect(await figure('Owed, by receipts')).toHaveTextContent(note)
  })

  it('leads an agent that has failed to the tasks that redeem it, until no more can be redeemed', async () => {
    const failed = (redemption_bps: number | null): AgentDashboardOut => ({
      ...working,
      standing: {
        ...working.standing,
        last_failure: {
          escrow_id: `0x${'1'.repeat(64)}`,
          outcome: 'missed',
          closed_at: iso(NOW - 7200),
          amount_units: '40000000',
          redemption_bps,
        },
      },
    })
    signedIn()
    server.use(answers(`/agent/${account}/dashboard`, failed(null)))
    const first = await show(<AgentDashboardPage />, { connected: true })
    const card = await screen.findByRole('region', { name: 'Recovery' })
    expect(card).toHaveTextContent(/Missed 2 h(ours)? ago: a deal of 40.00 USDC./)
    expect(card).toHaveTextContent('count from the next epoch on')
    expect(within(card).getByRole('link', { name: 'Open tasks of 40.00 USDC or more' })).toHaveAttribute(
      'href',
      '/auctions?from=40.00',
    )
    first.unmount()
    server.use(answers(`/agent/${account}/dashboard`, failed(1_000)))
    const second = await show(<AgentDashboardPage />, { connected: true })
    expect(await screen.findByRole('region', { name: 'Recovery' })).toHaveTextContent('Redeemed10% of 30%')
    second.unmount()
    server.use(answers(`/agent/${account}/dashboard`, failed(3_000)))
    await show(<AgentDashboardPage />, { connected: true })
    await screen.findByRole('region', { name: 'Standing' })
    expect(screen.queryByRole('region', { name: 'Recovery' })).toBeNull()
  })

  it('tells who is no agent what an agent is', async () => {
    signedIn()
    server.use(refuses(`/agent/${account}/dashboard`, 404, 'There is no such agent.'))
    await show(<AgentDashboardPage />, { connected: true })
    expect(await screen.findByText('This account is no agent yet.')).toBeVisible()
  })
})

describe('amountTicks', () => {
  it.each([
    [[0], [0, 500_000, 1_000_000]],
    [[12_500_000], [0, 5_000_000, 10_000_000, 15_000_000]],
    [[4_000_000_000], [0, 1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000]],
  ])('for %j draws lines at %j', (units, lines) => expect(amountTicks(units)).toEqual(lines))
})
