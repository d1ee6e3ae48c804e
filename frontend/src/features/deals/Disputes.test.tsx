import { act, screen, waitFor, within } from '@testing-library/react'
import type { UserEvent } from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { type Hex, hashTypedData } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { describe, expect, it, vi } from 'vitest'
import { keys } from '@/api/keys'
import type { DealOut } from '@/api/types'
import { commentHash, type EvidenceParts, evidenceHash } from '@/chain/evidence'
import { bondNonce, digest, type Message, type MessageName } from '@/chain/typedData'
import {
  court,
  FEE,
  makeAnswering,
  makeChallenged,
  makeDisputed,
  makeRuled,
  makeSubmitted,
  offerOfAgent,
  sessionFor,
  verifier,
} from '@/test/disputes'
import { agent, buyer, NOW, timeline, withHeld } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { signs, type TypedData } from '@/test/wallet'
import { DealPage } from './DealPage'

// whole journeys, two signatures long: a loaded machine needs more than the usual five seconds
vi.setConfig({ testTimeout: 20_000 })

async function open(deal: DealOut, reader: PrivateKeyAccount = buyer, asked: TypedData[] = []) {
  server.use(
    answers('/auth/session', sessionFor(reader.address)),
    answers(`/deals/${deal.id}`, deal),
    answers(`/deals/${deal.id}/timeline`, timeline),
    answers(`/accounts/${reader.address}/balances`, withHeld('escrow', '5000000')),
    signs(reader, asked),
  )
  return show(<DealPage />, {
    path: '/deals/:dealId',
    at: `/deals/${deal.id}`,
    connected: true,
    network: court,
    account: reader.address,
  })
}

const escrowIdOf = (deal: DealOut) => deal.escrow?.escrow_id ?? ''
const sheet = (name: RegExp | string) => screen.findByRole('dialog', { name })
const signIn = async (user: UserEvent, name: RegExp | string) => {
  const dialog = await sheet(name)
  await user.click(within(dialog).getByRole('button', { name: 'Sign in wallet' }))
}
/** The digest of what the wallet was handed. */
const handed = (data: TypedData | undefined) => hashTypedData(data as unknown as Parameters<typeof hashTypedData>[0])
const expected = (name: MessageName, message: Message) => digest(name, court, message)
const bodyOf = (seen: ReturnType<typeof vi.fn>) => seen.mock.calls[0]?.[0] as Record<string, never>

