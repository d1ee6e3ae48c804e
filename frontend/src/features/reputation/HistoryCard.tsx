import { LineChart as ChartIcon } from 'lucide-react'
import { scoreText } from '@/components/market/score'
import { AsTable } from '@/components/ui/AsTable'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { LineChart } from '@/components/ui/LineChart'
import { Empty, ErrorState, Notice, Skeleton } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { type PastScore, useScoreHistory } from './lib/history'
import { scoreTicks } from './lib/ticks'

const dateText = (at: string) =>
  new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function History({ points }: { points: readonly PastScore[] }) {
  const [first, last] = [points[0], points.at(-1)]
  const wrong = points.filter(({ proven }) => !proven).map(({ epoch }) => epoch)
  const dateOf = new Map(points.map(({ epoch, endedAt }) => [epoch, dateText(endedAt)]))
  return (
    <div className="grid grid-cols-1 gap-3">
      <LineChart
        label={`Scores of ${points.length} epochs, from ${scoreText(first?.score ?? 0)} to ${scoreText(last?.score ?? 0)}.`}
        ticks={scoreTicks(points.map(({ score }) => score))}
        yText={(y) => String(y / 100)}
        xText={(epoch) => dateOf.get(epoch) ?? String(epoch)}
        series={[{ name: 'Score', look: 'line', points: points.map(({ epoch, score }) => ({ x: epoch, y: score })) }]}
      />
      {wrong.length > 0 ? (
        <Notice tone="bad">
          The published scores of epoch {wrong.join(', ')} do not give the root that was anchored.
        </Notice>
      ) : (
        <p className="text-xs text-muted">
          Read from the published scores of {points.length === 1 ? 'one epoch' : `${points.length} epochs`}; this page
          has built each tree again and got the anchored root.
        </p>
      )}
      <AsTable
        caption="Scores by epoch"
        head={['Epoch', 'Ended', 'Score', 'Deals', 'Value']}
        rows={points.map(
          ({ epoch, endedAt, score, jobs, settledUnits }) =>
            [String(epoch), dateText(endedAt), scoreText(score), jobs, amountText(settledUnits)] as const,
        )}
      />
    </div>
  )
}

/** The agent's scores of the last epochs. */
export function HistoryCard({ agent }: { agent: string }) {
  const { points, loading, error, retry } = useScoreHistory(agent)
  return (
    <Card title="History" aside={points.length > 0 && <Badge tone="chain">anchored</Badge>}>
      {loading ? (
        <div role="status">
          <span className="sr-only">Loading the history</span>
          <Skeleton className="h-48" />
        </div>
      ) : error ? (
        <ErrorState error={error} onRetry={retry} />
      ) : points.length === 0 ? (
        <Empty icon={ChartIcon} title="No history yet.">
          Scores are anchored once a day; the first one of this agent begins the line.
        </Empty>
      ) : (
        <History points={points} />
      )}
    </Card>
  )
}
