import { useQuery } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { BidOut, CommitOut, TaskOut } from '@/api/types'
import { Card } from '@/components/ui/Card'
import { ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'
import { historyOf } from './lib/history'

interface HistoryCardProps {
  task: TaskOut
  bids: readonly BidOut[]
  commits: readonly CommitOut[]
}

/** What happened in the auction, oldest first. */
export function HistoryCard({ task, bids, commits }: HistoryCardProps) {
  const moves = useQuery({ queryKey: keys.taskHistory(task.id), queryFn: () => endpoints.taskHistory(task.id) })
  const { loading, failure } = useOutcome(moves)
  return (
    <Card title="History">
      {loading && <SkeletonRows label="Loading the history" rows={3} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void moves.refetch()} />}
      {moves.data && (
        <ol aria-label="History" className="grid grid-cols-1 gap-2">
          {historyOf(moves.data, bids, commits).map((item) => (
            <li key={item.key} className="flex flex-wrap items-baseline justify-between gap-x-3">
              <span className="min-w-0 break-words">{item.sentence}</span>
              <span className="text-xs text-muted">
                <RelativeTime at={item.at} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}
