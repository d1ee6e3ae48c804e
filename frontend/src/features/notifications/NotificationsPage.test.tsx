import { screen, waitFor, within } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { describe, expect, it, vi } from 'vitest'
import type { NotificationOut } from '@/api/types'
import { Bell } from '@/app/Bell'
import { iso, NOW, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, hangs, refuses, server, takes } from '@/test/server'
import { byDay, CHOICES, choiceOf, placeOf } from './lib/kinds'
import { NotificationsPage } from './NotificationsPage'

const one = (id: number, changes: Partial<NotificationOut> = {}): NotificationOut => ({
  id,
  kind: 'bid_received',
  sentence: `Sentence ${id}.`,
  facts: {},
  task_id: '0190a5c0-0000-7000-8000-000000000001',
  deal_id: null,
  at: iso(NOW - 60),
  read: false,
  ...changes,
})
const nowhere = { available: false, address: null, kinds: null, confirmed: false }
const HOOK = { id: 'h', url: 'https://agent.example/hook', kinds: null, created_at: iso(NOW) }

/** A signed-in reader without webhooks and mail, and an inbox. */
function inbox(items: NotificationOut[], next: string | null = null) {
  server.use(
    answers('/auth/session', session),
    answers('/webhooks', []),
    answers('/notifications/mailbox', nowhere),
    answers('/notifications', { items, next_cursor: next }),
  )
}