describe('dispute dialog', () => {
  const fill = async (user: UserEvent, claim = 'Half of it is missing.') => {
    await user.click(await screen.findByRole('button', { name: 'Dispute result' }))
    await user.click(screen.getByLabelText('What is wrong with the result'))
    await user.paste(claim)
  }

  it('says what the bond costs and how it can go, in amounts', async () => {
    const { user } = await open(await makeSubmitted())
    await user.click(await screen.findByRole('button', { name: 'Dispute result' }))
    const dialog = await sheet('Dispute the result')
    const ways = within(dialog).getByRole('region', { name: 'How it can go' })
    expect(within(dialog).getByText('Your bond').parentElement).toHaveTextContent('3.00 USDC')
    expect(ways).toHaveTextContent('1. The agent does not answer in time')
    expect(ways).toHaveTextContent('2. The agent answers and pays the arbiter')
    expect(ways).toHaveTextContent('24.00 USDC go back to you.')
    expect(ways).toHaveTextContent("The agent's stake for this deal, 4.80 USDC, is lost; 2.40 USDC of it go to you.")
    expect(ways).toHaveTextContent('23.40 USDC go to the agent: 24.00 USDC less the marketplace fee.')
    expect(ways).toHaveTextContent('The bond is halved too: 1.50 USDC and 1.50 USDC.')
  })

  it('signs the words and files shown, then exactly the bond shown, and sends both', async () => {
    const deal = await makeSubmitted()
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, buyer, asked)
    const sha256 = `0x${'9'.repeat(64)}`
    vi.spyOn(crypto.subtle, 'digest').mockResolvedValue(new Uint8Array(32).fill(0x99).buffer)
    server.use(
      http.post('http://localhost:8000/api/v1/files', () =>
        HttpResponse.json({ sha256, name: 'proof.csv', size: 4, media_type: 'text/csv' }),
      ),
      takes(`/deals/${deal.id}/dispute`, await makeChallenged(), seen),
    )
    await fill(user)
    await user.upload(screen.getByLabelText('Evidence files'), new File(['a,b\n'], 'proof.csv'))
    await user.click(screen.getByRole('radio', { name: /^Your wallet/ }))
    await user.click(screen.getByRole('button', { name: 'Sign and dispute' }))
    await waitFor(() => expect(screen.getByText('What you say')).toBeVisible())
    expect(screen.getByText('Half of it is missing.', { selector: 'dd span' })).toBeVisible()
    expect(screen.getByText('proof.csv (4 B)')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Sign in wallet' }))
    await signIn(user, 'Bond of 3.00 USDC')
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = bodyOf(seen) as unknown as {
      evidence: Omit<EvidenceParts, 'escrowId' | 'party'>
      evidence_hash: string
      valid_until: number
      signature: Hex
      bond: { value_units: string; valid_before: number; signature: Hex }
    }
    const escrowId = escrowIdOf(deal)
    const said: EvidenceParts = { ...body.evidence, escrowId, party: buyer.address }
    expect(said).toMatchObject({ claim: 'Half of it is missing.', files: [{ name: 'proof.csv', sha256 }] })
    const dispute = { escrowId, evidenceHash: evidenceHash(said), validUntil: body.valid_until }
    expect(body.evidence_hash).toBe(dispute.evidenceHash)
    expect(handed(asked[0])).toBe(expected('Dispute', dispute))
    const bond = {
      from: buyer.address,
      to: court.contracts.escrow,
      value: BigInt(FEE),
      validAfter: 0n,
      validBefore: BigInt(body.bond.valid_before),
      nonce: bondNonce(escrowId as Hex, buyer.address),
    }
    expect(body.bond.value_units).toBe(FEE)
    expect(handed(asked[1])).toBe(expected('ReceiveWithAuthorization', bond))
    expect(asked).toHaveLength(2)
    expect(body.bond.valid_before).toBeLessThanOrEqual(NOW + 600)
    // the deal moved on, so the dialog is gone and the panel is there
    expect(await screen.findByTestId('dispute-panel')).toBeVisible()
    expect(screen.queryByRole('dialog')).toBeNull()
  })

  it('shows a fee that has changed again instead of signing it', async () => {
    const deal = await makeSubmitted()
    const asked: TypedData[] = []
    const { user } = await open(deal, buyer, asked)
    await fill(user)
    const dearer = { ...deal, escrow: deal.escrow && { ...deal.escrow, dispute_fee_units: '4000000' } }
    server.use(answers(`/deals/${deal.id}`, dearer))
    await user.click(screen.getByRole('button', { name: 'Sign and dispute' }))
    expect(await screen.findByText(/fee has changed from 3.00 USDC to 4.00 USDC/)).toBeVisible()
    expect(screen.getByText('Your bond').parentElement).toHaveTextContent('4.00 USDC')
    expect(screen.getByLabelText('What is wrong with the result')).toHaveValue('Half of it is missing.')
    expect(screen.queryByRole('button', { name: 'Sign in wallet' })).toBeNull()
    expect(asked).toEqual([])
  })

  it('closes the sheet when the fee changes under it', async () => {
    const deal = await makeSubmitted()
    const { user, client } = await open(deal)
    await fill(user)
    await user.click(screen.getByRole('button', { name: 'Sign and dispute' }))
    await screen.findByRole('button', { name: 'Sign in wallet' })
    const dearer = { ...deal, escrow: deal.escrow && { ...deal.escrow, dispute_fee_units: '4000000' } }
    act(() => client.setQueryData(keys.deal(deal.id), dearer))
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Sign in wallet' })).toBeNull())
    expect(screen.getByText('Your bond').parentElement).toHaveTextContent('4.00 USDC')
  })

  it('does not send a dispute signed at a fee that changed while the wallet was open', async () => {
    const deal = await makeSubmitted()
    const asked: TypedData[] = []
    const { user } = await open(deal, buyer, asked)
    await fill(user)
    await user.click(screen.getByRole('button', { name: 'Sign and dispute' }))
    await screen.findByRole('button', { name: 'Sign in wallet' })
    const dearer = { ...deal, escrow: deal.escrow && { ...deal.escrow, dispute_fee_units: '4000000' } }
    server.use(answers(`/deals/${deal.id}`, dearer))
    await user.click(screen.getByRole('button', { name: 'Sign in wallet' }))
    // no handler takes a dispute: sending one would fail the test
    expect(await screen.findByText(/nothing was sent/)).toBeVisible()
    expect(asked).toHaveLength(1)
  })

  it('asks for words before anything else', async () => {
    const { user } = await open(await makeSubmitted())
    await fill(user, ' ')
    await user.click(screen.getByRole('button', { name: 'Sign and dispute' }))
    expect(await screen.findByText('Say what it is about.')).toBeVisible()
  })

  it.each([
    [{ arbiter_can_rule: false }, /too few jurors/],
    [{ dispute_fee_units: null }, /fee is not known/],
  ])('warns of %o', async (changes, sentence) => {
    const deal = await makeSubmitted()
    const { user } = await open({ ...deal, escrow: deal.escrow && { ...deal.escrow, ...changes } })
    await user.click(await screen.findByRole('button', { name: 'Dispute result' }))
    expect(await screen.findByText(sentence)).toBeVisible()
  })
})

