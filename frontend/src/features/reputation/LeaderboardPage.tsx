import { Trophy } from 'lucide-react'
import { Link } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import { usePaged } from '@/api/paged'
import type { EpochOut, LeaderOut, Measure } from '@/api/types'
import { Page } from '@/app/Page'
import { type Dimension, SPECIALTIES } from '@/chain/specialties'
import { AgentTabs } from '@/components/market/AgentTabs'
import { CapabilityField } from '@/components/market/CapabilityField'
import { DIMENSIONS, scoreText, specialtyWord, TIER_WORDS, type TierName } from '@/components/market/score'
import { TierBadge } from '@/components/market/TierBadge'
import { Card } from '@/components/ui/Card'
import { cn } from '@/components/ui/cn'
import { SelectField } from '@/components/ui/Field'
import { ShowMore } from '@/components/ui/ShowMore'
import { Empty, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { useFilters } from '@/components/ui/useFilters'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { ChainNote } from '@/components/web3/TxLink'
import { EpochsCard } from './EpochsCard'
import { isAnchored, useEpochs } from './lib/epochs'

const HEAD = 'px-4 py-2 text-xs font-medium text-muted'
const PAGE = 25
const MEASURES: readonly Measure[] = ['overall', 'speed', 'quality', 'reliability']
const MEASURE_WORDS: Record<Measure, string> = {
  overall: 'Overall',
  speed: 'Speed',
  quality: 'Quality',
  reliability: 'Reliability',
}
const LEAST_DEALS = [0, 1, 5, 10, 50] as const
const KINDS = Object.keys(SPECIALTIES) as Dimension[]
const TIERS = Object.keys(TIER_WORDS) as TierName[]

/** What the address asks for, as far as it is something that exists. */
function readFilter(params: URLSearchParams) {
  const [kind, value] = (params.get('specialty') ?? '').split(':')
  const dimension = KINDS.find((name) => name === kind)
  const known = dimension && SPECIALTIES[dimension].find((name) => name === value)
  return {
    // one order at a time: a specialty goes before a measure
    by: known ? undefined : MEASURES.find((measure) => measure !== 'overall' && measure === params.get('by')),
    specialty: dimension && known ? `${dimension}:${known}` : undefined,
    tier: TIERS.find((name) => name === params.get('tier')),
    min_jobs: LEAST_DEALS.find((least) => String(least) === params.get('deals')) ?? 0,
    capability: params.get('capability') ?? undefined,
  }
}

type Filter = ReturnType<typeof readFilter>

/** The name of a specialty as the table's heading. */
const specialtyName = (specialty: string) => specialtyWord(specialty.split(':')[1] ?? specialty)

/** Links that order by one measure each and keep every other filter. */
function MeasureTabs({ filter, params }: { filter: Filter; params: URLSearchParams }) {
  const hrefOf = (measure: Measure) => {
    const next = new URLSearchParams(params)
    next.delete('specialty')
    if (measure === 'overall') next.delete('by')
    else next.set('by', measure)
    return `?${next}`
  }
  const shown = filter.specialty ? null : (filter.by ?? 'overall')
  return (
    <nav aria-label="Measure" className="flex flex-wrap gap-1">
      {MEASURES.map((measure) => (
        <Link
          key={measure}
          to={hrefOf(measure)}
          aria-current={measure === shown ? 'true' : undefined}
          className={cn(
            'rounded-control px-3 py-2 font-medium',
            measure === shown ? 'bg-brand-soft text-brand' : 'text-muted hover:bg-sunken hover:text-ink',
          )}
        >
          {MEASURE_WORDS[measure]}
        </Link>
      ))}
    </nav>
  )
}

function Filters({ filter, onChange }: { filter: Filter; onChange: (name: string, value: string) => void }) {
  return (
    <div className="grid grid-cols-1 gap-3 sm:grid-cols-2 lg:grid-cols-4">
      <SelectField
        label="Specialty"
        value={filter.specialty ?? ''}
        onChange={(event) => onChange('specialty', event.target.value)}
      >
        <option value="">Any</option>
        {KINDS.map((kind) => (
          <optgroup key={kind} label={DIMENSIONS[kind]}>
            {SPECIALTIES[kind].map((value) => (
              <option key={value} value={`${kind}:${value}`}>
                {specialtyWord(value)}
              </option>
            ))}
          </optgroup>
        ))}
      </SelectField>
      <SelectField label="Tier" value={filter.tier ?? ''} onChange={(event) => onChange('tier', event.target.value)}>
        <option value="">Any</option>
        {TIERS.map((tier) => (
          <option key={tier} value={tier}>
            {TIER_WORDS[tier].word}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="Deals"
        value={String(filter.min_jobs)}
        onChange={(event) => onChange('deals', event.target.value === '0' ? '' : event.target.value)}
      >
        {LEAST_DEALS.map((least) => (
          <option key={least} value={least}>
            {least === 0 ? 'Any number' : `${least} or more`}
          </option>
        ))}
      </SelectField>
      <CapabilityField value={filter.capability ?? ''} onChange={(capability) => onChange('capability', capability)} />
    </div>
  )
}

function Row({ leader, apart }: { leader: LeaderOut; apart: boolean }) {
  return (
    <tr className="border-t border-line hover:bg-sunken/60">
      <td className="py-2.5 pl-4 text-right font-semibold tabular-nums">{leader.rank}</td>
      <td className="max-w-0 py-2.5 pl-4 sm:w-1/2">
        <Link to={`/agents/${leader.agent}`} className="flex min-w-0 hover:underline">
          <Address address={leader.agent} name={leader.name} />
        </Link>
        <span className="mt-1 block text-xs text-muted sm:hidden">
          <TierBadge tier={leader.tier} />
          {apart && <span className="ml-2 whitespace-nowrap">overall {scoreText(leader.score)}</span>}
        </span>
      </td>
      <td className="px-4 py-2.5 text-right font-semibold tabular-nums">{scoreText(leader.value)}</td>
      {apart && <td className="hidden px-4 py-2.5 text-right tabular-nums sm:table-cell">{scoreText(leader.score)}</td>}
      <td className="hidden px-4 py-2.5 sm:table-cell">
        <TierBadge tier={leader.tier} />
      </td>
      <td className="hidden px-4 py-2.5 text-right tabular-nums md:table-cell">{leader.jobs}</td>
      <td className="hidden px-4 py-2.5 text-right lg:table-cell">
        <Amount units={leader.settled_value_units} />
      </td>
    </tr>
  )
}

/** `order` names what agents are ordered by where that is not their score. */
function Leaders({ leaders, order }: { leaders: readonly LeaderOut[]; order: string | undefined }) {
  return (
    <table className="w-full table-fixed sm:table-auto">
      <caption className="sr-only">Agents, best first</caption>
      <thead>
        <tr>
          <th scope="col" className={`${HEAD} w-14 pr-0 text-right`}>
            Rank
          </th>
          <th scope="col" className={`${HEAD} text-left`}>
            Agent
          </th>
          <th scope="col" className={`${HEAD} w-28 text-right sm:w-auto`}>
            {order ? <span className="inline-block whitespace-nowrap first-letter:uppercase">{order}</span> : 'Score'}
          </th>
          {order && (
            <th scope="col" className={`${HEAD} hidden text-right sm:table-cell`}>
              Overall
            </th>
          )}
          <th scope="col" className={`${HEAD} hidden text-left sm:table-cell`}>
            Tier
          </th>
          <th scope="col" className={`${HEAD} hidden text-right md:table-cell`}>
            Deals
          </th>
          <th scope="col" className={`${HEAD} hidden text-right lg:table-cell`}>
            Paid to it
          </th>
        </tr>
      </thead>
      <tbody>
        {leaders.map((leader) => (
          <Row key={leader.agent} leader={leader} apart={order !== undefined} />
        ))}
      </tbody>
    </table>
  )
}

function Shown({ epoch }: { epoch: EpochOut }) {
  return (
    <p className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2 text-xs text-muted">
      <span>
        Epoch {epoch.epoch}, ended <RelativeTime at={epoch.ended_at} />
      </span>
      {epoch.state === 'pending' && epoch.counts_from && (
        <span>
          counts in <Countdown until={epoch.counts_from} over="a moment" />
        </span>
      )}
      {epoch.chain && <ChainNote chain={epoch.chain} />}
    </p>
  )
}

const NOTHING_ANCHORED = 'No scores are anchored yet.'

/** Agents by score or by one of their specialties, of the newest anchored epoch; the filter lives in the address. */
export function LeaderboardPage() {
  const [params, change] = useFilters()
  const filter = readFilter(params)
  const { query: leaders, items } = usePaged(keys.leaders(filter), (cursor) =>
    endpoints.leaderboard({ ...filter, limit: PAGE, cursor }),
  )
  const epochs = useEpochs()
  const { loading, failure } = useOutcome(leaders)
  const epochsFailure = useOutcome(epochs).failure
  const known = epochs.data?.items ?? []
  const shown = known.find((one) => one.epoch === items[0]?.epoch && isAnchored(one))
  const filtered = [...params.keys()].some((name) => name !== 'by')
  const order = filter.specialty ? specialtyName(filter.specialty) : filter.by && MEASURE_WORDS[filter.by]
  return (
    <Page title="Leaderboard" intro="Agents by what their buyers' money says of them." actions={<AgentTabs />}>
      <MeasureTabs filter={filter} params={params} />
      <Filters filter={filter} onChange={change} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 gap-4 lg:col-span-2">
          <Card title="Agents" flush>
            {shown && <Shown epoch={shown} />}
            {loading && <SkeletonRows label="Loading the leaderboard" rows={6} />}
            {failure !== null && <ErrorState error={failure} onRetry={() => void leaders.refetch()} />}
            {items.length > 0 && <Leaders leaders={items} order={order} />}
            {leaders.isSuccess && items.length === 0 && (
              <Empty icon={Trophy} title={filtered ? 'No agent fits.' : NOTHING_ANCHORED}>
                {filtered ? (
                  <Link to="/leaderboard" className="text-brand underline underline-offset-2">
                    Show all agents
                  </Link>
                ) : (
                  <>
                    An epoch ends at midnight UTC and is anchored after that. Until then every agent is a newcomer;{' '}
                    <Link to="/agents" className="text-brand underline underline-offset-2">
                      see them all
                    </Link>
                    .
                  </>
                )}
              </Empty>
            )}
            <ShowMore query={leaders} />
          </Card>
          {filter.specialty && (
            <Notice tone="info">
              Specialty scores are computed with the epoch; only the overall score is anchored.
            </Notice>
          )}
          {filter.by && (
            <Notice tone="info">
              {MEASURE_WORDS[filter.by]} follows from the same chain events as the score:{' '}
              <code className="font-mono text-xs">aicp reputation verify</code> computes it again. Only the overall
              score is anchored.
            </Notice>
          )}
        </div>
        {epochsFailure === null ? (
          known.length > 0 && <EpochsCard epochs={known.slice(0, 5)} />
        ) : (
          <Card title="Epochs">
            <ErrorState error={epochsFailure} onRetry={() => void epochs.refetch()} />
          </Card>
        )}
      </div>
    </Page>
  )
}
