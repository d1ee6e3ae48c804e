import { Gavel } from 'lucide-react'
import { useState } from 'react'
import { Link } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import { usePaged } from '@/api/paged'
import { Page } from '@/app/Page'
import { serverNowMs } from '@/chain/clock'
import { AuctionTable, liveFirst } from '@/components/market/AuctionTable'
import { CapabilityField } from '@/components/market/CapabilityField'
import { buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { SelectField } from '@/components/ui/Field'
import { ShowMore } from '@/components/ui/ShowMore'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { useFilters } from '@/components/ui/useFilters'
import { WrittenField } from '@/components/ui/WrittenField'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { boundError, filterOf, KINDS, ORDERS, VIEWS } from './lib/filter'

function Options({ of }: { of: readonly (readonly [string, string])[] }) {
  return of.map(([id, name]) => (
    <option key={id} value={id}>
      {name}
    </option>
  ))
}

const FOLDED = ['capability', 'from', 'to']

function Filters({ params, change }: { params: URLSearchParams; change: (name: string, value: string) => void }) {
  const given = (name: string) => params.get(name) ?? ''
  // what is filtered by must be seen at first; later the reader folds as he likes
  const [open] = useState(() => FOLDED.some((name) => params.has(name)))
  return (
    <section aria-label="Filter" className="grid gap-2">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        <WrittenField
          label="Search"
          placeholder="words of the title"
          value={given('q')}
          onChange={(q) => change('q', q)}
        />
        <SelectField
          label="Show"
          value={given('view') || VIEWS[0]?.id}
          onChange={(event) => change('view', event.target.value)}
        >
          <Options of={VIEWS.map(({ id, name }) => [id, name])} />
        </SelectField>
        <SelectField label="Kind" value={given('kind')} onChange={(event) => change('kind', event.target.value)}>
          <option value="">any</option>
          <Options of={KINDS} />
        </SelectField>
        <SelectField
          label="Order"
          value={given('sort') || ORDERS[0][0]}
          onChange={(event) => change('sort', event.target.value)}
        >
          <Options of={ORDERS} />
        </SelectField>
      </div>
      <details open={open}>
        <summary className="inline-block cursor-pointer rounded-control py-1 text-xs text-muted underline underline-offset-2 hover:text-ink">
          Capability and budget
        </summary>
        <div className="mt-1 grid grid-cols-2 gap-3 md:grid-cols-4">
          <CapabilityField value={given('capability')} onChange={(value) => change('capability', value)} />
          <WrittenField
            label="Budget from"
            kind="amount"
            value={given('from')}
            check={boundError}
            onChange={(value) => change('from', value.trim())}
          />
          <WrittenField
            label="Budget up to"
            kind="amount"
            value={given('to')}
            check={boundError}
            onChange={(value) => change('to', value.trim())}
          />
        </div>
      </details>
    </section>
  )
}

/** All auctions, searched and narrowed; the filter lives in the address. */
export function AuctionsPage() {
  const [params, change] = useFilters()
  const filter = filterOf(params)
  const { query: tasks, items: found } = usePaged(keys.tasks({ ...filter, paged: true }), (cursor) =>
    endpoints.tasks({ ...filter, cursor }),
  )
  const { loading, failure } = useOutcome(tasks)
  // an order the reader has chosen is kept
  const items = filter.sort === 'newest' ? liveFirst(found, serverNowMs()) : found
  const filtered = [...params.keys()].length > 0
  return (
    <Page
      title="Auctions"
      intro="Every task, with its best bid so far."
      actions={
        <>
          <Link to="/pricing" className={buttonClass('secondary')}>
            Pricing
          </Link>
          <Link to="/tasks/new" className={buttonClass('primary')}>
            Post a task
          </Link>
        </>
      }
    >
      <Filters params={params} change={change} />
      <Card title="Tasks" aside={<LiveBadge />} flush>
        {loading && <SkeletonRows label="Loading auctions" rows={6} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void tasks.refetch()} />}
        {items.length > 0 && <AuctionTable tasks={items} caption="Tasks" />}
        {tasks.isSuccess && items.length === 0 && (
          <Empty icon={Gavel} title={filtered ? 'No task fits.' : 'Nothing here.'}>
            {filtered && (
              <>
                <Link to="/auctions" className="text-brand underline underline-offset-2">
                  Clear the filter
                </Link>{' '}
                or{' '}
              </>
            )}
            <Link to="/tasks/new" className="text-brand underline underline-offset-2">
              {filtered ? 'post a task' : 'Post a task'}
            </Link>
            .
          </Empty>
        )}
        <ShowMore query={tasks} />
      </Card>
    </Page>
  )
}