describe('dispute panel', () => {
  it('shows who says what, checked against the hash on chain, and how it ends if nobody acts', async () => {
    await open(await makeChallenged())
    const panel = await screen.findByTestId('dispute-panel')
    const said = within(panel).getByRole('article', { name: 'The buyer says' })
    expect(within(said).getByText('matches the hash on chain')).toBeVisible()
    expect(within(said).getByRole('button', { name: 'Download missing.csv' })).toBeEnabled()
    expect(within(panel).getByText('If the agent does not answer')).toBeVisible()
    expect(panel).toHaveTextContent('24.00 USDC go back to you.')
    expect(within(panel).getByText(/time left/)).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Answer the dispute' })).toBeNull()
  })

  it('says so when words are not the ones of the hash', async () => {
    const deal = structuredClone(await makeChallenged())
    const said = deal.escrow?.dispute?.evidence[0]
    if (said) said.claim = 'All is well.'
    await open(deal)
    expect(await screen.findByText('hash differs')).toBeVisible()
    expect(screen.queryByText('matches the hash on chain')).toBeNull()
  })

  it("shows the arbiter's period and round, and halves if there is no ruling", async () => {
    await open(await makeDisputed())
    const panel = await screen.findByTestId('dispute-panel')
    const current = within(panel)
      .getAllByRole('listitem')
      .filter((item) => item.getAttribute('aria-current') === 'step')
    expect(current.map((item) => item.textContent).join()).toMatch(
      /The arbiter decides.*Sealed votes.*This is the second panel, after an appeal\./s,
    )
    expect(panel).toHaveTextContent('If there is no ruling')
    expect(panel).toHaveTextContent('12.00 USDC go to you, 12.00 USDC to the agent (less the fee on it).')
  })

  it('keeps what has passed of a period apart from what is left of it', async () => {
    await open(await makeDisputed())
    const panel = await screen.findByTestId('dispute-panel')
    expect(panel).toHaveTextContent(/Sealed votes, now\d+ \w+ ago · time left: 0\d:\d\d/)
  })

  it('shows the clock of the check while it runs only', async () => {
    const checking = await open(await makeSubmitted())
    expect(await screen.findByText('Time to check ends')).toBeVisible()
    checking.unmount()
    const deal = await makeDisputed()
    await open({ ...deal, escrow: deal.escrow && { ...deal.escrow, challenge_ends_at: NOW + 600 } })
    await screen.findByTestId('dispute-panel')
    expect(screen.queryByText('Time to check ends')).toBeNull()
  })

  it('puts the ruling into words, and what it paid', async () => {
    await open(await makeRuled())
    const panel = await screen.findByTestId('dispute-panel')
    expect(panel).toHaveTextContent('The arbiter ruled for the buyer.')
    expect(panel).toHaveTextContent('The escrow paid 24.00 USDC to the buyer.')
    expect(panel).toHaveTextContent('The bond went: 3.00 USDC to the buyer.')
    expect(panel).not.toHaveTextContent('If there is no ruling')
  })
})

