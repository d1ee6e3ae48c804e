import { screen, waitFor, within } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { beforeEach, describe, expect, it } from 'vitest'
import type { LeaderOut } from '@/api/types'
import { show } from '@/test/render'
import { cards, epoch } from '@/test/reputation'
import { answers, refuses, server } from '@/test/server'
import { LeaderboardPage } from './LeaderboardPage'

const leaders = [...cards]
  .sort((a, b) => b.score - a.score)
  .map(
    (card, index): LeaderOut => ({
      rank: index + 1,
      agent: card.agent,
      slug: null,
      name: index === 0 ? 'Tabula' : null,
      value: card.score,
      score: card.score,
      ...card.qualities,
      tier: card.tier as LeaderOut['tier'],
      jobs: card.jobs,
      settled_value_units: card.settled_value,
      epoch: 1,
    }),
  )

/** The service's leaderboard, two agents a page; keeps what it was asked. */
function serve(asked: URLSearchParams[]) {
  return http.get('http://localhost:8000/api/v1/reputation/leaderboard', ({ request }) => {
    const query = new URL(request.url).searchParams
    asked.push(query)
    const from = Number(query.get('cursor') ?? 0)
    return HttpResponse.json({ items: leaders.slice(from, from + 2), next_cursor: String(from + 2) })
  })
}

const rows = async () => within(await screen.findByRole('table', { name: 'Agents, best first' })).getAllByRole('row')

beforeEach(() =>
  server.use(answers('/agents/available', []), answers('/reputation/epochs', { items: [epoch], next_cursor: null })),
)

describe('LeaderboardPage', () => {
  it('lists the best, says which epoch that is and how final, and goes on from the cursor', async () => {
    const asked: URLSearchParams[] = []
    server.use(serve(asked))
    const { user } = await show(<LeaderboardPage />)
    expect((await rows())[1]).toHaveTextContent('Tabula')
    expect(screen.getByRole('link', { name: /Tabula/ })).toHaveAttribute('href', `/agents/${leaders[0]?.agent}`)
    expect(await screen.findByText(/^Epoch 1, ended/)).toBeVisible()
    expect(screen.getAllByText('final').length).toBeGreaterThan(0)
    await user.click(screen.getByRole('button', { name: 'Show more' }))
    await waitFor(async () => expect(await rows()).toHaveLength(5))
    expect(asked.at(-1)?.get('cursor')).toBe('2')
  })

  it('says so when the epochs cannot be read', async () => {
    server.use(serve([]), refuses('/reputation/epochs', 503, 'The epochs do not answer.'))
    await show(<LeaderboardPage />)
    const card = await screen.findByRole('region', { name: 'Epochs' })
    expect(await within(card).findByText('The epochs do not answer.')).toBeVisible()
  })

  it('asks for a specialty and a tier, and drops what does not exist', async () => {
    const asked: URLSearchParams[] = []
    server.use(serve(asked))
    const { user } = await show(<LeaderboardPage />, { at: '/?specialty=task_type:cooking&tier=best' })
    await rows()
    expect([...(asked[0] ?? [])].map(([name]) => name)).toEqual(['min_jobs', 'limit'])
    await user.selectOptions(screen.getByLabelText('Specialty'), 'region:us-east')
    await user.selectOptions(screen.getByLabelText('Tier'), 'good')
    await waitFor(() => expect(asked.at(-1)?.get('tier')).toBe('good'))
    expect(asked.at(-1)?.get('specialty')).toBe('region:us-east')
    expect(await screen.findByRole('columnheader', { name: 'Overall' })).toBeInTheDocument()
  })

  it('orders by one measure at a time, keeps the other filters, and says what can be computed again', async () => {
    const asked: URLSearchParams[] = []
    server.use(serve(asked))
    const { user } = await show(<LeaderboardPage />, { at: '/?by=beauty&tier=good' })
    await rows()
    expect(asked[0]?.get('by')).toBeNull()
    const measures = within(screen.getByRole('navigation', { name: 'Measure' }))
    expect(measures.getByRole('link', { name: 'Overall' })).toHaveAttribute('aria-current', 'true')
    await user.click(measures.getByRole('link', { name: 'Speed' }))
    await waitFor(() => expect(asked.at(-1)?.get('by')).toBe('speed'))
    expect(asked.at(-1)?.get('tier')).toBe('good')
    expect(await screen.findByRole('columnheader', { name: 'Speed' })).toBeInTheDocument()
    expect(screen.getByText('aicp reputation verify')).toBeVisible()
    await user.selectOptions(screen.getByLabelText('Specialty'), 'region:us-east')
    await waitFor(() => expect(asked.at(-1)?.get('specialty')).toBe('region:us-east'))
    expect(asked.at(-1)?.get('by'), 'never both').toBeNull()
    await user.click(measures.getByRole('link', { name: 'Quality' }))
    await waitFor(() => expect(asked.at(-1)?.get('by')).toBe('quality'))
    expect(asked.at(-1)?.get('specialty')).toBeNull()
  })

  it('says what is missing before the first epoch, and when nobody fits', async () => {
    server.use(answers('/reputation/leaderboard', { items: [], next_cursor: null }))
    const { user } = await show(<LeaderboardPage />)
    expect(await screen.findByText('No scores are anchored yet.')).toBeVisible()
    await user.selectOptions(screen.getByLabelText('Deals'), '10')
    expect(await screen.findByText('No agent fits.')).toBeVisible()
  })

  it('says why there is nothing to show', async () => {
    server.use(refuses('/reputation/leaderboard', 503, 'The database does not answer.'))
    await show(<LeaderboardPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('The database does not answer.')
  })
})
