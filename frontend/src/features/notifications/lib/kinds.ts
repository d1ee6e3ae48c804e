import type { NotificationKind, NotificationOut } from '@/api/types'
import type { Tone } from '@/components/ui/Badge'

type Subject = 'Auction' | 'Deal' | 'Money' | 'Dispute' | 'Reputation' | 'Operations'

/** What a kind of notification is about, and how it feels to the one it is for. */
const KINDS: Record<NotificationKind, [Subject, Tone]> = {
  bid_received: ['Auction', 'brand'],
  bid_sealed: ['Auction', 'brand'],
  bid_withdrawn: ['Auction', 'neutral'],
  showing_wanted: ['Auction', 'warn'],
  outbid: ['Auction', 'warn'],
  offered: ['Auction', 'warn'],
  awarded: ['Auction', 'ok'],
  not_awarded: ['Auction', 'neutral'],
  acceptance_wanted: ['Deal', 'warn'],
  payment_wanted: ['Money', 'warn'],
  payment_failed: ['Money', 'bad'],
  funded: ['Money', 'ok'],
  delivered: ['Deal', 'info'],
  evaluation_ending: ['Deal', 'warn'],
  released: ['Money', 'ok'],
  rejected: ['Deal', 'bad'],
  refunded: ['Money', 'info'],
  split_offered: ['Money', 'warn'],
  split: ['Money', 'info'],
  given_back: ['Deal', 'info'],
  lapsed: ['Deal', 'neutral'],
  expired: ['Deal', 'neutral'],
  cancelled: ['Deal', 'neutral'],
  dispute_opened: ['Dispute', 'warn'],
  answer_wanted: ['Dispute', 'bad'],
  dispute_answered: ['Dispute', 'info'],
  vote_wanted: ['Dispute', 'warn'],
  reveal_wanted: ['Dispute', 'warn'],
  appeal_open: ['Dispute', 'warn'],
  ruling: ['Dispute', 'info'],
  slashed: ['Reputation', 'bad'],
  score_dropped: ['Reputation', 'warn'],
  vouched: ['Reputation', 'ok'],
  pool_low: ['Money', 'warn'],
  pool_short: ['Money', 'bad'],
  suspended: ['Reputation', 'bad'],
  returned: ['Reputation', 'ok'],
  transaction_failed: ['Money', 'bad'],
  alarm: ['Operations', 'bad'],
}

export const subjectOf = (kind: NotificationKind): Subject => KINDS[kind][0]
export const toneOf = (kind: NotificationKind): Tone => KINDS[kind][1]

/** What a webhook or a mailbox may be narrowed to, by name; null is everything. */
export const CHOICES: Record<string, NotificationKind[] | null> = {
  Everything: null,
  'What waits for me': [
    'offered',
    'showing_wanted',
    'acceptance_wanted',
    'payment_wanted',
    'payment_failed',
    'delivered',
    'evaluation_ending',
    'split_offered',
    'answer_wanted',
    'vote_wanted',
    'reveal_wanted',
    'appeal_open',
    'pool_low',
    'pool_short',
    'transaction_failed',
  ],
  ...Object.fromEntries(
    (['Auction', 'Deal', 'Money', 'Dispute', 'Reputation', 'Operations'] as const).map((subject) => [
      `${subject} only`,
      (Object.keys(KINDS) as NotificationKind[]).filter((kind) => subjectOf(kind) === subject),
    ]),
  ),
}

/** The name of what is chosen; a count where it is none of the choices. */
export function choiceOf(kinds: readonly NotificationKind[] | null): string {
  const spelled = (some: readonly string[] | null) => (some === null ? '' : [...some].sort().join())
  const found = Object.entries(CHOICES).find(([, some]) => spelled(some) === spelled(kinds))
  return found?.[0] ?? `${kinds?.length} kinds`
}

const PLACES: Partial<Record<NotificationKind, string>> = {
  transaction_failed: '/activity?view=transactions',
  pool_low: '/pool',
  pool_short: '/pool',
}

/** Where a notification leads to, if anywhere. */
export function placeOf(notification: NotificationOut): string | null {
  if (notification.deal_id) return `/deals/${notification.deal_id}`
  if (notification.task_id) return `/tasks/${notification.task_id}`
  return PLACES[notification.kind] ?? null
}

export interface Day {
  name: string
  items: NotificationOut[]
}

const midnight = (at: Date) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()

/** Notifications by the reader's own days, in the order they come in. */
export function byDay(items: readonly NotificationOut[], nowMs: number): Day[] {
  const today = midnight(new Date(nowMs))
  const days = new Map<number, NotificationOut[]>()
  for (const item of items) {
    const day = midnight(new Date(item.at))
    days.set(day, [...(days.get(day) ?? []), item])
  }
  return [...days].map(([day, list]) => ({ name: nameOf(day, today), items: list }))
}

function nameOf(day: number, today: number): string {
  // a day in which the clocks change is an hour longer or shorter
  const ago = Math.round((today - day) / 86_400_000)
  if (ago <= 0) return 'Today'
  if (ago === 1) return 'Yesterday'
  return new Date(day).toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
}
