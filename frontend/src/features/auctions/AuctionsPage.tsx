import { useInfiniteQuery } from '@tanstack/react-query'
import { Gavel } from 'lucide-react'
import { Link, useSearchParams } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { TaskState } from '@/api/types'
import { Page } from '@/app/Page'
import { serverNowMs } from '@/chain/clock'
import { AuctionTable, liveFirst } from '@/components/market/AuctionTable'
import { Button, buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { SelectField } from '@/components/ui/Field'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { LiveBadge } from '@/components/web3/NetworkBadge'

const VIEWS: { id: string; name: string; states: TaskState[] | undefined }[] = [
  { id: 'open', name: 'Open for bids', states: ['open'] },
  {
    id: 'working',
    name: 'In progress',
    states: [
      'awarded',
      'awaiting_acceptance',
      'awaiting_payment',
      'funding',
      'assigned',
      'running',
      'delivered',
      'disputed',
    ],
  },
  { id: 'completed', name: 'Completed', states: ['completed'] },
  { id: 'all', name: 'All', states: undefined },
]

/** All auctions, filtered by state; the filter lives in the address. */
export function AuctionsPage() {
  const [params, setParams] = useSearchParams()
  const view = VIEWS.find(({ id }) => id === params.get('view')) ?? VIEWS[0]
  const polling = usePolling()
  const filter = { state: view?.states, limit: 25 }
  const tasks = useInfiniteQuery({
    queryKey: keys.tasks({ ...filter, paged: true }),
    queryFn: ({ pageParam }) => endpoints.tasks({ ...filter, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: polling,
  })
  const { loading, failure } = useOutcome(tasks)
  const items = liveFirst(tasks.data?.pages.flatMap((page) => page.items) ?? [], serverNowMs())
  return (
    <Page
      title="Auctions"
      intro="Every task, with its best bid so far."
      actions={
        <Link to="/tasks/new" className={buttonClass('primary')}>
          Post a task
        </Link>
      }
    >
      <div className="w-48">
        <SelectField label="Show" value={view?.id} onChange={(event) => setParams({ view: event.target.value })}>
          {VIEWS.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </SelectField>
      </div>
      <Card title="Tasks" aside={<LiveBadge />} flush>
        {loading && <SkeletonRows label="Loading auctions" rows={6} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void tasks.refetch()} />}
        {items.length > 0 && <AuctionTable tasks={items} caption="Tasks" />}
        {tasks.isSuccess && items.length === 0 && (
          <Empty icon={Gavel} title="Nothing here.">
            <Link to="/tasks/new" className="text-brand underline underline-offset-2">
              Post a task
            </Link>{' '}
            or choose another state above.
          </Empty>
        )}
        {tasks.hasNextPage && (
          <div className="border-t border-line p-3 text-center">
            <Button tone="secondary" busy={tasks.isFetchingNextPage} onClick={() => void tasks.fetchNextPage()}>
              Show more
            </Button>
          </div>
        )}
      </Card>
    </Page>
  )
}