describe('NotificationsPage', () => {
  it('lists by day, links to what it is about, and tells read from new', async () => {
    const old = one(1, { at: iso(NOW - 3 * 86_400), read: true, deal_id: 'd', kind: 'ruling' })
    inbox([one(2), old])
    await show(<NotificationsPage />)
    const today = await screen.findByRole('region', { name: /Today|Yesterday/ })
    expect(within(today).getByRole('link', { name: 'Sentence 2.' })).toHaveAttribute('href', `/tasks/${old.task_id}`)
    expect(within(today).getByText('new')).toBeVisible()
    expect(screen.getByRole('link', { name: 'Sentence 1.' })).toHaveAttribute('href', '/deals/d')
    expect(screen.getAllByRole('button', { name: /^Mark as read/ })).toHaveLength(1)
    expect(screen.queryByRole('heading', { name: 'Mail' })).toBeNull()
  })

  it('marks one read, and all up to the newest shown', async () => {
    inbox([one(7), one(6)])
    const seen = vi.fn()
    server.use(takes('/notifications/read', { unread: 1 }, seen))
    const { user } = await show(<NotificationsPage />)
    await user.click(await screen.findByRole('button', { name: 'Mark as read: Sentence 6.' }))
    await waitFor(() => expect(seen).toHaveBeenCalledWith({ ids: [6] }))
    await user.click(screen.getByRole('button', { name: 'Mark all read' }))
    await waitFor(() => expect(seen).toHaveBeenLastCalledWith({ up_to: 7 }))
  })

  it('shows older ones on demand', async () => {
    inbox([one(9)], 'c')
    server.use(
      http.get('http://localhost:8000/api/v1/notifications', ({ request }) =>
        HttpResponse.json(
          new URL(request.url).searchParams.get('cursor') === 'c'
            ? { items: [one(8)], next_cursor: null }
            : { items: [one(9)], next_cursor: 'c' },
        ),
      ),
    )
    const { user } = await show(<NotificationsPage />)
    await user.click(await screen.findByRole('button', { name: 'Show older' }))
    expect(await screen.findByText('Sentence 8.')).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Show older' })).toBeNull()
  })

  it('says so when there is nothing, when it loads and when it fails', async () => {
    inbox([])
    const { unmount } = await show(<NotificationsPage />)
    expect(await screen.findByText('Nothing has happened yet.')).toBeVisible()
    unmount()
    server.use(hangs('/notifications'))
    const loading = await show(<NotificationsPage />)
    expect(await screen.findByText('Loading notifications')).toBeInTheDocument()
    loading.unmount()
    server.use(refuses('/notifications', 500, 'The inbox is away.'))
    await show(<NotificationsPage />)
    expect(await screen.findByText('The inbox is away.')).toBeVisible()
  })

  it('asks to sign in', async () => {
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await show(<NotificationsPage />)
    expect(await screen.findByText('Sign in to see what is yours.')).toBeVisible()
  })

  it('adds a webhook, shows its secret once, and deletes one after asking', async () => {
    inbox([])
    const seen = vi.fn()
    const gone = vi.fn()
    server.use(
      answers('/webhooks', [HOOK]),
      takes('/webhooks', { ...HOOK, secret: 'whsec_x' }, seen),
      http.delete('http://localhost:8000/api/v1/webhooks/h', () => {
        gone()
        return new HttpResponse(null, { status: 204 })
      }),
    )
    const { user } = await show(<NotificationsPage />)
    await user.type(await screen.findByLabelText('URL'), 'https://agent.example/hook')
    await user.selectOptions(screen.getByLabelText('What to send'), 'What waits for me')
    await user.click(screen.getByRole('button', { name: 'Add webhook' }))
    expect(await screen.findByText('whsec_x')).toBeVisible()
    expect(seen).toHaveBeenCalledWith({ url: HOOK.url, kinds: CHOICES['What waits for me'] })
    await user.click(screen.getByRole('button', { name: 'I have it' }))
    expect(screen.queryByText('whsec_x')).toBeNull()
    await user.click(screen.getByRole('button', { name: `Delete ${HOOK.url}` }))
    expect(gone).not.toHaveBeenCalled()
    await user.click(screen.getByRole('button', { name: 'Delete' }))
    await waitFor(() => expect(gone).toHaveBeenCalledOnce())
  })

  it('shows what became of every message and sends one again', async () => {
    inbox([])
    const again = vi.fn()
    const tries = [{ number: 1, at: iso(NOW), milliseconds: 12, status: 500, problem: 'status' }]
    const dead = { id: 'x', kind: 'funded', notification_id: 1, state: 'dead', next_try_at: null, tries }
    server.use(
      answers('/webhooks', [HOOK]),
      answers('/webhooks/h/dispatches', { items: [{ ...dead, created_at: iso(NOW) }], next_cursor: null }),
      http.post('http://localhost:8000/api/v1/webhooks/h/dispatches/x/again', () => {
        again()
        return HttpResponse.json({ ...dead, state: 'waiting', created_at: iso(NOW) })
      }),
    )
    const { user } = await show(<NotificationsPage />)
    await user.click(await screen.findByRole('button', { name: `Log of ${HOOK.url}` }))
    expect(await screen.findByText(/refused, status 500, 12 ms/)).toBeVisible()
    expect(screen.getByText('given up')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Send again' }))
    await waitFor(() => expect(again).toHaveBeenCalledOnce())
  })

  it('says so when the mailbox cannot be read, with a retry', async () => {
    inbox([])
    server.use(refuses('/notifications/mailbox', 503, 'The mailbox does not answer.'))
    const { user } = await show(<NotificationsPage />, { connected: true })
    const card = await screen.findByRole('region', { name: 'Mail' })
    expect(await within(card).findByText('The mailbox does not answer.')).toBeVisible()
    server.use(answers('/notifications/mailbox', nowhere))
    await user.click(within(card).getByRole('button', { name: 'Try again' }))
    await waitFor(() => expect(screen.queryByRole('region', { name: 'Mail' })).toBeNull())
  })

  it('confirms a mailbox by the code that was mailed', async () => {
    inbox([])
    const box = { available: true, address: 'me@example.org', kinds: null, confirmed: false }
    const seen = vi.fn()
    server.use(
      answers('/notifications/mailbox', box),
      takes('/notifications/mailbox/confirm', { ...box, confirmed: true }, seen),
    )
    const { user } = await show(<NotificationsPage />)
    await user.type(await screen.findByLabelText('Code from the mail'), 'abcd2345')
    await user.click(screen.getByRole('button', { name: 'Confirm' }))
    expect(await screen.findByRole('button', { name: 'Stop the mail' })).toBeVisible()
    expect(seen).toHaveBeenCalledWith({ code: 'ABCD2345' })
  })
})

describe('Bell', () => {
  it('counts what is unread, and is not there for a stranger', async () => {
    server.use(answers('/auth/session', session), answers('/notifications/unread', { unread: 120 }))
    const { unmount } = await show(<Bell />)
    expect(await screen.findByRole('link', { name: 'Notifications, 120 unread' })).toHaveTextContent('99+')
    unmount()
    server.use(refuses('/auth/session', 401, 'Sign in first.'))
    await show(<Bell />)
    expect(screen.queryByRole('link')).toBeNull()
  })
})

describe('kinds', () => {
  it('names choices and leaves nothing out', () => {
    expect(choiceOf(null)).toBe('Everything')
    expect(choiceOf(['reveal_wanted', 'funded'])).toBe('2 kinds')
    expect(choiceOf([...(CHOICES['Money only'] ?? [])].reverse())).toBe('Money only')
    expect(placeOf(one(1, { task_id: null, kind: 'score_dropped' }))).toBeNull()
  })

  it("keeps days by the reader's own midnight", () => {
    const noon = new Date(2026, 10, 22, 12).getTime()
    const at = (hours: number) => one(1, { at: new Date(noon - hours * 3_600_000).toISOString() })
    const days = byDay([at(1), at(11), at(13), at(40)], noon)
    expect(days.map((day) => [day.name, day.items.length])).toEqual([
      ['Today', 2],
      ['Yesterday', 1],
      ['Friday, November 20, 2026', 1],
    ])
  })
})
