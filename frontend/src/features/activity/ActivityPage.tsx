import { ArrowLeftRight, ListChecks } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { Address as Account } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import { usePaged } from '@/api/paged'
import type { DealRole, DealSummary, IntentOut } from '@/api/types'
import { DashboardTabs } from '@/app/DashboardTabs'
import { Page } from '@/app/Page'
import { sentenceOf } from '@/chain/errors'
import { roleOf } from '@/chain/roles'
import { AuctionTable } from '@/components/market/AuctionTable'
import { Badge } from '@/components/ui/Badge'
import { buttonClass } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { cn } from '@/components/ui/cn'
import { ShowMore } from '@/components/ui/ShowMore'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { SignedIn } from '@/components/web3/SignedIn'
import { IntentStateBadge, PathBadge, TaskStateBadge } from '@/components/web3/StateBadge'
import { TxLink } from '@/components/web3/TxLink'
import { BalanceCard } from './BalanceCard'
import { intentName } from './lib/kinds'

const PAGE = 25

interface ListProps<T> {
  list: ReturnType<typeof usePaged<T>>
  label: string
  empty: ReactNode
  children: (items: T[]) => ReactNode
}

function List<T>({ list: { query, items }, label, empty, children }: ListProps<T>) {
  const { loading, failure } = useOutcome(query)
  return (
    <>
      {loading && <SkeletonRows label={label} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void query.refetch()} />}
      {items.length > 0 && children(items)}
      {query.isSuccess && items.length === 0 && empty}
      <ShowMore query={query} />
    </>
  )
}

function DealRow({ deal, reader }: { deal: DealSummary; reader: Account }) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-4 py-3 first:border-0">
      <div className="min-w-0 flex-1 basis-48">
        <Link to={`/deals/${deal.id}`} className="block truncate font-medium hover:underline">
          {deal.title}
        </Link>
        <span className="text-xs text-muted">
          you are the {roleOf(deal, reader)} · <RelativeTime at={deal.created_at} />
        </span>
      </div>
      <PathBadge path={deal.path} />
      {deal.current ? <TaskStateBadge state={deal.state} /> : <Badge tone="neutral">Ended</Badge>}
      <Amount units={deal.price_units} className="ml-auto" />
    </li>
  )
}

function IntentRow({ intent }: { intent: IntentOut }) {
  const { amount_units: units, deal_id: deal } = intent.reference
  const failure = intent.error_code && (sentenceOf(intent.error_code) ?? intent.error_detail ?? intent.error_code)
  return (
    <li className="grid gap-1 border-t border-line px-4 py-3 first:border-0">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <span className="min-w-0 flex-1 basis-40 font-medium">{intentName(intent.kind)}</span>
        {typeof units === 'string' && units !== '0' && <Amount units={units} />}
        {intent.attempts.length > 1 && <Badge tone="warn">replaced {intent.attempts.length - 1}×</Badge>}
        <IntentStateBadge state={intent.state} />
        <span className="text-xs text-muted">
          <RelativeTime at={intent.updated_at} />
        </span>
      </div>
      <div className="flex flex-wrap items-center gap-x-3 text-xs text-muted">
        {intent.tx_hash ? <TxLink hash={intent.tx_hash} /> : <span>not sent yet</span>}
        {intent.block_number !== null && <span>block {intent.block_number}</span>}
        {typeof deal === 'string' && (
          <Link to={`/deals/${deal}`} className="text-brand underline underline-offset-2">
            its deal
          </Link>
        )}
      </div>
      {failure && <p className="text-xs text-bad">{failure}</p>}
    </li>
  )
}

const next = (text: string, to: string, link: string) => (
  <>
    {text}{' '}
    <Link to={to} className="text-brand underline underline-offset-2">
      {link}
    </Link>
  </>
)

function Tasks() {
  const filter = { mine: true, limit: PAGE }
  const list = usePaged(keys.tasks(filter), (cursor) => endpoints.tasks({ ...filter, cursor }))
  return (
    <List
      list={list}
      label="Loading your tasks"
      empty={
        <Empty icon={ListChecks} title="You have posted no task.">
          {next('It takes a minute.', '/tasks/new', 'Post a task')}
        </Empty>
      }
    >
      {(items) => <AuctionTable tasks={items} caption="My tasks" />}
    </List>
  )
}