describe('what happens now', () => {
  it('has each sentence once, read out when it changes, and never the clocks beside it', async () => {
    await open(await makeSubmitted())
    const [sentence, ...more] = await screen.findAllByText('The buyer checks the result and pays.')
    expect(more).toEqual([])
    const nearest = (element: Element | null | undefined) => element?.closest('[aria-live]')?.getAttribute('aria-live')
    expect(nearest(sentence)).toBe('polite')
    expect(nearest(screen.getAllByText(/Time left/)[0])).toBe('off')
    expect(nearest(screen.getByRole('button', { name: 'Release payment' }))).toBe('off')
  })

  it.each([
    ['buyer', buyer, 'You won the dispute: the money is yours again.', 'bg-ok-soft'],
    ['agent', agent, 'You lost the dispute: the money went back to the buyer.', 'bg-warn-soft'],
  ])('says how a dispute ended from the side of the %s', async (_, reader, sentence, tone) => {
    const deal = await makeRuled()
    await open({ ...deal, ended_reason: 'escrow closed: lost' }, reader)
    const notice = (await screen.findByText(sentence)).closest('div') as HTMLElement
    expect(notice).toHaveClass(tone)
    const rating = screen.queryByTestId('action-rate')
    if (reader === buyer) expect(notice.compareDocumentPosition(rating as Node)).toBe(Node.DOCUMENT_POSITION_FOLLOWING)
    expect(screen.queryByText(/escrow closed/i)).toBeNull()
  })
})

