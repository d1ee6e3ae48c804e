import { screen, waitFor, within } from '@testing-library/react'
import {
  type AbiEvent,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionResult,
  getAbiItem,
  type Hex,
  numberToHex,
  UserRejectedRequestError,
  zeroHash,
} from 'viem'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { arbiterAbi, ballotState, disputePeriod } from '@/abi/generated'
import type { CaseOut } from '@/api/types'
import { disputeId } from '@/chain/appeal'
import type { Call } from '@/chain/useTx'
import { court, makeDisputed, sessionFor } from '@/test/disputes'
import { NOW, rival } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server } from '@/test/server'
import { escrowOf } from '../deals/lib/escrow'
import { JurorPage } from './JurorPage'
import { ballotAt } from './lib/ballots'
import { commitmentOf, type Seat } from './lib/court'

const sent = vi.hoisted(() => ({ calls: [] as unknown[], refuse: null as Error | null }))
vi.mock('@/chain/useTx', () => ({
  useTx: () => ({
    mutateAsync: (call: unknown) => {
      if (sent.refuse) return Promise.reject(sent.refuse)
      sent.calls.push(call)
      return Promise.resolve('0x')
    },
  }),
}))

const juror = rival.address
const disputed = await makeDisputed()
const escrow = escrowOf(disputed)
const id = disputeId(court, escrow)
const place = { arbiter: court.contracts.arbiter, juror, disputeId: id, round: 0 }

const dispute = escrow.dispute
if (!dispute || !disputed.award) throw new Error('the fixture has no dispute')
const found: CaseOut = {
  agent: disputed.agent,
  buyer: disputed.buyer,
  bid_hash: disputed.award.bid_hash,
  bids_root: disputed.award.bids_root,
  deal_id: disputed.id,
  deliverable: disputed.deliverable,
  deliverable_hash: disputed.deliverable?.deliverable_hash ?? null,
  dispute,
  dispute_id: id.toString(),
  document: disputed.document,
  escrow_id: escrow.escrow_id,
  input_files: [],
  task_hash: disputed.task_hash,
  terms: escrow.terms,
  title: disputed.title,
}

type Period = keyof typeof disputePeriod

/** A node on which the juror sits in one dispute; `final` is the period that the newest final block shows. */
function nodeOf(period: Period, state: keyof typeof ballotState, final: Period = period) {
  const disputeIn = (now: Period) => ({
    arbitrable: court.contracts.escrow,
    endsAt: NOW + 600,
    period: disputePeriod[now],
    round: 0,
    verdict: 0,
    ruling: 0,
    executed: false,
  })
  const results: Record<string, unknown> = {
    ballotOf: [`0x${'00'.repeat(25)}`, 2, 0, ballotState[state], false],
    jurorOf: [100_000_000n, 20_000_000n, 1, 120_000_000n, 0n, 0],
    balanceOf: 3_000_000n,
    stakePerSeat: 10_000_000n,
    incoherencePenalty: 3_000_000n,
    feePerSeat: 1_000_000n,
  }
  return async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    if (method === 'eth_getLogs') {
      const event = getAbiItem({ abi: arbiterAbi, name: 'JurorDrawn' }) as AbiEvent
      return [
        {
          address: court.contracts.arbiter,
          topics: encodeEventTopics({ abi: [event], args: { disputeID: id, round: 0, juror } }),
          data: encodeAbiParameters([{ type: 'uint8' }], [0]),
          blockNumber: numberToHex(900),
          blockHash: zeroHash,
          transactionHash: zeroHash,
          transactionIndex: '0x0',
          logIndex: '0x0',
          removed: false,
        },
      ]
    }
    if (method !== 'eth_call') return null
    const [{ data }, block] = params as [{ data: Hex }, string]
    const { functionName } = decodeFunctionData({ abi: arbiterAbi, data })
    const result =
      functionName === 'disputeOf' ? disputeIn(block === 'finalized' ? final : period) : results[functionName]
    return encodeFunctionResult({ abi: arbiterAbi, functionName, result } as unknown as Parameters<
      typeof encodeFunctionResult
    >[0])
  }
}

const open = (rpc: ReturnType<typeof nodeOf>) => {
  server.use(answers('/auth/session', sessionFor(juror)), answers(`/disputes/${id}`, found))
  return show(<JurorPage />, { connected: true, network: court, account: juror, rpc })
}
const press = (name: string | RegExp) => screen.findByRole('button', { name })

