import { screen, waitFor } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { session, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, server, takes } from '@/test/server'
import { NewTaskPage } from './NewTaskPage'

it('posts a task for the scheduler, with the budget as the price to be signed for', async () => {
  const seen = vi.fn()
  server.use(
    answers('/auth/session', session),
    answers('/agents/available', []),
    takes('/tasks/submit', { ...task, instant: true, buy_now_units: '2500000' }, seen),
  )
  const { user } = await show(<NewTaskPage />, { path: '/tasks/new', at: '/tasks/new', connected: true })
  await user.type(screen.getByLabelText('Title'), 'Etch a plate')
  await user.type(screen.getByLabelText('Description'), 'Copper, by noon.')
  await user.type(screen.getByLabelText('Budget'), '2.50')
  await user.click(screen.getByLabelText('Assign at once'))
  await user.click(await screen.findByRole('button', { name: 'Post task' }))
  await waitFor(() =>
    expect(seen).toHaveBeenCalledWith(
      expect.objectContaining({
        instant: true,
        buy_now_units: '2500000',
        budget_units: '2500000',
        award_weights: null,
        reveal_seconds: null,
      }),
    ),
  )
  sessionStorage.clear()
})
