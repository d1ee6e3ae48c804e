import { screen, within } from '@testing-library/react'
import { decodeFunctionData, encodeFunctionResult, type Hex } from 'viem'
import { describe, expect, it, vi } from 'vitest'
import { reputationAbi } from '@/abi/generated'
import type { QuoteOut } from '@/api/types'
import { priceUnits, quoteDigest, quoteMessage } from '@/chain/pricing'
import { signingRequest } from '@/chain/typedData'
import { agent, buyer, estimate, NOW, network, operator } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { inputErrors, inputsOf, priceOf } from './lib/inputs'
import { verifyQuote } from './lib/quote'
import { PricingPage } from './PricingPage'

async function makeQuote(changes: Partial<QuoteOut> = {}, signer = operator): Promise<QuoteOut> {
  const fields = {
    chain_id: network.chain_id,
    escrow: network.contracts.escrow,
    agent: agent.address,
    base_units: '1000000',
    successes: 19,
    decided: 20,
    complexity: 1,
    urgency_bps: 10_000,
    price_units: priceUnits(1_000_000n, 20_000, 1, 10_000).toString(),
    formula: 1,
    as_of_block: 1200,
    valid_until: NOW + 900,
    operator: operator.address,
    ...changes,
  }
  const request = signingRequest('Quote', network, quoteMessage(fields))
  const signature = await signer.signTypedData(request as unknown as Parameters<typeof signer.signTypedData>[0])
  return { ...fields, digest: quoteDigest(network, fields), signature }
}

/** A node whose Reputation contract has a record. */
function node(completed: number, failed: number) {
  return async ({ method, params }: { method: string; params?: unknown }) => {
    if (method !== 'eth_call') return null
    const [call, block] = params as [{ data: Hex }, string]
    expect(decodeFunctionData({ abi: reputationAbi, data: call.data }).functionName).toBe('recordOf')
    expect(Number(block)).toBe(1200)
    const result = { completed, failed, disputed: 0, lost: 0, settledValue: 0n, lastOutcomeAt: 0 }
    return encodeFunctionResult({ abi: reputationAbi, functionName: 'recordOf', result })
  }
}

const open = (search = '', rpc?: ReturnType<typeof node>) => {
  server.use(answers('/agents/available', []))
  return show(<PricingPage />, { path: '/pricing', at: `/pricing${search}`, rpc })
}

describe('PricingPage', () => {
  it('begins with the worked example: 3.00', async () => {
    await open()
    const list = screen.getByLabelText('Price by factor')
    expect(list).toHaveTextContent('× 2')
    expect(list).toHaveTextContent('Price3.00 USDC')
    expect(list).toHaveTextContent('19 of 20 decided escrows succeeded (95.00%)')
  })

  it('has every tier with its edges, and marks the one of the inputs', async () => {
    await open('?successes=9&decided=10')
    const rows = within(screen.getByRole('table', { name: 'Tiers' }))
      .getAllByRole('row')
      .slice(1)
    expect(rows.map((row) => row.textContent)).toEqual([
      'Excellent95% and more× 23.00 USDC',
      'Very good90% to below 95%× 1.82.70 USDC',
      'Good80% to below 90%× 1.52.25 USDC',
      'Fair70% to below 80%× 1.21.80 USDC',
      'Lowbelow 70%× 0.50.75 USDC',
      'Newcomerfewer than 10 escrows decided× 11.50 USDC',
    ])
    expect(rows[1]).toHaveAttribute('aria-current', 'true')
  })

  it('follows what is typed, shows nothing for what is wrong, and goes back to the example', async () => {
    const { user } = await open()
    const base = screen.getByLabelText('Base')
    await user.clear(base)
    expect(base).toHaveValue('')
    expect(base).toBeInvalid()
    expect(screen.queryByLabelText('Price by factor')).toBeNull()
    await user.type(base, '2.50')
    await user.selectOptions(screen.getByLabelText('Complexity'), '4')
    await user.selectOptions(screen.getByLabelText('Urgency'), '1.25')
    expect(screen.getByLabelText('Price by factor')).toHaveTextContent('Price18.75 USDC')
    await user.clear(screen.getByLabelText('Escrows decided'))
    await user.type(screen.getByLabelText('Escrows decided'), '18')
    expect(screen.getByText('At least as many as succeeded.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Use these inputs' }))
    expect(screen.getByLabelText('Price by factor')).toHaveTextContent('Price3.00 USDC')
  })

  it('checks an agent’s quote: signature, formula and the record at a node', async () => {
    const seen = vi.fn()
    const quote = await makeQuote()
    const { user } = await open('', node(19, 1))
    server.use(takes('/pricing/estimate', { ...estimate, price_units: '3000000', quote }, seen))
    await user.type(screen.getByLabelText('Agent'), agent.address)
    await user.click(screen.getByRole('button', { name: 'Ask for a quote' }))
    expect(await screen.findByText('checked here')).toBeVisible()
    expect(seen).toHaveBeenCalledWith({ base_units: '1000000', complexity: 1, urgency: '1.0', agent: agent.address })
    expect(screen.getByText('A node says the same of the record at block 1200.')).toBeVisible()
    expect(screen.getByText(/aicp quote ask .* --base 1.00 --complexity 1 --urgency 1.0/)).toBeVisible()
  })

  it('warns of a quote that does not hold, and of a price the agent would not take', async () => {
    const quote = await makeQuote({ price_units: '2000000' })
    const { user } = await open('', node(18, 2))
    server.use(takes('/pricing/estimate', { ...estimate, price_floor_units: '5000000', quote }, () => undefined))
    await user.type(screen.getByLabelText('Agent'), 'tabula')
    await user.click(screen.getByRole('button', { name: 'Ask for a quote' }))
    const alert = await screen.findByRole('alert')
    expect(alert).toHaveTextContent('The formula gives another price from its inputs.')
    expect(alert).toHaveTextContent('A node says otherwise of the record at block 1200: 18 of 20.')
    expect(screen.getByText(/The agent works for 5.00 USDC at least/)).toBeVisible()
  })
})

describe('verifyQuote', () => {
  const problems = async (quote: QuoteOut, now = NOW) => (await verifyQuote(network, quote, now, null)).problems

  it('accepts what the operator has signed', async () => expect(await problems(await makeQuote())).toEqual([]))
  it('refuses another signer, another deployment, and one that has run out', async () => {
    expect(await problems(await makeQuote({}, buyer))).toEqual(['It is not signed by the operator of this network.'])
    expect(await problems(await makeQuote({ operator: buyer.address }, buyer))).toHaveLength(1)
    expect(await problems(await makeQuote({ chain_id: 137 }))).toHaveLength(1)
    expect(await problems(await makeQuote(), NOW + 900)).toEqual(['It has run out; ask again.'])
    const quote = await makeQuote()
    expect(await problems({ ...quote, digest: `0x${'0'.repeat(64)}` })).toHaveLength(1)
  })
})

describe('inputs', () => {
  it('of an address that cannot be are the example’s', () => {
    const read = (text: string) => inputsOf(new URLSearchParams(text))
    expect(read('complexity=11&urgency=2')).toEqual(read(''))
    expect(inputErrors(read('base=0&successes=x&decided=-1'))).toEqual({
      base: expect.any(String),
      successes: expect.any(String),
      decided: expect.any(String),
    })
    expect(priceOf(read('base=x'))).toBeNull()
  })
})