describe('answer of the agent', () => {
  it('is not asked for again while it is on its way', async () => {
    const deal = await makeChallenged()
    const last_intent = { id: 'i', kind: 'respond', state: 'sent', tx_hash: null, error_code: null }
    await open({ ...deal, last_intent }, agent)
    expect(await screen.findByText('Signed; it is on its way to the chain.')).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Answer the dispute' })).toBeNull()
    expect(screen.getByRole('button', { name: 'Give the money back' })).toBeEnabled()
  })

  it('is signed without words too, the fee from the balance', async () => {
    const deal = await makeChallenged()
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, agent, asked)
    server.use(takes(`/deals/${deal.id}/response`, await makeDisputed(), seen))
    await user.click(await screen.findByRole('button', { name: 'Answer the dispute' }))
    expect(await screen.findByText(/it is spent in any case/)).toHaveTextContent('bond of 3.00 USDC is yours')
    await waitFor(() => expect(screen.getByRole('radio', { name: /^Your balance/ })).toBeChecked())
    await user.click(screen.getByRole('button', { name: 'Sign and answer' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const { valid_until: validUntil } = bodyOf(seen) as unknown as { valid_until: number }
    expect(bodyOf(seen)).toMatchObject({ evidence: null, bond: null, escrow_id: escrowIdOf(deal) })
    expect(asked.map(handed)).toEqual([expected('Response', { escrowId: escrowIdOf(deal), validUntil })])
  })
})

describe('division', () => {
  it('offers what is typed, the rest to the buyer', async () => {
    const deal = await makeSubmitted()
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, buyer, asked)
    server.use(takes(`/deals/${deal.id}/split-offers`, deal, seen))
    await user.click(await screen.findByRole('button', { name: 'Offer to divide' }))
    const amount = screen.getByLabelText('To the agent')
    expect(amount).toHaveValue('12.00')
    await user.clear(amount)
    await user.type(amount, '25')
    expect(screen.getByText('Write an amount from 0 to 24.00.')).toBeVisible()
    await user.clear(amount)
    await user.type(amount, '6.000001')
    expect(screen.getByText('Buyer gets back').parentElement).toHaveTextContent('17.999999 USDC')
    await user.click(screen.getByRole('button', { name: 'Sign the offer' }))
    await user.click(await screen.findByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = bodyOf(seen) as unknown as { valid_until: number }
    expect(body).toMatchObject({ to_provider_units: '6000001', to_client_units: '17999999' })
    const split = { escrowId: escrowIdOf(deal), toProvider: 6_000_001n, toClient: 17_999_999n }
    expect(asked.map(handed)).toEqual([expected('Split', { ...split, validUntil: body.valid_until })])
  })

  it('accepts by signing the very same parts and time', async () => {
    const base = await makeSubmitted()
    const deal = { ...base, escrow: base.escrow && { ...base.escrow, split_offers: [offerOfAgent] } }
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, buyer, asked)
    server.use(takes(`/deals/${deal.id}/split-offers/${offerOfAgent.id}/acceptance`, deal, seen))
    const list = await screen.findByRole('list', { name: 'Offers to divide' })
    expect(within(list).getByText('Offer of the agent')).toBeVisible()
    await user.click(within(list).getByRole('button', { name: 'Accept this offer' }))
    await signIn(user, 'Accept the division')
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const split = { escrowId: escrowIdOf(deal), toProvider: 8_000_000n, toClient: 16_000_000n }
    expect(asked.map(handed)).toEqual([expected('Split', { ...split, validUntil: offerOfAgent.valid_until })])
  })

  it('does not offer to sign parts that are not what is left', async () => {
    const base = await makeSubmitted()
    const odd = { ...offerOfAgent, to_client_units: '15000000' }
    const { user } = await open({ ...base, escrow: base.escrow && { ...base.escrow, split_offers: [odd] } })
    await user.click(await screen.findByRole('button', { name: 'Accept this offer' }))
    expect(await screen.findByText('The parts are not what is left in the escrow.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Sign in wallet' })).toBeDisabled()
  })
})

