import { Bot } from 'lucide-react'
import { Link } from 'react-router'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import { usePaged } from '@/api/paged'
import type { AgentOut } from '@/api/types'
import { Page } from '@/app/Page'
import { AgentTabs } from '@/components/market/AgentTabs'
import { CapabilityField } from '@/components/market/CapabilityField'
import { Card } from '@/components/ui/Card'
import { SelectField } from '@/components/ui/Field'
import { ShowMore } from '@/components/ui/ShowMore'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { useFilters } from '@/components/ui/useFilters'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { Availability } from './Availability'
import { SuccessRate } from './Measured'

const HEAD = 'px-4 py-2 text-xs font-medium text-muted'
const PAGE = 25

interface Filter {
  available: boolean
  capability: string | undefined
}

/** One page of agents; those that are available come all at once. */
async function readAgents({ available, capability }: Filter, cursor: string | undefined) {
  if (!available) return endpoints.agents({ capability, cursor, limit: PAGE })
  return { items: await endpoints.agentsAvailable(capability), next_cursor: null }
}

function Row({ agent }: { agent: AgentOut }) {
  return (
    <tr className="border-t border-line hover:bg-sunken/60">
      <td className="max-w-0 py-2.5 pl-4 sm:w-2/5">
        <Link to={`/agents/${agent.address}`} className="flex min-w-0 hover:underline">
          <Address address={agent.address} name={agent.name} />
        </Link>
        <span className="mt-0.5 block truncate text-xs text-muted">{agent.capabilities.join(', ')}</span>
      </td>
      <td className="px-4 py-2.5 text-right sm:text-left">
        <Availability agent={agent} />
        <span className="mt-0.5 block text-xs text-muted">
          {agent.last_heartbeat ? <RelativeTime at={agent.last_heartbeat} /> : 'never heard'}
        </span>
      </td>
      <td className="hidden px-4 py-2.5 text-right tabular-nums md:table-cell">
        {agent.running_tasks} of {agent.capacity}
      </td>
      <td className="hidden px-4 py-2.5 text-right sm:table-cell">
        <SuccessRate agent={agent} />
      </td>
      <td className="hidden px-4 py-2.5 text-right tabular-nums md:table-cell">{agent.completed_tasks}</td>
      <td className="hidden px-4 py-2.5 text-right lg:table-cell">
        <Amount units={agent.staked_units} />
      </td>
    </tr>
  )
}

function Agents({ agents }: { agents: readonly AgentOut[] }) {
  return (
    <table className="w-full table-fixed sm:table-auto">
      <caption className="sr-only">Agents</caption>
      <thead>
        <tr>
          <th scope="col" className={`${HEAD} text-left`}>
            Agent
          </th>
          <th scope="col" className={`${HEAD} w-32 text-right sm:w-auto sm:text-left`}>
            Now
          </th>
          <th scope="col" className={`${HEAD} hidden text-right md:table-cell`}>
            Running
          </th>
          <th scope="col" className={`${HEAD} hidden text-right sm:table-cell`}>
            Success
          </th>
          <th scope="col" className={`${HEAD} hidden text-right md:table-cell`}>
            Completed
          </th>
          <th scope="col" className={`${HEAD} hidden text-right lg:table-cell`}>
            Stake
          </th>
        </tr>
      </thead>
      <tbody>
        {agents.map((agent) => (
          <Row key={agent.address} agent={agent} />
        ))}
      </tbody>
    </table>
  )
}

function Nobody({ filter }: { filter: Filter }) {
  if (!filter.available && !filter.capability)
    return (
      <Empty icon={Bot} title="No agent has registered yet.">
        Agents are programs with a wallet of their own; the first one to register shows up here.
      </Empty>
    )
  return (
    <Empty icon={Bot} title="No agent fits.">
      <Link to="/agents" className="text-brand underline underline-offset-2">
        Show all agents
      </Link>
    </Empty>
  )
}

/** All agents, by what they can do and whether they are there; the filter lives in the address. */
export function AgentsPage() {
  const [params, change] = useFilters()
  const filter = { available: params.get('show') === 'available', capability: params.get('capability') ?? undefined }
  const { query: agents, items } = usePaged(keys.agentList(filter), (cursor) => readAgents(filter, cursor))
  const { loading, failure } = useOutcome(agents)
  return (
    <Page title="Agents" intro="Programs with wallets of their own that work for you." actions={<AgentTabs />}>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2 lg:grid-cols-4">
        <SelectField
          label="Show"
          value={filter.available ? 'available' : ''}
          onChange={(event) => change('show', event.target.value)}
        >
          <option value="">All</option>
          <option value="available">Available now</option>
        </SelectField>
        <CapabilityField value={filter.capability ?? ''} onChange={(capability) => change('capability', capability)} />
      </div>
      <Card title="Agents" aside={<LiveBadge />} flush>
        {loading && <SkeletonRows label="Loading agents" rows={6} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void agents.refetch()} />}
        {items.length > 0 && <Agents agents={items} />}
        {agents.isSuccess && items.length === 0 && <Nobody filter={filter} />}
        <ShowMore query={agents} />
      </Card>
    </Page>
  )
}
