import { screen, waitFor, within } from '@testing-library/react'
import { type Address, type Hex, zeroHash } from 'viem'
import { describe, expect, it } from 'vitest'
import type { ReputationOut } from '@/api/types'
import { isSignedVouch, vouchMessage } from '@/chain/epochs'
import { signingRequest } from '@/chain/typedData'
import { buyer, iso, NOW, network, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { agentOf, cards, epoch, historyOf, nodeOf, reputationOf, root, scoreFile } from '@/test/reputation'
import { answers, refuses, server, takes } from '@/test/server'
import { signs } from '@/test/wallet'
import { AgentPage } from './AgentPage'
import { RecoveryCard } from './RecoveryCard'

const [card] = cards
if (!card) throw new Error('the vectors have no agent')
const scored = reputationOf(card)
const id = card.agent
const newcomer: ReputationOut = { ...scored, score: 2_000, tier: 'new', jobs: 0, forecast: [], anchor: null }
const breaker = {
  id,
  kind: 'agent',
  state: 'open',
  failures: 5,
  retry_at: iso(NOW + 30),
  updated_at: iso(NOW - 1),
}

const visit = (reputation: ReputationOut, anchored: Hex = root, file: object = scoreFile, connected = false) => {
  server.use(
    refuses('/auth/session', 401, 'Sign in first.'),
    answers(`/agents/${id}`, agentOf(id)),
    answers(`/agents/${id}/reputation`, reputation),
    answers(`/agents/${id}/reputation/history`, {
      items: reputation.anchor ? [historyOf(card)] : [],
      next_cursor: null,
    }),
    answers(`/agents/${id}/vouches`, []),
    answers('/reputation/epochs', { items: [epoch], next_cursor: null }),
    answers('/reputation/epochs/1', file),
    answers('/circuit-breaker/health', [breaker]),
  )
  return show(<AgentPage />, {
    path: '/agents/:agentId',
    at: `/agents/${id}`,
    rpc: nodeOf(id as Address, anchored),
    connected,
  })
}
const region = (name: string) => screen.findByRole('region', { name })

describe('AgentPage', () => {
  it('proves the score against the root on the chain and computes its steps again', async () => {
    await visit(scored)
    const proof = await region('Proof')
    expect(await within(proof).findByText('proven')).toBeVisible()
    expect(proof).toHaveTextContent('The node has the same root.')
    expect(proof).toHaveTextContent(`aicp reputation verify ${id}`)
    expect(await region('Score')).toHaveTextContent('Computed again in this page')
    expect(await within(await region('History')).findByText(/got the anchored root/)).toBeVisible()
  })

  it('says why an agent is suspended, and which figures are defaults', async () => {
    const suspension = {
      reason: 'Fails every task it takes.',
      operator: id,
      since: iso(NOW - 60),
      ended_at: null,
      ended_reason: null,
      ended_by: null,
    }
    const open = visit(scored)
    server.use(answers(`/agents/${id}`, { ...agentOf(id), available: false, suspension }))
    await open
    const work = await region('Work')
    expect(work).toHaveTextContent('suspended')
    expect(work).toHaveTextContent('by the operator: Fails every task it takes.')
    expect(work).toHaveTextContent('Response time100 ms default')
  })

  it('does not call a score proven that the chain does not have', async () => {
    await visit(scored, zeroHash)
    const proof = await region('Proof')
    expect(await within(proof).findByRole('alert')).toHaveTextContent('The chain has another root')
    expect(within(proof).getByText('proof fails')).toBeVisible()
  })

  it('shows a published file that is not the anchored one', async () => {
    const [first, ...others] = scoreFile.leaves
    await visit(scored, root, { ...scoreFile, leaves: [{ ...first, score: 9_999 }, ...others] })
    expect(await within(await region('History')).findByText(/do not give this score/)).toBeVisible()
  })

  it('shows stake, what a failure cost and how far it is forgiven, from the node', async () => {
    await visit(scored)
    expect(await within(await region('Stake')).findByText('45.00')).toBeVisible()
    const decided = await region('Decided deals')
    expect(await within(decided).findByText('Missed')).toBeVisible()
    expect(decided).toHaveTextContent(
      '1.20 USDC of its stake lost: 1.00 USDC to the buyer, 0.20 USDC to the bonus pool',
    )
    expect(await region('Recovery')).toHaveTextContent('25% of 50%')
    expect(await within(await region('Work')).findByText('5 failures in a row')).toBeVisible()
  })

  it('shows what redemption tasks and vouches took off, as of the epoch that has the failure', async () => {
    const recovery = {
      escrow_id: zeroHash,
      outcome: 'missed' as const,
      closed_at: NOW - 15 * 86_400 - 60,
      amount_units: '5000000',
      time_bps: 2_500,
      redemption_ppm: 1_500_000,
      redemption_bps: 1_500,
      vouchers: 1,
      vouch_bps: 1_000,
      forgiven_bps: 5_000,
    }
    const first = await visit({ ...scored, recovery })
    const card = await region('Recovery')
    expect(within(card).queryByRole('link')).toBeNull()
    expect(card).toHaveTextContent('Redemption tasks15% of 30%')
    expect(card).toHaveTextContent('Vouches10% of 20%')
    expect(card).toHaveTextContent(
      '1.50 full witnesses with a later deal of 5.00 USDC or more, and 1 agent that vouches',
    )
    first.unmount()
    await visit({ ...scored, recovery: { ...recovery, closed_at: 1 } })
    expect(await region('Recovery')).toHaveTextContent('count from the next epoch on')
  })

  it('leads the agent itself to the tasks that redeem its failure', async () => {
    const own = { ...scored, agent: buyer.address, recovery: null }
    const recovery = {
      escrow_id: zeroHash,
      outcome: 'missed' as const,
      closed_at: NOW - 15 * 86_400 - 60,
      amount_units: '5000000',
      time_bps: 2_500,
      redemption_ppm: 0,
      redemption_bps: 0,
      vouchers: 0,
      vouch_bps: 0,
      forgiven_bps: 2_500,
    }
    const look = (reputation: ReputationOut) => {
      server.use(answers('/auth/session', session))
      const rpc = nodeOf(buyer.address, root)
      return show(<RecoveryCard agent={buyer.address} reputation={reputation} />, { rpc, connected: true })
    }
    const first = await look(own)
    expect(await screen.findByRole('link', { name: 'Your dashboard' })).toHaveAttribute('href', '/me/agent')
    first.unmount()
    const second = await look({ ...own, recovery })
    const tasks = await screen.findByRole('link', { name: 'Open tasks of 5.00 USDC or more' })
    expect(tasks).toHaveAttribute('href', '/auctions?from=5.00')
    second.unmount()
    await look({ ...own, recovery: { ...recovery, redemption_bps: 3_000 } })
    expect(await region('Recovery')).toHaveTextContent('30% of 30%')
    expect(screen.queryByRole('link')).toBeNull()
  })

  it('checks who has signed a vouch, and signs one for the reader', async () => {
    const fields = {
      voucher: buyer.address,
      agent: id,
      at_risk_units: '5000000',
      valid_from: NOW - 60,
      valid_until: NOW + 86_400,
      salt: zeroHash,
    }
    const { domain, types, primaryType, message } = signingRequest('Vouch', network, vouchMessage(fields))
    const signature = await buyer.signTypedData({ domain, types, primaryType, message } as Parameters<
      typeof buyer.signTypedData
    >[0])
    const vouch = {
      ...fields,
      vouch_hash: zeroHash,
      voucher_name: 'Lexis',
      signature,
      open: true,
      created_at: iso(NOW),
    }
    const sent: (typeof vouch)[] = []
    const shown = visit(scored, root, scoreFile, true)
    server.use(
      answers(`/agents/${id}/vouches`, [vouch, { ...vouch, vouch_hash: '0x1', at_risk_units: '6000000' }]),
      answers('/auth/session', session),
      takes(`/agents/${id}/vouches`, vouch, (body) => sent.push(body as typeof vouch)),
      signs(buyer),
    )
    const { user } = await shown
    const card = within(await region('Vouches'))
    expect(await card.findByText('signed')).toBeVisible()
    expect(card.getByText('not signed by it')).toBeVisible()
    await user.click(card.getByRole('button', { name: 'Vouch for this agent' }))
    await user.click(await card.findByRole('button', { name: 'Sign the vouch' }))
    expect(card.getByText('Write an amount such as 5 or 2.50.')).toBeVisible()
    await user.type(card.getByLabelText('At risk'), '2.5')
    await user.selectOptions(card.getByLabelText('For'), '7')
    await user.click(card.getByRole('button', { name: 'Sign the vouch' }))
    const dialog = await screen.findByRole('dialog', { name: 'Vouch with 2.50 USDC' })
    expect(dialog).toHaveTextContent('cannot be taken back')
    await user.click(within(dialog).getByRole('button', { name: 'Sign in wallet' }))
    await waitFor(() => expect(sent).toHaveLength(1))
    const [made] = sent
    if (!made) throw new Error('nothing was sent')
    expect(made.valid_until - made.valid_from).toBe(7 * 86_400)
    expect(await isSignedVouch({ ...made, voucher: buyer.address, agent: id }, network)).toBe(true)
  })

  it('starts a newcomer where everybody begins, with nothing to prove', async () => {
    await visit(newcomer)
    expect(await screen.findByTestId('score')).toHaveTextContent('20.00')
    expect(screen.getByText('nothing to prove')).toBeVisible()
    expect(screen.queryByRole('region', { name: 'If nothing more happens' })).toBeNull()
  })

  it('says when there is no such agent', async () => {
    server.use(
      refuses(`/agents/${id}`, 404, 'There is no such agent.'),
      refuses(`/agents/${id}/reputation`, 404, 'There is no such agent.'),
    )
    await show(<AgentPage />, { path: '/agents/:agentId', at: `/agents/${id}` })
    expect(await screen.findByRole('alert')).toHaveTextContent('There is no such agent.')
  })
})