describe('release by signatures', () => {
  const signedByAgent = {
    role: 'agent' as const,
    signer: agent.address,
    cumulative_released_units: '24000000',
    valid_until: NOW + 500,
    signature: '0x',
    created_at: new Date().toISOString(),
  }

  it('lets the verifier read and join the signature that is there, and nothing else', async () => {
    const base = await makeSubmitted({ verifier: verifier.address })
    const deal = { ...base, escrow: base.escrow && { ...base.escrow, release_signatures: [signedByAgent] } }
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, verifier, asked)
    server.use(takes(`/deals/${deal.id}/release-signatures`, deal, seen))
    const roles = await screen.findByRole('list', { name: 'Who has signed the release' })
    expect(
      within(roles)
        .getAllByRole('listitem')
        .map((item) => /not signed/.test(item.textContent ?? '')),
    ).toEqual([true, false, true])
    for (const name of ['Release payment', 'Dispute result', 'Offer to divide', 'Give the money back'])
      expect(screen.queryByRole('button', { name })).toBeNull()
    expect(screen.getByText('file list matches the signed hash')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Sign release' }))
    await signIn(user, 'Sign the release of 24.00 USDC')
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const release = { escrowId: escrowIdOf(deal), cumulativeReleased: 24_000_000n, validUntil: NOW + 500 }
    expect(asked.map(handed)).toEqual([expected('Release', release)])
    expect(bodyOf(seen)).toMatchObject({ cumulative_released_units: '24000000', valid_until: NOW + 500 })
  })

  it('does not ask a role twice', async () => {
    const base = await makeSubmitted({ verifier: verifier.address })
    const deal = { ...base, escrow: base.escrow && { ...base.escrow, release_signatures: [signedByAgent] } }
    await open(deal, agent)
    expect(await screen.findByText(/You have signed; the release waits/)).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Sign release' })).toBeNull()
  })

  it('is not shown where nobody was named', async () => {
    await open(await makeSubmitted())
    await screen.findByRole('button', { name: 'Release payment' })
    expect(screen.queryByTestId('quorum')).toBeNull()
  })

  it('is not signed for an escrow with another verifier than the task names', async () => {
    const deal = structuredClone(await makeSubmitted({ verifier: verifier.address }))
    Object.assign(deal.document, { verifier: agent.address })
    const { user } = await open(deal, verifier)
    await user.click(await screen.findByRole('button', { name: 'Sign release' }))
    expect(await screen.findByText('The terms name a verifier that was not agreed.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Sign in wallet' })).toBeDisabled()
  })
})

describe('an answer under way', () => {
  it('is not called missing while the chain does not have it', async () => {
    await open(await makeAnswering())
    const panel = await screen.findByTestId('dispute-panel')
    expect(within(panel).getByRole('article', { name: 'The agent says' })).toBeVisible()
    expect(within(panel).queryByText(/has not answered yet/)).toBeNull()
    expect(within(panel).getByText('The agent has signed its answer; it is on its way to the chain.')).toBeVisible()
  })

  it('counts as none when its transaction came to nothing', async () => {
    const deal = await makeAnswering()
    await open({ ...deal, last_intent: deal.last_intent && { ...deal.last_intent, state: 'failed' } })
    const panel = await screen.findByTestId('dispute-panel')
    expect(within(panel).queryByText(/has not answered yet/)).toBeNull()
    expect(within(panel).getByText(/its answer is not on chain, and counts only there/)).toBeVisible()
  })
})

describe('rating', () => {
  it('signs score and comment as shown, once', async () => {
    const deal = await makeRuled()
    const asked: TypedData[] = []
    const seen = vi.fn()
    const { user } = await open(deal, buyer, asked)
    server.use(takes(`/deals/${deal.id}/rating`, { ...deal, actions: [] }, seen))
    const list = await screen.findByRole('list', { name: 'Ratings' })
    expect(within(list).getByText('The agent rated the buyer')).toBeVisible()
    expect(within(list).getByText('Hard to please.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Rate the agent' }))
    await user.click(screen.getByRole('button', { name: 'Sign the rating' }))
    expect(screen.getByText('A whole number from 0 to 100.')).toBeVisible()
    await user.type(screen.getByLabelText('Score, 0 to 100'), '87')
    await user.type(screen.getByLabelText('Comment (optional)'), 'Late, but exact.')
    await user.click(screen.getByRole('button', { name: 'Sign the rating' }))
    await signIn(user, 'Rate the agent: 87 of 100')
    await waitFor(() => expect(seen).toHaveBeenCalled())
    const body = bodyOf(seen) as unknown as { valid_until: number }
    const hash = commentHash('Late, but exact.')
    expect(body).toMatchObject({ score: 87, comment: 'Late, but exact.', comment_hash: hash })
    const rating = { escrowId: escrowIdOf(deal), score: 87, commentHash: hash, validUntil: body.valid_until }
    expect(asked.map(handed)).toEqual([expected('Rating', rating)])
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Rate the agent' })).toBeNull())
  })
})
