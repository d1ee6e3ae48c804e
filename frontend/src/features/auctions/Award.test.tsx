import { screen, waitFor, within } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'
import type { TaskOut } from '@/api/types'
import type { Auction } from '@/chain/auction'
import { DEFAULT_WEIGHTS } from '@/chain/awarding'
import { signedBy } from '@/chain/signatures'
import { taskOrderMessage } from '@/chain/typedData'
import { openBid, orderedAuction, ruledAuction, sealedAuction, taskWith } from '@/test/auctions'
import { agent, buyer, iso, NOW, network, rival, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server, takes } from '@/test/server'
import { signs } from '@/test/wallet'
import { AuctionPage } from './AuctionPage'

const ruled = await ruledAuction()
const sealed = await sealedAuction()
const ordered = await orderedAuction()
const at = { path: '/tasks/:taskId', at: `/tasks/${ruled.task.id}` }

function serve({ task, bids, commits, awards, record, order }: Auction) {
  server.use(
    refuses('/auth/session', 401, 'Sign in first.'),
    answers(`/tasks/${task.id}`, task),
    answers(`/tasks/${task.id}/bids`, bids),
    answers(`/tasks/${task.id}/commits`, commits),
    answers(`/tasks/${task.id}/awards`, awards),
    answers(`/tasks/${task.id}/award/record`, record),
    answers(`/tasks/${task.id}/order`, order),
    answers(`/tasks/${task.id}/history`, [
      { source: null, target: 'open', reason: 'posted', evidence: {}, at: iso(NOW - 30) },
      { source: 'open', target: 'awarded', reason: 'awarded by the rule', evidence: {}, at: iso(NOW - 10) },
    ]),
  )
}

const card = () => screen.findByRole('region', { name: 'The award' })

