import { screen, waitFor, within } from '@testing-library/react'
import type { UserEvent } from '@testing-library/user-event'
import { decodeFunctionData, encodeFunctionData, type Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { arbiterAbi, usdcAbi } from '@/abi/generated'
import type { DealOut, DisputeOut } from '@/api/types'
import { signedBy } from '@/chain/signatures'
import { appealNonce } from '@/chain/typedData'
import type { Call } from '@/chain/useTx'
import { court, makeAppealable, makeRuled, sessionFor, verifier } from '@/test/disputes'
import { agent, balances, buyer, NOW, timeline } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { signs } from '@/test/wallet'
import { DealPage } from './DealPage'
import { escrowOf } from './lib/escrow'

const sent = vi.hoisted(() => ({ calls: [] as unknown[], refuse: null as Error | null }))
vi.mock('@/chain/useTx', () => ({
  useTx: () => ({
    isPending: false,
    mutateAsync: (call: unknown) => {
      if (sent.refuse) return Promise.reject(sent.refuse)
      sent.calls.push(call)
      return Promise.resolve('0x')
    },
  }),
}))

beforeEach(() => {
  sent.calls.length = 0
  sent.refuse = null
})

async function open(deal: DealOut, reader: PrivateKeyAccount = buyer) {
  server.use(
    answers('/auth/session', sessionFor(reader.address)),
    answers(`/deals/${deal.id}`, deal),
    answers(`/deals/${deal.id}/timeline`, timeline),
    answers(`/accounts/${reader.address}/balances`, balances),
    signs(reader),
  )
  const at = `/deals/${deal.id}`
  return show(<DealPage />, { path: '/deals/:dealId', at, connected: true, network: court, account: reader.address })
}

/** What a call does, read back from its calldata. */
const meaning = ({ abi, functionName, args, address }: Call) => {
  const { functionName: name, args: given } = decodeFunctionData({
    abi,
    data: encodeFunctionData({ abi, functionName, args }),
  })
  return [address, name, given]
}

/** Leaves the relayed way for the reader's own transactions, and sends them. */
async function sendMyself(user: UserEvent, region: HTMLElement, amount: string) {
  await user.click(within(region).getByText('Send it from your wallet instead'))
  await user.click(within(region).getByRole('button', { name: `Send ${amount} myself` }))
}

const card = () => screen.findByRole('region', { name: 'Appeal' })
/** What happens now: the first thing a reader of the page sees. */
const lead = () => screen.findByTestId('action-appeal')

type Sides = NonNullable<NonNullable<DisputeOut['appeal']>['sides']>
const CHALLENGED: Sides = [
  { role: 'buyer', required_units: '14000000', paid_units: '14000000', missing_units: '0', payable_until: null },
  {
    role: 'agent',
    required_units: '7000000',
    paid_units: '1000000',
    missing_units: '6000000',
    payable_until: NOW + 600,
  },
]

describe('an appeal', () => {
  it('says what the votes are, who has to pay how much until when, and pays exactly that', async () => {
    const deal = await makeAppealable()
    const { user } = await open(deal)
    const region = await card()
    expect(region).toHaveTextContent('Appeal against the first panel')
    expect(region).toHaveTextContent("If nobody pays for the buyer's side in time, the votes stand.")
    expect(region).toHaveTextContent('0.00 of 14.00 USDC')
    expect(region).toHaveTextContent('0.00 of 7.00 USDC')
    const rounds = screen.getByRole('region', { name: 'Rounds' })
    expect(rounds).toHaveTextContent('The first panel')
    expect(rounds).toHaveTextContent('buyer 1, agent 2 (of 3 seats)')
    expect(rounds).toHaveTextContent('The votes so far are for the agent.')
    await sendMyself(user, await lead(), '14.00 USDC')
    await waitFor(() => expect(sent.calls).toHaveLength(2))
    const id = BigInt(escrowOf(deal).dispute?.dispute_id ?? 0)
    const [approve, fund] = sent.calls as [Call, Call]
    expect([approve.abi, fund.abi]).toEqual([usdcAbi, arbiterAbi])
    expect(meaning(approve)).toEqual([court.contracts.usdc, 'approve', [expect.anything(), 14_000_000n]])
    expect(String(approve.args[0]).toLowerCase()).toBe(court.contracts.arbiter.toLowerCase())
    expect(meaning(fund)).toEqual([court.contracts.arbiter, 'fundAppeal', [id, 1, 14_000_000n]])
  })

  it('lets the agent answer a paid side until the end, for the other side of the same dispute', async () => {
    const deal = await makeAppealable({ challenged: true, sides: CHALLENGED })
    const { user, unmount } = await open(deal, agent)
    const region = await card()
    expect(region).toHaveTextContent("If nobody pays 6.00 USDC for the agent's side in time, that side loses.")
    await sendMyself(user, await lead(), '6.00 USDC')
    await waitFor(() => expect(sent.calls).toHaveLength(2))
    expect((sent.calls[1] as Call).args.slice(1)).toEqual([2, 6_000_000n])
    unmount()
    await open(deal)
    expect(await card()).toHaveTextContent('Your side is paid for.')
    expect(screen.queryByRole('button', { name: /for your side/ })).toBeNull()
  })

  it('has no button for the verifier, nor when time is over, nor while there is no appeal', async () => {
    const late = await makeAppealable()
    const sides = late.escrow?.dispute?.appeal?.sides.map((side) => ({ ...side, payable_until: NOW - 1 })) ?? []
    const { unmount } = await open(await makeAppealable({ sides }))
    await card()
    expect(screen.queryByRole('button', { name: /for your side/ })).toBeNull()
    unmount()
    const second = await open({ ...(await makeAppealable()), verifier: verifier.address }, verifier)
    await card()
    expect(screen.queryByRole('button', { name: /for your side/ })).toBeNull()
    second.unmount()
    await open(await makeRuled())
    await screen.findByTestId('dispute-panel')
    expect(screen.queryByRole('region', { name: 'Appeal' })).toBeNull()
  })

  it('sends nothing for a dispute the terms do not name, and says why a transaction was refused', async () => {
    const deal = structuredClone(await makeAppealable())
    if (deal.escrow?.dispute) deal.escrow.dispute.dispute_id = '7'
    const { user, unmount } = await open(deal)
    await sendMyself(user, await lead(), '14.00 USDC')
    expect(await screen.findByText(/The service shows another dispute than the terms name/)).toBeVisible()
    expect(sent.calls).toEqual([])
    unmount()
    sent.refuse = new Error('This side of the appeal cannot be paid for now.')
    const again = await open(await makeAppealable())
    await sendMyself(again.user, await lead(), '14.00 USDC')
    expect(await screen.findByText(/cannot be paid for now/)).toBeVisible()
  })

  it('is what happens now, before anything else, and the arbiter is not waited for meanwhile', async () => {
    await open(await makeAppealable())
    const first = await lead()
    expect(first).toHaveTextContent('The votes are against you. You can appeal: pay 14.00 USDC in time')
    expect(first).toHaveTextContent(/Time left: 0\d:\d\d/)
    const divide = screen.getByTestId('action-split')
    expect(first.compareDocumentPosition(divide)).toBe(Node.DOCUMENT_POSITION_FOLLOWING)
    expect(screen.queryByText('The arbiter decides.')).toBeNull()
    expect(screen.getAllByRole('button', { name: /for your side/ })).toHaveLength(1)
  })

  it('asks nothing of the side the votes are for, which may pay ahead below', async () => {
    const { user } = await open(await makeAppealable(), agent)
    const first = await lead()
    expect(first).toHaveTextContent('The votes are for you: you owe nothing yet.')
    expect(first).toHaveTextContent('you then have to pay 7.00 USDC too, or you lose')
    expect(within(first).queryByRole('button')).toBeNull()
    expect(within(await card()).getByRole('button', { name: 'Pay 7.00 USDC ahead' })).toBeVisible()
    await sendMyself(user, await card(), '7.00 USDC')
    await waitFor(() => expect(sent.calls).toHaveLength(2))
    expect((sent.calls[1] as Call).args.slice(1)).toEqual([2, 7_000_000n])
  })

  it('tells the side that has appealed that it waits for the other one', async () => {
    await open(await makeAppealable({ challenged: true, sides: CHALLENGED }))
    const first = await lead()
    expect(first).toHaveTextContent('Your side is paid for. If nobody pays 6.00 USDC for the agent in time, you win')
    expect(within(first).queryByRole('button')).toBeNull()
  })

  it('says what lies at the arbiter for the reader, and where it is collected without gas', async () => {
    const deal = structuredClone(await makeRuled())
    if (deal.escrow?.dispute) deal.escrow.dispute.buyer_credit_units = '14000000'
    await open(deal)
    expect(await screen.findByText('14.00 USDC lie at the arbiter for you.')).toBeVisible()
    expect(screen.getByRole('link', { name: 'Collect under Activity' })).toHaveAttribute('href', '/activity')
  })
})

describe('an appeal paid by signature', () => {
  const pay = async (deal: DealOut, reader: PrivateKeyAccount, amount: string) => {
    const seen = vi.fn()
    server.use(takes(`/deals/${deal.id}/appeal`, deal, seen))
    const view = await open(deal, reader)
    await view.user.click(within(await lead()).getByRole('button', { name: `Pay ${amount} for your side` }))
    return { seen, ...view }
  }

  it('is one authorization of exactly what is missing, bound to dispute, panel and side', async () => {
    const deal = await makeAppealable()
    const { seen, user } = await pay(deal, buyer, '14.00 USDC')
    const sheet = await screen.findByRole('dialog', { name: 'Pay 14.00 USDC for the appeal' })
    expect(sheet).toHaveTextContent("for the buyer's side of the appeal against the first panel")
    await user.click(within(sheet).getByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = seen.mock.calls[0]?.[0] as Record<string, string> & { valid_before: number }
    expect(body).toMatchObject({ escrow_id: escrowOf(deal).escrow_id, round: 0, amount_units: '14000000' })
    expect(body.valid_before).toBeLessThanOrEqual(NOW + 300)
    const id = BigInt(escrowOf(deal).dispute?.dispute_id ?? 0)
    const message = {
      from: buyer.address,
      to: court.contracts.arbiter,
      value: 14_000_000n,
      validAfter: 0n,
      validBefore: BigInt(body.valid_before),
      nonce: appealNonce(id, 0, 1, body.salt as Hex),
    }
    expect(await signedBy('ReceiveWithAuthorization', court, message, body.signature ?? '', buyer.address)).toBe(true)
    expect(sent.calls).toEqual([])
  })

  it('answers for the other side', async () => {
    const deal = await makeAppealable({ challenged: true, sides: CHALLENGED })
    const { seen, user } = await pay(deal, agent, '6.00 USDC')
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({ amount_units: '6000000', round: 0 })
  })

  it('is not signed for a wallet that is short, for another dispute, or once it is too late', async () => {
    const deal = await makeAppealable()
    server.use(answers(`/accounts/${buyer.address}/balances`, { ...balances, usdc_units: '13999999' }))
    const poor = await open(deal)
    server.use(answers(`/accounts/${buyer.address}/balances`, { ...balances, usdc_units: '13999999' }))
    await poor.user.click(within(await lead()).getByRole('button', { name: /for your side/ }))
    expect(await screen.findByText(/Your wallet holds 13.999999 USDC, 14.00 USDC are needed/)).toBeVisible()
    poor.unmount()
    const forged = structuredClone(deal)
    if (forged.escrow?.dispute) forged.escrow.dispute.dispute_id = '7'
    const { unmount } = await pay(forged, buyer, '14.00 USDC')
    expect(await screen.findByText(/The service shows another dispute than the terms name/)).toBeVisible()
    unmount()
    const view = await open(deal)
    const button = within(await lead()).getByRole('button', { name: /for your side/ })
    server.use(answers(`/deals/${deal.id}`, await makeRuled()))
    await view.user.click(button)
    expect(await screen.findByText(/Nothing can be paid for your side of an appeal now/)).toBeVisible()
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it('is waited for once it is signed', async () => {
    const deal = await makeAppealable()
    const last_intent = { id: deal.id, kind: 'appeal', state: 'sent', tx_hash: null, error_code: null }
    await open({ ...deal, last_intent })
    expect(await lead()).toHaveTextContent('A payment into the appeal is signed and on its way to the chain.')
    expect(screen.queryByRole('button', { name: /for your side/ })).toBeNull()
  })
})

describe('a ruling by default', () => {
  const ruledAgainstVotes = async () => {
    const deal = structuredClone(await makeRuled())
    const appealable = escrowOf(await makeAppealable()).dispute
    const { dispute } = escrowOf(deal)
    if (!dispute || !appealable) throw new Error('no dispute')
    dispute.rounds = appealable.rounds.map((round) => ({ ...round, buyer_appeal_units: '14000000' }))
    dispute.arbiter_round = 0
    dispute.verdict = 'agent'
    return deal
  }

  it('is explained beside the votes it goes against', async () => {
    await open(await ruledAgainstVotes())
    const panel = await screen.findByTestId('dispute-panel')
    expect(panel).toHaveTextContent(
      "The votes were for the agent. The buyer's side appealed and the agent's side was not paid for in time, so it lost.",
    )
    expect(screen.getByRole('region', { name: 'Rounds' })).toHaveTextContent(
      "Appeal against itbuyer's side 14.00 USDC, agent's side 0.00 USDC",
    )
  })

  it('is not claimed where the votes say the same', async () => {
    const deal = await ruledAgainstVotes()
    const { dispute } = escrowOf(deal)
    if (dispute) dispute.verdict = 'buyer'
    await open(deal)
    expect(await screen.findByTestId('dispute-panel')).not.toHaveTextContent('was not paid for in time')
  })
})