const ROLES: [DealRole | undefined, string, string][] = [
  [undefined, 'All', 'You have no deal yet.'],
  ['buyer', 'As buyer', 'You have bought nothing yet.'],
  ['agent', 'As agent', 'You have sold nothing yet.'],
  ['verifier', 'As verifier', 'Nobody has named you as verifier yet.'],
]

function Deals({ reader }: { reader: Account }) {
  const [params] = useSearchParams()
  const [role, , nothing] = ROLES.find(([name]) => name === params.get('role')) ?? [
    undefined,
    '',
    'You have no deal yet.',
  ]
  return (
    <>
      <nav aria-label="Role in the deals" className="flex flex-wrap gap-1 border-b border-line px-3 py-1.5 text-xs">
        {ROLES.map(([name, text]) => (
          <Link
            key={text}
            to={`/activity?view=deals${name ? `&role=${name}` : ''}`}
            aria-current={name === role ? 'true' : undefined}
            className={cn('rounded-control px-2.5 py-2', name === role ? 'bg-sunken' : 'text-muted hover:bg-sunken')}
          >
            {text}
          </Link>
        ))}
      </nav>
      <DealList key={role} reader={reader} role={role} nothing={nothing} />
    </>
  )
}

function DealList({ reader, role, nothing }: { reader: Account; role: DealRole | undefined; nothing: string }) {
  const filter = { limit: PAGE, role }
  const list = usePaged(keys.deals(filter), (cursor) => endpoints.deals({ ...filter, cursor }))
  return (
    <List
      list={list}
      label="Loading your deals"
      empty={
        <Empty icon={ListChecks} title={nothing}>
          {role === 'verifier'
            ? 'A buyer names a verifier when posting a task.'
            : next('Award a bid to make one.', '/auctions', 'Browse auctions')}
        </Empty>
      }
    >
      {(items) => (
        <ul aria-label="My deals">
          {items.map((deal) => (
            <DealRow key={deal.id} deal={deal} reader={reader} />
          ))}
        </ul>
      )}
    </List>
  )
}

function Transactions() {
  const list = usePaged(keys.transactions, (cursor) => endpoints.transactions({ limit: PAGE, cursor }))
  return (
    <List
      list={list}
      label="Loading your transactions"
      empty={
        <Empty icon={ArrowLeftRight} title="Nothing was sent for you yet.">
          Whatever you sign and we relay shows up here.
        </Empty>
      }
    >
      {(items) => (
        <ul aria-label="Transactions">
          {items.map((intent) => (
            <IntentRow key={intent.id} intent={intent} />
          ))}
        </ul>
      )}
    </List>
  )
}

const VIEWS = [
  ['tasks', 'My tasks'],
  ['deals', 'Deals'],
  ['transactions', 'Transactions'],
] as const

function Views({ reader }: { reader: Account }) {
  const [params] = useSearchParams()
  const view = params.get('view') ?? 'tasks'
  return (
    <Card title={VIEWS.find(([id]) => id === view)?.[1] ?? 'My tasks'} aside={<LiveBadge />} flush>
      <nav aria-label="Activity" className="flex gap-1 border-b border-line px-3 py-2">
        {VIEWS.map(([id, name]) => (
          <Link
            key={id}
            to={`/activity?view=${id}`}
            aria-current={view === id ? 'page' : undefined}
            className={cn(
              'rounded-control px-3 py-1.5 font-medium',
              view === id ? 'bg-sunken' : 'text-muted hover:bg-sunken',
            )}
          >
            {name}
          </Link>
        ))}
      </nav>
      {view === 'deals' ? <Deals reader={reader} /> : view === 'transactions' ? <Transactions /> : <Tasks />}
    </Card>
  )
}

/** Everything of the reader: balances, tasks, deals, relayed transactions and where they stand. */
export function ActivityPage() {
  return (
    <Page
      title="Activity"
      intro="Your tasks, deals and transactions."
      actions={
        <>
          <DashboardTabs />
          <Link to="/juror" className={buttonClass('secondary')}>
            Judge disputes
          </Link>
        </>
      }
    >
      <SignedIn title="Sign in to see what is yours.">
        {(reader) => (
          <>
            <BalanceCard account={reader} />
            <Views reader={reader} />
          </>
        )}
      </SignedIn>
    </Page>
  )
}
