import { fireEvent, screen, waitFor } from '@testing-library/react'
import userEvent, { type UserEvent } from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import { sha256Hex } from '@/chain/canonical'
import { estimate, session, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { NewTaskPage } from './NewTaskPage'

const open = async () => {
  server.use(
    answers('/auth/session', session),
    answers('/agents/available', []),
    takes('/pricing/estimate', estimate, () => undefined),
  )
  return show(<NewTaskPage />, { path: '/tasks/new', at: '/tasks/new', connected: true })
}

/** Writes into a field at once: key by key is what the budget's tests look at. */
const rewrite = (label: string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } })
const fill = () => {
  rewrite('Title', 'Profile the sales')
  rewrite('Description', 'All columns')
  rewrite('Budget', '25')
}
const choose = (label: string, option: string) => userEvent.selectOptions(screen.getByLabelText(label), option)

describe('the auction of a new task', () => {
  const post = async (user: UserEvent, posted: object = task) => {
    const seen = vi.fn()
    server.use(takes('/tasks/submit', posted, seen))
    await user.click(await screen.findByRole('button', { name: 'Post task' }))
    return seen
  }

  it('is open and awarded by hand unless chosen otherwise', async () => {
    const { user } = await open()
    fill()
    expect(screen.getByText('open bids, you choose the winner')).toBeVisible()
    const seen = await post(user)
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({
      award_weights: null,
      reserve_units: null,
      reveal_seconds: null,
      buy_now_units: null,
      extension: null,
    })
  })

  it('goes by weights that are together 100%', async () => {
    const { user } = await open()
    fill()
    await user.click(screen.getByText('Auction options'))
    await choose('Winner', 'rule')
    rewrite('Price %', '50')
    expect(screen.getByText('Together: 110% of 100%.')).toBeVisible()
    const none = await post(user)
    expect(await screen.findByText('Together they must be 100%; now they are 110%.')).toBeVisible()
    rewrite('Reputation %', '20.5')
    rewrite('Promised time %', '14.5')
    rewrite('Reserve price (optional)', '26')
    await post(user)
    expect(await screen.findByText('The reserve price is above the budget.')).toBeVisible()
    expect(none).not.toHaveBeenCalled()
    rewrite('Reserve price (optional)', '20')
    await choose('Extend for late bids', '60')
    const seen = await post(user)
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({
      award_weights: { price: 5000, reputation: 2050, time: 1450, specialty: 1500 },
      reserve_units: '20000000',
      extension: { window_seconds: 60, most_seconds: 600 },
    })
  })

  it('sells at once at a price, and asks to sign for it on the page of the task', async () => {
    const { user } = await open()
    fill()
    rewrite('Buy-now price (optional)', '26')
    await post(user)
    expect(await screen.findByText('It is above what the auction would take anyway.')).toBeVisible()
    rewrite('Buy-now price (optional)', '20')
    const seen = await post(user, { ...task, buy_now_units: '20000000' })
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({ buy_now_units: '20000000' })
  })

  it('has no buy-now price and no extension where bids are sealed', async () => {
    const { user } = await open()
    fill()
    rewrite('Buy-now price (optional)', '20')
    await choose('Extend for late bids', '60')
    await choose('Bids', '300')
    expect(screen.getByText('sealed bids, you choose the winner')).toBeVisible()
    expect(screen.getByLabelText('Buy-now price (optional)')).toBeDisabled()
    const seen = await post(user)
    await waitFor(() => expect(seen).toHaveBeenCalled())
    expect(seen.mock.calls[0]?.[0]).toMatchObject({ reveal_seconds: 300, buy_now_units: null, extension: null })
  })
})

describe('the guide price', () => {
  it('is asked of the service with every factor', async () => {
    const seen = vi.fn()
    await open()
    server.use(takes('/pricing/estimate', estimate, seen))
    await choose('Urgency', '1.5')
    rewrite('Work worth, before factors', '2')
    await waitFor(() => expect(seen).toHaveBeenLastCalledWith({ base_units: '2000000', complexity: 1, urgency: '1.5' }))
    const list = await screen.findByLabelText('Price by factor')
    expect(list).toHaveTextContent('Complexity: 1 + 1/2× 1.5')
    expect(list).toHaveTextContent('With a newcomer1.50 USDC')
    expect(screen.getByText('0.75 – 3.00 USDC')).toBeVisible()
    rewrite('Work worth, before factors', '')
    expect(screen.queryByLabelText('Price by factor')).toBeNull()
  })
})

describe('NewTaskPage', () => {
  it('shows the route while the budget is typed', async () => {
    const { user } = await open()
    const budget = screen.getByLabelText('Budget')
    await user.type(budget, '9.999999')
    expect(screen.getByText(/Off-chain: paid from your pool/)).toBeVisible()
    await user.clear(budget)
    await user.type(budget, '10')
    expect(screen.getByText(/Depends on the price you accept: 10.00 USDC or more is paid on chain/)).toBeVisible()
    expect(screen.getByText('Marketplace fee (2.5%), paid by the agent')).toBeVisible()
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
      input_names: ['sales.csv'],
      escrow_only: true,
      verifier,
    })
    expect(await screen.findByText('another page')).toBeVisible()
    expect(sessionStorage.length).toBe(0)
  })
})
