import type { Address } from 'viem'
import { timeForgivenBps } from '@/chain/recovery'
import { Card } from '@/components/ui/Card'
import { Meter } from '@/components/ui/Meter'
import { RelativeTime, useServerNow } from '@/components/ui/Time'
import { lastFailure, useDecided } from './lib/onChain'
import { OUTCOME_WORDS } from './lib/words'

const MOST_BY_TIME = 5_000

/** How far the agent has got over its last failure; not shown for who has none. */
export function RecoveryCard({ agent }: { agent: Address }) {
  const now = useServerNow()
  const { data } = useDecided(agent)
  const failure = data && lastFailure(data)
  if (!failure || failure.closedAt === null) return null
  const bps = timeForgivenBps(failure.closedAt, now)
  return (
    <Card title="Recovery">
      <div className="grid grid-cols-1 gap-3">
        <p className="text-muted">
          {OUTCOME_WORDS[failure.outcome].word} <RelativeTime at={new Date(failure.closedAt * 1000).toISOString()} />,
          and nothing has gone wrong since.
        </p>
        <Meter label="Forgiven by time" text={`${bps / 100} % of 50 %`} share={bps / MOST_BY_TIME} />
        <p className="text-xs text-muted">
          A failure weighs less day by day for 30 days without another one. Each full witness whose later deal went well
          and was worth as much takes off another 10 % (at most 30 %), each agent that vouches 10 % (at most 20 %). A
          lost dispute never weighs less than half.
        </p>
      </div>
    </Card>
  )
}
