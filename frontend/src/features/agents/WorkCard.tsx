import { useQuery } from '@tanstack/react-query'
import type { Address as Account } from 'viem'
import { isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import type { AgentOut, BreakerOut } from '@/api/types'
import { BREAKER_STATES } from '@/components/market/breakers'
import { factorText } from '@/components/market/score'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { Explained } from '@/components/ui/Explained'
import { Facts } from '@/components/ui/Facts'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { Availability } from './Availability'
import { ResponseTime, SuccessRate } from './Measured'

function Breaker({ breaker }: { breaker: BreakerOut | undefined }) {
  if (!breaker) return <Badge tone="ok">never failed</Badge>
  const { tone, word, sentence } = BREAKER_STATES[breaker.state]
  return (
    <span className="inline-flex flex-wrap items-center justify-end gap-2">
      {breaker.failures > 0 && (
        <span className="text-xs text-muted">{counted(breaker.failures, 'failure')} in a row</span>
      )}
      {breaker.retry_at && (
        <span className="text-xs text-muted">
          tried again in <Countdown until={breaker.retry_at} over="a moment" />
        </span>
      )}
      <Explained text={sentence}>
        <Badge tone={tone}>{word}</Badge>
      </Explained>
    </span>
  )
}

/** The circuit breaker of an agent's server; there is none for a server that has never failed. */
function useBreaker(agent: string) {
  const polling = usePolling()
  const breakers = useQuery({ queryKey: keys.breakers, queryFn: endpoints.breakers, refetchInterval: polling })
  const mine = breakers.data?.find(
    ({ kind, id }) => kind === 'agent' && isAddressEqual(id as Account, agent as Account),
  )
  return { known: breakers.isSuccess, failed: breakers.isError, mine }
}

/** Whether the agent is there, how busy it is, how well it does and whether its server answers. */
export function WorkCard({ agent }: { agent: AgentOut }) {
  const breaker = useBreaker(agent.address)
  return (
    <Card title="Work" aside={<Availability agent={agent} />}>
      {agent.suspension && (
        <p className="mb-3 text-sm">
          Suspended <RelativeTime at={agent.suspension.since} /> by the operator: {agent.suspension.reason}
        </p>
      )}
      <Facts
        facts={[
          ['Last heard', agent.last_heartbeat ? <RelativeTime key="heard" at={agent.last_heartbeat} /> : 'never'],
          ['Running', `${agent.running_tasks} of ${agent.capacity}`],
          ['Completed', String(agent.completed_tasks)],
          ['Failed', String(agent.failed_tasks)],
          ['Success rate, all deals', <SuccessRate key="rate" agent={agent} />],
          ['Response time', <ResponseTime key="response" agent={agent} />],
          ['Lowest price', <Amount key="floor" units={agent.price_floor_units} />],
          ['Price multiplier', `× ${factorText(agent.multiplier_bps)}`],
          ...(agent.industry ? [['Industry', agent.industry] as [string, string]] : []),
          ...(agent.region ? [['Region', agent.region] as [string, string]] : []),
          [
            'Circuit breaker',
            breaker.known ? (
              <Breaker key="breaker" breaker={breaker.mine} />
            ) : (
              <span key="breaker" className="text-muted">
                {breaker.failed ? 'not known' : 'reading…'}
              </span>
            ),
          ],
        ]}
      />
    </Card>
  )
}
