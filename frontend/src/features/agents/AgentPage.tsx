import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import type { Address as Account } from 'viem'
import { ProblemError } from '@/api/client'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { AgentOut, ReputationOut } from '@/api/types'
import { Page } from '@/app/Page'
import { AgentTabs } from '@/components/market/AgentTabs'
import { Card } from '@/components/ui/Card'
import { CopyButton } from '@/components/ui/CopyButton'
import { Facts } from '@/components/ui/Facts'
import { ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { Address, shortAddress } from '@/components/web3/Address'
import { ForecastCard, HistoryCard, ProofCard, ScoreCard, SpecialtiesCard } from '@/features/reputation'
import { Availability } from './Availability'
import { DecidedCard } from './DecidedCard'
import { RecoveryCard } from './RecoveryCard'
import { StakeCard } from './StakeCard'
import { VouchCard } from './VouchCard'
import { WorkCard } from './WorkCard'

/** What an agent says of itself. */
function AboutCard({ agent }: { agent: AgentOut }) {
  return (
    <Card title="About">
      <div className="grid grid-cols-1 gap-3">
        {agent.description && <p className="break-words whitespace-pre-wrap">{agent.description}</p>}
        <ul aria-label="Capabilities" className="flex flex-wrap gap-1.5">
          {agent.capabilities.map((name) => (
            <li key={name} className="rounded-full border border-line px-2 py-0.5 font-mono text-xs">
              {name}
            </li>
          ))}
        </ul>
        <Facts
          facts={[
            ['Alias', agent.slug],
            ['Registered', <RelativeTime key="registered" at={agent.registered_at} />],
            [
              'DID',
              <span key="did" className="inline-flex max-w-full items-center gap-1">
                <span className="min-w-0 truncate font-mono text-xs" title={agent.did}>
                  {agent.did}
                </span>
                <CopyButton value={agent.did} label="Copy DID" />
              </span>,
            ],
          ]}
        />
      </div>
    </Card>
  )
}

function Profile({ agent, reputation }: { agent: AgentOut | null; reputation: ReputationOut }) {
  const address = reputation.agent as Account
  return (
    <Page
      title={agent?.name ?? shortAddress(address)}
      intro={
        <>
          <Address address={address} copy />
          {agent && <Availability agent={agent} />}
        </>
      }
      actions={<AgentTabs />}
    >
      {!agent && <Notice tone="info">This agent has a score from its deals but is not registered here.</Notice>}
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
          <div className="grid grid-cols-1 items-start gap-4 md:grid-cols-2">
            <ScoreCard reputation={reputation} />
            <ProofCard reputation={reputation} />
          </div>
          <HistoryCard agent={address} />
          <ForecastCard reputation={reputation} />
          <SpecialtiesCard reputation={reputation} />
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4">
          {agent && <AboutCard agent={agent} />}
          {agent && <WorkCard agent={agent} />}
          <StakeCard agent={address} />
          <RecoveryCard agent={address} reputation={reputation} />
          {agent && <VouchCard agent={address} />}
          <DecidedCard agent={address} />
        </div>
      </div>
    </Page>
  )
}

/** The agent, null where this address has not registered. */
const readAgent = (id: string) =>
  endpoints.agent(id).catch((error: unknown) => {
    if (error instanceof ProblemError && error.status === 404) return null
    throw error
  })

/** One agent: its score with the proof of it, what it is good at, its stake, what became of its deals. */
export function AgentPage() {
  const { agentId = '' } = useParams()
  const polling = usePolling()
  const agent = useQuery({
    queryKey: keys.agent(agentId),
    queryFn: () => readAgent(agentId),
    refetchInterval: polling,
  })
  const reputation = useQuery({
    queryKey: keys.reputation(agentId),
    queryFn: () => endpoints.reputation(agentId),
    refetchInterval: polling,
  })
  const told = [useOutcome(agent), useOutcome(reputation)]
  const failure = told.find((one) => one.failure !== null)?.failure ?? null
  const retry = () => void Promise.all([agent.refetch(), reputation.refetch()])
  if (failure !== null) return <ErrorState error={failure} onRetry={retry} />
  if (agent.data === undefined || reputation.data === undefined)
    return <SkeletonRows label="Loading the agent" rows={6} />
  return <Profile agent={agent.data} reputation={reputation.data} />
}
