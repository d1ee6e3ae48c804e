import type { Address } from 'viem'
import { useOutcome } from '@/api/outcome'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Facts } from '@/components/ui/Facts'
import { ErrorState, SkeletonRows } from '@/components/ui/States'
import { Countdown } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { useStanding } from './lib/onChain'

/** The agent's stake as the contract has it: what a failure can cost. */
export function StakeCard({ agent }: { agent: Address }) {
  const standing = useStanding(agent)
  const { data } = standing
  const { loading, failure } = useOutcome(standing)
  return (
    <Card title="Stake" aside={<Badge tone="chain">on chain</Badge>}>
      {loading && <SkeletonRows label="Reading the stake" rows={2} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void standing.refetch()} />}
      {data && (
        <div className="grid grid-cols-1 gap-3">
          <Facts
            facts={[
              ['Staked', <Amount key="staked" units={data.stake.staked} className="font-semibold" />],
              ['Behind running deals', <Amount key="locked" units={data.stake.locked} />],
              ['Free', <Amount key="free" units={data.stake.staked - data.stake.locked} />],
              ...(data.asked > 0n
                ? ([
                    [
                      'Asked back',
                      <span key="asked">
                        <Amount units={data.asked} />, paid out in{' '}
                        <Countdown until={data.stake.unbondAt} over="a moment" />
                      </span>,
                    ],
                  ] as const)
                : []),
            ]}
          />
          <p className="text-xs text-muted">
            20% of the price of every escrow is locked. A task given back costs 10% of that, a missed one 50%, a lost
            dispute all of it.
          </p>
        </div>
      )}
    </Card>
  )
}
