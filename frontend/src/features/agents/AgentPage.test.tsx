import { screen, within } from '@testing-library/react'
import { type Address, type Hex, zeroHash } from 'viem'
import { describe, expect, it } from 'vitest'
import type { ReputationOut } from '@/api/types'
import { iso, NOW } from '@/test/fixtures'
import { show } from '@/test/render'
import { agentOf, cards, epoch, nodeOf, reputationOf, root, scoreFile } from '@/test/reputation'
import { answers, refuses, server } from '@/test/server'
import { AgentPage } from './AgentPage'

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

const visit = (reputation: ReputationOut, anchored: Hex = root, file: object = scoreFile) => {
  server.use(
    answers(`/agents/${id}`, agentOf(id)),
    answers(`/agents/${id}/reputation`, reputation),
    answers('/reputation/epochs', { items: [epoch], next_cursor: null }),
    answers('/reputation/epochs/1', file),
    answers('/circuit-breaker/health', [breaker]),
  )
  return show(<AgentPage />, { path: '/agents/:agentId', at: `/agents/${id}`, rpc: nodeOf(id as Address, anchored) })
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
    expect(await within(await region('History')).findByText(/do not give the root/)).toBeVisible()
  })

  it('shows stake, what a failure cost and how far it is forgiven, from the node', async () => {
    await visit(scored)
    expect(await within(await region('Stake')).findByText('45.00')).toBeVisible()
    const decided = await region('Decided deals')
    expect(await within(decided).findByText('Missed')).toBeVisible()
    expect(decided).toHaveTextContent(
      '1.20 USDC of its stake lost: 1.00 USDC to the buyer, 0.20 USDC to the bonus pool',
    )
    expect(await region('Recovery')).toHaveTextContent('25 % of 50 %')
    expect(await within(await region('Work')).findByText('5 failures in a row')).toBeVisible()
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
