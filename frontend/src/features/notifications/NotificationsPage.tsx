import { useMutation, useQueryClient } from '@tanstack/react-query'
import { BellOff, Check } from 'lucide-react'
import { Link, useSearchParams } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import { usePaged } from '@/api/paged'
import type { NotificationOut } from '@/api/types'
import { Page } from '@/app/Page'
import { serverNowMs } from '@/chain/clock'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { cn } from '@/components/ui/cn'
import { ShowMore } from '@/components/ui/ShowMore'
import { ActionError, Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { SignedIn } from '@/components/web3/SignedIn'
import { byDay, placeOf, subjectOf, toneOf } from './lib/kinds'
import { MailCard } from './MailCard'
import { WebhooksCard } from './WebhooksCard'

const AT_ONCE = 30

type Mark = { ids: number[] } | { up_to: number }

function useMarkRead() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (mark: Mark) => endpoints.markRead(mark),
    onSuccess: (left) => {
      client.setQueryData(keys.unread, left)
      return client.invalidateQueries({ queryKey: keys.notifications() })
    },
  })
}

function Row({ item, onRead }: { item: NotificationOut; onRead: (id: number) => void }) {
  const place = placeOf(item)
  const read = () => {
    if (!item.read) onRead(item.id)
  }
  return (
    <li className={cn('flex items-start gap-3 border-t border-line px-4 py-3', !item.read && 'bg-brand-soft/40')}>
      <div className="grid min-w-0 flex-1 gap-1">
        {place ? (
          <Link
            to={place}
            onClick={read}
            className={cn('break-words hover:underline', item.read ? 'text-muted' : 'font-medium')}
          >
            {item.sentence}
          </Link>
        ) : (
          <span className={cn('break-words', item.read ? 'text-muted' : 'font-medium')}>{item.sentence}</span>
        )}
        <span className="flex flex-wrap items-center gap-2 text-xs text-muted">
          <Badge tone={toneOf(item.kind)}>{subjectOf(item.kind)}</Badge>
          <RelativeTime at={item.at} />
          {!item.read && <span className="font-medium text-brand">new</span>}
        </span>
      </div>
      {!item.read && (
        <button
          type="button"
          aria-label={`Mark as read: ${item.sentence}`}
          title="Mark as read"
          onClick={read}
          className="grid size-9 shrink-0 place-items-center rounded-control text-muted hover:bg-sunken"
        >
          <Check aria-hidden className="size-4" />
        </button>
      )}
    </li>
  )
}

function useInbox(unread: boolean) {
  const filter = unread ? { limit: AT_ONCE, unread } : { limit: AT_ONCE }
  return usePaged(keys.notifications(filter), (cursor) => endpoints.notifications({ ...filter, cursor }))
}

const VIEWS = [
  [false, '/notifications', 'All'],
  [true, '/notifications?view=unread', 'Unread'],
] as const

function Inbox() {
  const [params] = useSearchParams()
  const unread = params.get('view') === 'unread'
  const { query, items } = useInbox(unread)
  const mark = useMarkRead()
  const { loading, failure } = useOutcome(query)
  const newest = items[0]
  const waiting = items.some((item) => !item.read)
  return (
    <Card title="Inbox" aside={<LiveBadge />} flush>
      <div className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-3 py-1.5">
        <nav aria-label="Notifications" className="flex gap-1 text-sm">
          {VIEWS.map(([only, to, name]) => (
            <Link
              key={name}
              to={to}
              aria-current={only === unread ? 'page' : undefined}
              className={cn(
                'rounded-control px-3 py-1.5 font-medium',
                only === unread ? 'bg-sunken' : 'text-muted hover:bg-sunken',
              )}
            >
              {name}
            </Link>
          ))}
        </nav>
        {newest && waiting && (
          <Button tone="quiet" busy={mark.isPending} onClick={() => mark.mutate({ up_to: newest.id })}>
            Mark all read
          </Button>
        )}
      </div>
      <ActionError error={mark.error} />
      {loading && <SkeletonRows label="Loading notifications" rows={6} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void query.refetch()} />}
      {!loading && failure === null && items.length === 0 && (
        <Empty icon={BellOff} title={unread ? 'Everything is read.' : 'Nothing has happened yet.'}>
          Bids, payments, deliveries and disputes of yours are told here.
        </Empty>
      )}
      {byDay(items, serverNowMs()).map((day) => (
        <section key={day.name} aria-label={day.name}>
          <h3 className="border-t border-line bg-sunken px-4 py-1.5 text-xs font-medium text-muted first:border-0">
            {day.name}
          </h3>
          <ul>
            {day.items.map((item) => (
              <Row key={item.id} item={item} onRead={(id) => mark.mutate({ ids: [id] })} />
            ))}
          </ul>
        </section>
      ))}
      <ShowMore query={query} label="Show older" />
    </Card>
  )
}

/** What the reader was told, by day, and where else it is sent. */
export function NotificationsPage() {
  return (
    <Page title="Notifications" intro="What happened to your tasks, bids and deals.">
      <SignedIn title="Sign in to see what is yours.">
        {() => (
          <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-[minmax(0,1fr)_24rem]">
            <Inbox />
            <div className="grid min-w-0 grid-cols-1 gap-4">
              <WebhooksCard />
              <MailCard />
            </div>
          </div>
        )}
      </SignedIn>
    </Page>
  )
}