beforeEach(() => {
  sent.calls.length = 0
  sent.refuse = null
})

describe('a seat', () => {
  it('keeps the vote before it is sent, and sends the same one again', async () => {
    const { user, unmount } = await open(nodeOf('Commit', 'None'))
    await user.click(await screen.findByLabelText('For the agent'))
    sent.refuse = new Error('The node did not answer.')
    await user.click(await press('Commit vote'))
    await waitFor(() => expect(ballotAt(place)?.choice).toBe('agent'))
    const kept = ballotAt(place)
    unmount()
    sent.refuse = null
    const again = await open(nodeOf('Commit', 'None'))
    expect(await screen.findByLabelText('For the buyer')).toBeDisabled()
    await again.user.click(await press('Commit vote'))
    await waitFor(() => expect(sent.calls).toHaveLength(1))
    const [{ functionName, args }] = sent.calls as [Call]
    if (!kept) throw new Error('no vote was kept')
    const seat = { disputeId: id, round: 0 } as Seat
    expect([functionName, args]).toEqual(['commit', [id, commitmentOf(court, juror, seat, kept)]])
    expect(ballotAt(place)).toEqual(kept)
  })

  it('forgets a vote that was declined in the wallet', async () => {
    const { user } = await open(nodeOf('Commit', 'None'))
    await user.click(await screen.findByLabelText('For the buyer'))
    sent.refuse = new UserRejectedRequestError(new Error('no'))
    await user.click(await press('Commit vote'))
    expect(await screen.findByRole('alert')).toHaveTextContent('You declined in the wallet.')
    expect(ballotAt(place)).toBeNull()
  })

  it('is not revealed before the period is final, and then as it was kept', async () => {
    const salt: Hex = `0x${'ab'.repeat(32)}`
    const key = ['aicp.ballot', place.arbiter, juror, id.toString(16), 0].join('.').toLowerCase()
    localStorage.setItem(key, JSON.stringify({ choice: 'buyer', salt }))
    const early = await open(nodeOf('Reveal', 'Committed', 'Commit'))
    await early.user.click(await press('Reveal the vote for the buyer'))
    expect(await screen.findByRole('alert')).toHaveTextContent('not final yet')
    expect(sent.calls).toEqual([])
    early.unmount()
    const { user } = await open(nodeOf('Reveal', 'Committed'))
    await user.click(await press('Reveal the vote for the buyer'))
    await waitFor(() => expect(sent.calls).toHaveLength(1))
    expect(sent.calls[0]).toMatchObject({ functionName: 'reveal', args: [id, juror, 1, salt] })
  })

  it('says that a vote kept elsewhere cannot be revealed here', async () => {
    await open(nodeOf('Reveal', 'Committed'))
    expect(await screen.findByText(/not in this browser/)).toBeVisible()
  })

  it('shows the case it names, and a case that is not it', async () => {
    const { user, unmount } = await open(nodeOf('Commit', 'None'))
    await user.click(await press('Read the case'))
    expect(await screen.findByText('the case this dispute names')).toBeVisible()
    expect(screen.getByRole('article', { name: 'The buyer says' })).toBeVisible()
    unmount()
    const again = await open(nodeOf('Commit', 'None'))
    const document = { ...found.document, description: 'Something else.' }
    server.use(answers(`/disputes/${id}`, { ...found, document }))
    await again.user.click(await press('Read the case'))
    expect(await screen.findByText('The task is not the one its hash was made of.')).toBeVisible()
  })
})

describe('a stake', () => {
  it('is shown with its rewards, and staked by exactly two transactions', async () => {
    const { user } = await open(nodeOf('Commit', 'None'))
    const card = await screen.findByRole('region', { name: 'Your stake as a juror' })
    expect(await within(card).findByText('120.00')).toBeVisible()
    await user.click(within(card).getByRole('button', { name: 'Stake' }))
    expect(await within(card).findByText('Write an amount, such as 100.')).toBeVisible()
    await user.type(within(card).getByLabelText('Stake'), '50')
    await user.click(within(card).getByRole('button', { name: 'Stake' }))
    await waitFor(() => expect(sent.calls).toHaveLength(2))
    expect(sent.calls.map((call) => (call as Call).functionName)).toEqual(['approve', 'stake'])
    expect((sent.calls[0] as Call).args).toEqual([court.contracts.arbiter, 50_000_000n])
  })
})
