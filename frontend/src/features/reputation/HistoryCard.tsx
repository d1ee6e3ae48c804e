import { LineChart as ChartIcon } from 'lucide-react'
import { useOutcome } from '@/api/outcome'
import { scoreText } from '@/components/market/score'
import { AsTable } from '@/components/ui/AsTable'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { LineChart } from '@/components/ui/LineChart'
import { Empty, ErrorState, Notice, Skeleton } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { type PastScore, useScoreHistory } from './lib/history'
import { scoreTicks } from './lib/ticks'

const dateText = (at: string) =>
  new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** What became of the trees of the epochs shown, in a sentence. */
function Proven({ points, unread }: { points: readonly PastScore[]; unread: boolean }) {
  const wrong = points.filter(({ proven }) => proven === false).map(({ epoch }) => epoch)
  if (wrong.length > 0)
    return (
      <Notice tone="bad">
        The published scores of epoch {wrong.join(', ')} do not give this score under the root that was anchored.
      </Notice>
    )
  const proven = points.filter((point) => point.proven).length
  return (
    <p className="text-xs text-muted">
      {proven === 0
        ? unread
          ? 'The published scores could not be read, so this page has proven none of these.'
          : 'The published scores are being read…'
        : `This page has built the ${proven === 1 ? 'tree of the newest epoch' : `trees of the newest ${proven} epochs`} again and got the anchored root${proven === 1 ? '' : 's'}.`}
    </p>
  )
}

function History({ points, unread }: { points: readonly PastScore[]; unread: boolean }) {
  const [first, last] = [points[0], points.at(-1)]
  const dateOf = new Map(points.map(({ epoch, ended_at }) => [epoch, dateText(ended_at)]))
  return (
    <>
      <LineChart
        label={`Scores of ${points.length} epochs, from ${scoreText(first?.score ?? 0)} to ${scoreText(last?.score ?? 0)}.`}
        ticks={scoreTicks(points.map(({ score }) => score))}
        yText={(y) => String(y / 100)}
        xText={(epoch) => dateOf.get(epoch) ?? String(epoch)}
        series={[{ name: 'Score', look: 'line', points: points.map(({ epoch, score }) => ({ x: epoch, y: score })) }]}
      />
      <Proven points={points} unread={unread} />
      <div className="overflow-x-auto">
        <AsTable
          caption="Scores by epoch"
          head={['Epoch', 'Ended', 'Score', 'Speed', 'Quality', 'Reliability', 'Deals', 'Value']}
          rows={points.map(
            (one) =>
              [
                String(one.epoch),
                dateText(one.ended_at),
                scoreText(one.score),
                scoreText(one.speed),
                scoreText(one.quality),
                scoreText(one.reliability),
                one.jobs,
                amountText(one.settled_value_units),
              ] as const,
          )}
        />
      </div>
    </>
  )
}

/** The agent's scores epoch by epoch. */
export function HistoryCard({ agent }: { agent: string }) {
  const { history, points, unread } = useScoreHistory(agent)
  const { loading, failure } = useOutcome(history)
  return (
    <Card title="History" aside={points.length > 0 && <Badge tone="chain">anchored</Badge>}>
      {loading && (
        <div role="status">
          <span className="sr-only">Loading the history</span>
          <Skeleton className="h-48" />
        </div>
      )}
      {failure !== null && <ErrorState error={failure} onRetry={() => void history.refetch()} />}
      {history.isSuccess && points.length === 0 && (
        <Empty icon={ChartIcon} title="No history yet.">
          Scores are anchored once a day; the first one of this agent begins the line.
        </Empty>
      )}
      <div className="grid grid-cols-1 gap-3">
        {points.length > 0 && <History points={points} unread={unread} />}
        {history.hasNextPage && (
          <Button tone="secondary" busy={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
            Show older epochs
          </Button>
        )}
      </div>
    </Card>
  )
}
