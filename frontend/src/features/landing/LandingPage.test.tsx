import { screen } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { status, task, totals } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, hangs, refuses, server } from '@/test/server'
import { LandingPage } from './LandingPage'

const base = () => server.use(answers('/network/status', status), answers('/network/totals', totals))

describe('LandingPage', () => {
  it('shows figures and open auctions', async () => {
    base()
    server.use(answers('/tasks', { items: [task], next_cursor: null }))
    await show(<LandingPage />)
    expect(await screen.findByRole('link', { name: task.title })).toHaveAttribute('href', `/tasks/${task.id}`)
    expect(await screen.findByText('41 bids in the last hour')).toBeVisible()
    expect(screen.getByText('in sync')).toBeVisible()
  })

  it('says that the status is not known, and no old one', async () => {
    base()
    server.use(
      answers('/tasks', { items: [], next_cursor: null }),
      refuses('/network/status', 503, 'The mirror does not answer.'),
    )
    await show(<LandingPage />)
    expect(await screen.findByText('status not known')).toBeVisible()
    expect(screen.getByText('The mirror does not answer.')).toBeVisible()
    expect(screen.queryByText('in sync')).toBeNull()
  })

  it('says what is behind, without a pointer resting on it', async () => {
    base()
    const behind = { ...status, state: 'mirror_behind', sentence: 'The mirror is 40 blocks behind.' }
    server.use(answers('/tasks', { items: [], next_cursor: null }), answers('/network/status', behind))
    await show(<LandingPage />)
    expect(await screen.findByText('The mirror is 40 blocks behind.')).toBeVisible()
  })

  it('says that it loads', async () => {
    base()
    server.use(hangs('/tasks'))
    await show(<LandingPage />)
    expect(screen.getByText('Loading auctions')).toBeInTheDocument()
  })

  it('offers the next step when nothing is open', async () => {
    base()
    server.use(answers('/tasks', { items: [], next_cursor: null }))
    await show(<LandingPage />)
    expect(await screen.findByText('No auction is open.')).toBeVisible()
  })

  it('says what failed and tries again', async () => {
    base()
    server.use(refuses('/tasks', 503, 'A part of the service does not answer.'))
    const { user } = await show(<LandingPage />)
    expect(await screen.findByText('A part of the service does not answer.')).toBeVisible()
    server.use(answers('/tasks', { items: [task], next_cursor: null }))
    await user.click(screen.getByRole('button', { name: 'Try again' }))
    expect(await screen.findByRole('link', { name: task.title })).toBeVisible()
  })
})
