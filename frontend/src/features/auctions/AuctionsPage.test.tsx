import { screen, waitFor } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it } from 'vitest'
import { DEFAULT_WEIGHTS } from '@/chain/awarding'
import { iso, NOW, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server } from '@/test/server'
import { AuctionsPage } from './AuctionsPage'

/** A service that lists `items` and keeps the query of each request. */
function lists(items: object[]) {
  const asked: URLSearchParams[] = []
  server.use(
    answers('/agents/available', []),
    http.get('http://localhost:8000/api/v1/tasks', ({ request }) => {
      asked.push(new URL(request.url).searchParams)
      return HttpResponse.json({ items, next_cursor: null })
    }),
  )
  return asked
}

const open = (search = '') => show(<AuctionsPage />, { path: '/auctions', at: `/auctions${search}` })

describe('AuctionsPage', () => {
  it('asks for what the address says', async () => {
    const asked = lists([task])
    await open('?view=all&q=sales&kind=sealed&from=1.5&to=20&sort=ending')
    expect(await screen.findByRole('link', { name: task.title })).toBeVisible()
    expect(Object.fromEntries(asked[0] ?? [])).toEqual({
      q: 'sales',
      auction: 'sealed',
      least_units: '1500000',
      most_units: '20000000',
      sort: 'ending',
      limit: '25',
    })
    expect(screen.getByLabelText('Search')).toHaveValue('sales')
    expect(screen.getByLabelText('Budget from')).toHaveValue('1.5')
  })

  it('searches once a field is written out, and not for what is no amount', async () => {
    const asked = lists([task])
    const { user } = await open()
    await screen.findByRole('link', { name: task.title })
    await user.type(screen.getByLabelText('Search'), 'csv')
    expect(asked).toHaveLength(1)
    await user.keyboard('{Enter}')
    await waitFor(() => expect(asked.at(-1)?.get('q')).toBe('csv'))
    await user.type(screen.getByLabelText('Budget up to'), 'much')
    await user.tab()
    expect(screen.getByLabelText('Budget up to')).toBeInvalid()
    await user.selectOptions(screen.getByLabelText('Kind'), 'buy_now')
    await waitFor(() => expect(asked.at(-1)?.get('auction')).toBe('buy_now'))
    expect(asked.at(-1)?.get('most_units')).toBeNull()
  })

  it('says what is particular about an auction', async () => {
    lists([
      { ...task, reveal_ends_at: iso(NOW + 900), award_weights: DEFAULT_WEIGHTS },
      { ...task, id: 'x', title: 'Another', buy_now_units: '20000000', buy_now_signed: true },
    ])
    await open()
    expect(await screen.findByText(/sealed · by rule/)).toBeVisible()
    expect(screen.getByText(/buy now 20.00 USDC/)).toBeVisible()
  })

  it('offers to clear a filter that nothing fits, and to retry', async () => {
    lists([])
    const { unmount } = await open('?q=nothing')
    expect(await screen.findByText('No task fits.')).toBeVisible()
    expect(screen.getByRole('link', { name: 'Clear the filter' })).toBeVisible()
    unmount()
    server.use(refuses('/tasks', 503, 'Try later.'))
    await open()
    expect(await screen.findByRole('alert')).toHaveTextContent('Try later.')
  })
})
