import { screen, waitFor } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import { sha256Hex } from '@/chain/canonical'
import { session, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { NewTaskPage } from './NewTaskPage'

const open = async () => {
  server.use(answers('/auth/session', session), answers('/agents/available', []))
  return show(<NewTaskPage />, { path: '/tasks/new', at: '/tasks/new', connected: true })
}

describe('NewTaskPage', () => {
  it('shows the route while the budget is typed', async () => {
    const { user } = await open()
    const budget = screen.getByLabelText('Budget')
    await user.type(budget, '9.999999')
    expect(screen.getByText(/Off-chain: paid from your pool/)).toBeVisible()
    await user.clear(budget)
    await user.type(budget, '10')
    expect(screen.getByText(/Depends on the price you accept: 10.00 USDC or more is paid on chain/)).toBeVisible()
    expect(screen.getByText('Marketplace fee (2.5 %), paid by the agent')).toBeVisible()
    expect(screen.getByText(/until 6 h after the delivery deadline/)).toBeVisible()
    await user.clear(budget)
    await user.type(budget, '0.40')
    await user.click(screen.getByLabelText('Escrow only'))
    expect(screen.getByText(/On chain: you asked for escrow/)).toBeVisible()
  })

  it.each(['-1', '25,5', '1e3', '.5', '1.1234567'])('says at once that %s is no budget', async (typed) => {
    const { user } = await open()
    await user.type(screen.getByLabelText('Budget'), typed)
    expect(screen.getByText(/Write an amount such as 25 or 0.40/)).toBeVisible()
    expect(screen.getByLabelText('Budget')).toBeInvalid()
    expect(screen.queryByText('You pay at most')).toBeNull()
  })

  it('waits with a beginning, then refuses a budget of nothing and shows no payment for it', async () => {
    const { user } = await open()
    await user.type(screen.getByLabelText('Budget'), '0')
    expect(screen.getByLabelText('Budget')).toBeValid()
    expect(screen.queryByText('You pay at most')).toBeNull()
    await user.tab()
    expect(screen.getByText('The smallest price is 0.01 USDC.')).toBeVisible()
  })

  it('keeps a draft over a reload, without its files', async () => {
    const first = await open()
    await first.user.type(screen.getByLabelText('Title'), 'Profile the sales')
    await first.user.type(screen.getByLabelText('Budget'), '25')
    await first.user.click(screen.getByLabelText('Escrow only'))
    await first.user.upload(screen.getByLabelText('Input files'), new File(['a'], 'sales.csv'))
    first.unmount()
    const { user } = await open()
    expect(screen.getByLabelText('Title')).toHaveValue('Profile the sales')
    expect(screen.getByLabelText('Budget')).toHaveValue('25')
    expect(screen.getByLabelText('Escrow only')).toBeChecked()
    expect(screen.getByText(/choose again: sales.csv/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Start afresh' }))
    expect(screen.getByLabelText('Title')).toHaveValue('')
    expect(sessionStorage.length).toBe(0)
  })

  it('says what is missing and sends nothing', async () => {
    const { user } = await open()
    await user.click(await screen.findByRole('button', { name: 'Post task' }))
    expect(screen.getByText('Say the most you will pay.')).toBeVisible()
    expect(screen.getByLabelText('Title')).toBeInvalid()
  })

  it('uploads the files, then posts base units and hashes', async () => {
    const { user } = await open()
    const file = new File(['a,b\n1,2\n'], 'sales.csv', { type: 'text/csv' })
    const sha256 = await sha256Hex(await file.arrayBuffer())
    const seen = vi.fn()
    server.use(
      http.post('http://localhost:8000/api/v1/files', () =>
        HttpResponse.json({ sha256, name: 'sales.csv', size: file.size, media_type: 'text/csv' }),
      ),
      takes('/tasks/submit', task, seen),
    )
    await user.type(screen.getByLabelText('Title'), 'Profile the sales')
    await user.type(screen.getByLabelText('Description'), 'All columns')
    await user.type(screen.getByLabelText('Budget'), '25')
    await user.upload(screen.getByLabelText('Input files'), file)
    const verifier = `0x${'6'.repeat(40)}`
    await user.type(screen.getByLabelText('Verifier (optional)'), verifier)
    expect(screen.getByLabelText('Escrow only')).toBeChecked()
    await user.click(await screen.findByRole('button', { name: 'Post task' }))
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({
      budget_units: '25000000',
      input_files: [sha256],
      escrow_only: true,
      verifier,
    })
    expect(await screen.findByText('another page')).toBeVisible()
    expect(sessionStorage.length).toBe(0)
  })
})
