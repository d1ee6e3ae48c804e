import { ListChecks } from 'lucide-react'
import type { Address } from 'viem'
import { useOutcome } from '@/api/outcome'
import { OUTCOME_WORDS } from '@/components/market/outcomes'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { Amount, amountText } from '@/components/web3/Amount'
import { TxLink } from '@/components/web3/TxLink'
import { type Decided, type Slash, useDecided, useStanding } from './lib/onChain'

const LISTED = 10

const timeOf = (seconds: number) => new Date(seconds * 1000).toISOString()

function slashSentence({ units, toBuyer, toPool }: Slash): string {
  const shares = [
    ...(toBuyer > 0n ? [`${amountText(toBuyer)} to the buyer`] : []),
    ...(toPool > 0n ? [`${amountText(toPool)} to the bonus pool`] : []),
  ]
  return `${amountText(units)} of its stake lost: ${shares.join(', ')}`
}

function Row({ decided }: { decided: Decided }) {
  const { tone, word } = OUTCOME_WORDS[decided.outcome]
  return (
    <li className="grid gap-1 border-t border-line px-4 py-3 first:border-0">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <Badge tone={tone}>{word}</Badge>
        <Amount units={decided.settledUnits} />
      </div>
      {decided.slash && <p className="text-xs text-bad">{slashSentence(decided.slash)}</p>}
      <p className="flex flex-wrap items-center gap-x-2 text-xs text-muted">
        {decided.closedAt !== null && <RelativeTime at={timeOf(decided.closedAt)} />}
        <span>block {decided.blockNumber.toString()}</span>
        <TxLink hash={decided.txHash} />
      </p>
    </li>
  )
}

function Counts({ agent }: { agent: Address }) {
  const { data } = useStanding(agent)
  if (!data) return null
  const { completed, failed, lost, disputed, settledValue } = data.record
  const counts: [string, number][] = [
    ['completed', completed],
    ['failed', failed],
    ['disputed', disputed],
    ['lost', lost],
  ]
  return (
    <p className="flex flex-wrap gap-x-3 gap-y-1 border-b border-line px-4 py-2 text-xs text-muted">
      {counts.map(([word, count]) => (
        <span key={word}>
          <b className="text-ink tabular-nums">{count}</b> {word}
        </span>
      ))}
      <span>
        <b className="text-ink">{amountText(settledValue)}</b> earned
      </span>
    </p>
  )
}

/** The escrows of the agent that are decided, and what failures cost it. */
export function DecidedCard({ agent }: { agent: Address }) {
  const outcomes = useDecided(agent)
  const { data } = outcomes
  const { loading, failure } = useOutcome(outcomes)
  return (
    <Card title="Decided deals" aside={<Badge tone="chain">on chain</Badge>} flush>
      <Counts agent={agent} />
      {loading && <SkeletonRows label="Reading the outcomes" />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void outcomes.refetch()} />}
      {data?.length === 0 && (
        <Empty icon={ListChecks} title="No escrow of this agent is decided yet.">
          Deals paid off-chain are not listed and are in no score.
        </Empty>
      )}
      {data && data.length > 0 && (
        <ul aria-label="Decided deals, newest first">
          {data.slice(0, LISTED).map((decided) => (
            <Row key={decided.escrowId} decided={decided} />
          ))}
        </ul>
      )}
      {data && data.length > LISTED && (
        <p className="border-t border-line px-4 py-2 text-xs text-muted">and {data.length - LISTED} earlier ones</p>
      )}
    </Card>
  )
}