describe('an award by the rule', () => {
  it('shows how each bid scored and why others did not count', async () => {
    serve(ruled)
    await show(<AuctionPage />, at)
    const region = await card()
    expect(await within(region).findByText('The published rule chose the winner.')).toBeVisible()
    expect(region).toHaveTextContent("An earlier award ended with nothing paid; it was the next bid's turn.")
    const rows = within(await within(region).findByRole('list', { name: 'Bids by points' })).getAllByRole('listitem')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toHaveTextContent(/Tabula.*won.*23\.10.*points/)
    expect(rows[0]).toHaveTextContent('Price24.00 USDC +1.60')
    expect(region).toHaveTextContent('Not counted: Columnar, awarded before, and not paid.')
    expect(region).toHaveTextContent('Not counted: Third, withdrawn by its agent.')
    expect(region).toHaveTextContent(`aicp award verify ${ruled.task.id} --rpc`)
  })

  it.each([
    ['by the rule', ruled, /applied to the signed bids, gives this winner/],
    ['of sealed bids', sealed, /2 of them shown as committed/],
    ['within a signed price', ordered, /this was the first within it/],
  ])('%s is computed again in the page', async (_name, auction, sentence) => {
    serve(auction)
    const { user } = await show(<AuctionPage />, at)
    await user.click(await screen.findByRole('button', { name: 'Recompute' }))
    expect(await screen.findByText(sentence)).toBeVisible()
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('that does not follow is called so', async () => {
    serve({ ...ruled, bids: ruled.bids.slice(1) })
    const { user } = await show(<AuctionPage />, at)
    await user.click(await screen.findByRole('button', { name: 'Recompute' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('The award does not follow from what was signed.')
    expect(screen.getByRole('alert')).toHaveTextContent('a bid that was taken is not shown')
  })

  it('has its history, bids and moves as they came', async () => {
    serve(ruled)
    await show(<AuctionPage />, at)
    const list = await screen.findByRole('list', { name: 'History' })
    expect(
      within(list)
        .getAllByRole('listitem')
        .map((item) => item.firstChild?.textContent),
    ).toEqual([
      'Posted.',
      'Tabula bid 24.00 USDC (no. 1).',
      'Columnar bid 20.00 USDC (no. 2).',
      'Third bid 9.00 USDC (no. 3), withdrawn since.',
      'Awarded: awarded by the rule.',
    ])
  })
})

describe('an auction by rule that runs', () => {
  const running = taskWith({
    award_weights: DEFAULT_WEIGHTS,
    reserve_units: '20000000',
    buyer_record: { decided: 4, rejected: 1, rejected_bps: 2500 },
  })

  async function open(task: TaskOut, reader = buyer) {
    const bids = [
      await openBid(task, { signer: rival, name: 'Columnar', amount: '20000000', seq: 2 }),
      await openBid(task, { signer: agent, name: 'Tabula', amount: '24000000', seq: 1 }),
    ]
    serve({ task, bids, commits: [], awards: [], record: null, order: null })
    server.use(answers('/auth/session', { ...session, address: reader.address }), signs(reader))
    return show(<AuctionPage />, { ...at, connected: true, account: reader.address })
  }

  it('tells its weights, reserve price and how the buyer judges', async () => {
    await open(running, rival)
    const region = await screen.findByRole('region', { name: 'The auction' })
    expect(region).toHaveTextContent('by the published rule')
    expect(region).toHaveTextContent('Price: cheaper is better40%')
    expect(region).toHaveTextContent('Reserve price: the rule takes nothing above20.00 USDC')
    expect(screen.getByRole('region', { name: 'The task' })).toHaveTextContent('1 of 4 (25%)')
  })

  it('is awarded by the rule at a word of the buyer, who chooses only where the rule finds none', async () => {
    const seen = vi.fn()
    const { user, unmount } = await open(running)
    server.use(takes(`/tasks/${running.id}/award`, { deal_id: 'd1', bid_hash: '0x' }, seen))
    await screen.findByRole('list', { name: 'Bids, best first' })
    expect(screen.queryByRole('button', { name: /^Award to/ })).toBeNull()
    await user.click(screen.getByRole('button', { name: 'Award by the rule' }))
    await waitFor(() => expect(seen).toHaveBeenCalledWith({ bid_hash: null }))
    expect(await screen.findByText('another page')).toBeVisible()
    unmount()
    await open({ ...running, auction_ends_at: iso(NOW - 5) })
    expect(await screen.findAllByRole('button', { name: /^Award to/ })).toHaveLength(2)
  })

  it('lets an agent take back its bid, and nobody else', async () => {
    const seen = vi.fn()
    const { user } = await open(running, agent)
    const bid = await openBid(running, { signer: agent, name: 'Tabula', amount: '24000000', seq: 1 })
    server.use(takes(`/tasks/${running.id}/bids/${bid.bid_hash}/withdraw`, bid, seen))
    await screen.findByRole('list', { name: 'Bids, best first' })
    const [button, ...others] = screen.getAllByRole('button', { name: 'Withdraw' })
    expect(others).toEqual([])
    await user.click(button as HTMLElement)
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
  })

  it('keeps rows in place while one is pointed at', async () => {
    const { user, client } = await open(running)
    const list = await screen.findByRole('list', { name: 'Bids, best first' })
    await user.hover(within(list).getAllByRole('listitem')[0] as HTMLElement)
    const fresh = await openBid(running, { signer: buyer, name: 'Fresh', amount: '1000000', seq: 3 })
    client.setQueryData(['bids', running.id], (old: unknown[]) => [fresh, ...old])
    const notice = await screen.findByRole('button', { name: '1 new bid, show' })
    expect(within(list).getAllByRole('listitem')[0]).toHaveTextContent('Columnar')
    await user.click(notice)
    expect(within(list).getAllByRole('listitem')[0]).toHaveTextContent('Fresh')
  })
})

describe('a buy-now price', () => {
  const unsigned = taskWith({ buy_now_units: '20000000' })

  async function open(task: TaskOut, reader: typeof buyer, state: object | null = null) {
    serve({ task, bids: [], commits: [], awards: [], record: null, order: null })
    server.use(answers('/auth/session', { ...session, address: reader.address }), signs(reader))
    const place = { pathname: `/tasks/${task.id}`, state }
    return show(<AuctionPage />, { path: '/tasks/:taskId', at: place, connected: true, account: reader.address })
  }

  it('is asked to be signed right after posting, once, for the price in the document', async () => {
    const seen = vi.fn()
    const { user } = await open(unsigned, buyer, { signOrder: unsigned.id })
    server.use(takes(`/tasks/${unsigned.id}/order`, {}, seen))
    const sheet = await screen.findByRole('dialog', { name: 'Buy now at 20.00 USDC' })
    await user.click(within(sheet).getByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = seen.mock.calls[0]?.[0] as { max_units: string; valid_until: number; salt: string; signature: string }
    const message = taskOrderMessage(unsigned.task_hash, { ...body, buyer: buyer.address })
    expect(body.max_units).toBe('20000000')
    expect(await signedBy('TaskOrder', network, message, body.signature, buyer.address)).toBe(true)
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it('is not signed where the document names another one', async () => {
    const { user } = await open({ ...unsigned, buy_now_units: '25000000' }, buyer)
    await user.click(await screen.findByRole('button', { name: 'Sign the buy-now price' }))
    expect(await screen.findByText('The task document names another buy-now price.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Sign in wallet' })).toBeDisabled()
  })

  it('wins at once for an agent that bids at it', async () => {
    const seen = vi.fn()
    const task = { ...unsigned, buy_now_signed: true, document: null }
    const { user } = await open(task, agent)
    server.use(takes(`/tasks/${task.id}/bids`, {}, seen))
    await user.click(await screen.findByRole('button', { name: 'Bid 20.00 USDC and win now' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({ amount_units: '20000000', eta_seconds: 3600, escrow_only: false })
  })
})
