import { screen, waitFor, within } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import type { Hex } from 'viem'
import { describe, expect, it, vi } from 'vitest'
import type { CommitOut, TaskOut } from '@/api/types'
import { keepBid, keptBids, type Shelf, sealedBid } from '@/chain/sealedBids'
import { signedBy } from '@/chain/signatures'
import { bidMessage, commitMessage } from '@/chain/typedData'
import { sealedPair, taskWith } from '@/test/auctions'
import { agent, buyer, iso, NOW, network, rival, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { signs } from '@/test/wallet'
import { AuctionPage } from './AuctionPage'

const sealed = taskWith({ reveal_ends_at: iso(NOW + 900), bid_count: 2, best_bid_units: null })
const ended = { ...sealed, auction_ends_at: iso(NOW - 10) }
const own = await sealedPair(sealed, { signer: agent, name: 'Tabula', amount: '24000000', seq: 1 })
const other = await sealedPair(sealed, { signer: rival, name: 'Columnar', amount: '20000000', seq: 2 })
const hidden = (commit: CommitOut): CommitOut => ({ ...commit, revealed: false })
const shelf: Shelf = { network, account: agent.address, taskId: sealed.id }

async function open(
  task: TaskOut,
  reader: typeof agent,
  commits: CommitOut[] = [hidden(own.commit), hidden(other.commit)],
) {
  server.use(
    answers('/auth/session', { ...session, address: reader.address }),
    answers(`/tasks/${task.id}`, task),
    answers(`/tasks/${task.id}/bids`, []),
    answers(`/tasks/${task.id}/commits`, commits),
    answers(`/tasks/${task.id}/history`, []),
    signs(reader),
  )
  const at = `/tasks/${task.id}`
  return show(<AuctionPage />, { path: '/tasks/:taskId', at, connected: true, account: reader.address })
}

const sealBid = async (user: Awaited<ReturnType<typeof open>>['user'], price: string) => {
  await user.type(await screen.findByLabelText('Your price'), price)
  await user.click(screen.getByRole('button', { name: 'Seal the bid' }))
}

describe('a sealed auction', () => {
  it('tells how many bids there are and until when, never what they hide', async () => {
    await open(sealed, buyer)
    const card = await screen.findByRole('region', { name: 'Sealed bids' })
    expect(card).toHaveTextContent('2 sealed. The auction ends in')
    expect(card).toHaveTextContent('then bids are shown for 10 min')
    expect(within(card).getAllByText('sealed')).toHaveLength(2)
    expect(screen.queryByRole('button', { name: /Award/ })).toBeNull()
    expect(screen.queryByLabelText('Your price')).toBeNull()
  })

  it('keeps a bid in the browser before its commit is signed, and sends only its hash', async () => {
    const seen = vi.fn()
    const { user } = await open(sealed, agent, [])
    server.use(takes(`/tasks/${sealed.id}/commits`, own.commit, seen))
    await sealBid(user, '24')
    const sheet = await screen.findByRole('dialog', { name: 'Seal the bid' })
    const [kept] = keptBids(shelf)
    if (!kept) throw new Error('nothing was kept')
    expect(kept).toMatchObject({ amount_units: '24000000', eta_seconds: 3600, agent: agent.address })
    expect(kept.valid_until).toBeGreaterThan(NOW + 900)
    await user.click(within(sheet).getByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = seen.mock.calls[0]?.[0] as { commitment: string; valid_until: number; signature: string }
    expect(JSON.stringify(body)).not.toContain('24000000')
    expect(sealedBid(shelf, sealed.task_hash, kept).bid_hash).toBe(kept.bid_hash)
    const message = commitMessage(sealed.task_hash, body.commitment, body.valid_until)
    expect(await signedBy('BidCommit', network, message, body.signature, agent.address)).toBe(true)
    expect(keptBids(shelf)).toHaveLength(1)
  })

  it('forgets a bid whose sheet was closed, and keeps one whose sending failed', async () => {
    const { user } = await open(sealed, agent, [])
    await sealBid(user, '24')
    await user.click(await screen.findByRole('button', { name: 'Cancel' }))
    await waitFor(() => expect(keptBids(shelf)).toEqual([]))
    server.use(http.post(`http://localhost:8000/api/v1/tasks/${sealed.id}/commits`, () => HttpResponse.error()))
    await user.click(screen.getByRole('button', { name: 'Seal the bid' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    // no answer came back: the commit may have arrived
    await screen.findByRole('alert')
    expect(keptBids(shelf)).toHaveLength(1)
  })

  it.each(['', '0', '26', '1e3'])('does not seal a price of %j', async (price) => {
    const { user } = await open(sealed, agent, [])
    if (price) await user.type(await screen.findByLabelText('Your price'), price)
    await user.click(await screen.findByRole('button', { name: 'Seal the bid' }))
    expect(screen.getByLabelText('Your price')).toBeInvalid()
    expect(localStorage.length).toBe(1)
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it('shows the kept bid after the end with the signature of the very bid', async () => {
    const kept = sealedBid(shelf, sealed.task_hash, own.bid)
    keepBid(shelf, kept)
    const seen = vi.fn()
    const { user } = await open(ended, agent)
    server.use(takes(`/tasks/${sealed.id}/commits/${own.commit.bid_hash}/reveal`, own.bid, seen))
    const card = await screen.findByRole('region', { name: 'Sealed bids' })
    expect(card).toHaveTextContent('0 of 2 shown. Time left to show')
    await user.click(await within(card).findByRole('button', { name: 'Show the bid' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = seen.mock.calls[0]?.[0] as { signature: string; salt: Hex; amount_units: string }
    expect(body).toMatchObject({ amount_units: '24000000', salt: own.bid.salt })
    const message = bidMessage(sealed.task_hash, own.bid)
    expect(await signedBy('Bid', network, message, body.signature, agent.address)).toBe(true)
  })

  it('says what is lost without the bid, and takes it from its file only', async () => {
    const { user } = await open(ended, agent)
    const card = await screen.findByRole('region', { name: 'Sealed bids' })
    expect(await within(card).findByText(/This browser does not hold what this bid hides/)).toBeVisible()
    expect(within(card).queryByRole('button', { name: 'Show the bid' })).toBeNull()
    const input = within(card).getByLabelText("Load the bid's file")
    const kept = sealedBid(shelf, sealed.task_hash, own.bid)
    const file = (content: object) => new File([JSON.stringify(content)], 'bid.json', { type: 'application/json' })
    await user.upload(input, file({ ...kept, amount_units: '1' }))
    expect(await within(card).findByText(/was changed/)).toBeVisible()
    const second = sealedBid(shelf, sealed.task_hash, { ...own.bid, amount_units: '1' })
    await user.upload(input, file(second))
    expect(await within(card).findByText(/another bid of yours/)).toBeVisible()
    await user.upload(input, file(kept))
    expect(await within(card).findByRole('button', { name: 'Show the bid' })).toBeEnabled()
    expect(within(card).getByText('24.00 USDC')).toBeVisible()
  })

  it('withdraws a sealed bid by signature', async () => {
    const seen = vi.fn()
    const { user } = await open(sealed, agent)
    server.use(takes(`/tasks/${sealed.id}/commits/${own.commit.bid_hash}/withdraw`, own.commit, seen))
    await user.click(await screen.findByRole('button', { name: 'Withdraw' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = seen.mock.calls[0]?.[0] as { signature: string }
    const message = { bidHash: own.commit.bid_hash }
    expect(await signedBy('BidWithdrawal', network, message, body.signature, agent.address)).toBe(true)
  })

  it('lets the buyer choose once all bids are shown or the time is over, not before', async () => {
    const shown = { ...ended, state: 'revealing' as const }
    server.use(answers(`/tasks/${sealed.id}/bids`, [other.bid]))
    const first = await open(shown, buyer, [hidden(own.commit), other.commit])
    server.use(answers(`/tasks/${sealed.id}/bids`, [other.bid]))
    await screen.findByRole('region', { name: 'Sealed bids' })
    expect(screen.getByText(/Sealed bids are being shown/)).toBeVisible()
    expect(screen.queryByRole('button', { name: /^Award to/ })).toBeNull()
    first.unmount()
    await open(shown, buyer, [own.commit, other.commit])
    server.use(answers(`/tasks/${sealed.id}/bids`, [other.bid, own.bid]))
    expect(await screen.findAllByRole('button', { name: /^Award to/ }, { timeout: 6000 })).toHaveLength(2)
  })
})
