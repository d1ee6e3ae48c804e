import { Link } from 'react-router'
import type { TaskOut } from '@/api/types'
import { Badge } from '../ui/Badge'
import { counted } from '../ui/counted'
import { Countdown, useServerNow } from '../ui/Time'
import { Amount, amountText } from '../web3/Amount'
import { TaskPathBadge, TaskStateBadge } from '../web3/StateBadge'

const HEAD = 'px-4 py-2 text-xs font-medium text-muted'

const endsMs = (task: TaskOut) => Date.parse(task.auction_ends_at)

/** Tasks that take bids first, then those whose auction is over and that wait for their buyer; else as they came. */
export function liveFirst(tasks: readonly TaskOut[], nowMs: number): TaskOut[] {
  const over = (task: TaskOut) => Number(task.state === 'open' && endsMs(task) <= nowMs)
  return [...tasks].sort((a, b) => over(a) - over(b))
}

/** What is particular about an auction, behind what is said of all. */
function kindText({ reveal_ends_at, award_weights, buy_now_units, buy_now_signed }: TaskOut): string {
  const words = [
    ...(reveal_ends_at ? ['sealed'] : []),
    ...(award_weights ? ['by rule'] : []),
    ...(buy_now_units && buy_now_signed ? [`buy now ${amountText(buy_now_units)}`] : []),
  ]
  return words.map((word) => ` · ${word}`).join('')
}

function Ends({ task }: { task: TaskOut }) {
  const now = useServerNow()
  if (task.state !== 'open') return <TaskStateBadge state={task.state} />
  if (endsMs(task) > now * 1000) return <Countdown until={task.auction_ends_at} over="a moment" />
  return task.bid_count > 0 ? <Badge tone="warn">Auction ended</Badge> : <Badge tone="neutral">Closing</Badge>
}

function Row({ task }: { task: TaskOut }) {
  return (
    <tr className="border-t border-line hover:bg-sunken/60">
      <td className="max-w-0 py-2.5 pl-4 sm:w-1/2 sm:pr-4">
        <Link to={`/tasks/${task.id}`} className="block truncate font-medium hover:underline">
          {task.title}
        </Link>
        <span className="block truncate text-xs text-muted">
          {task.capability} · {counted(task.bid_count, 'bid')}
          {kindText(task)}
        </span>
        {/* a line of its own: whether a task waits for its buyer must not be cut off */}
        <span className="mt-1 block text-xs sm:hidden">
          <Ends task={task} />
        </span>
      </td>
      <td className="hidden px-4 py-2.5 md:table-cell">
        <TaskPathBadge task={task} />
      </td>
      <td className="hidden px-4 py-2.5 text-right sm:table-cell">
        <Amount units={task.budget_units} />
      </td>
      <td className="px-4 py-2.5 text-right">
        {task.best_bid_units === null ? (
          <span className="text-muted">none yet</span>
        ) : (
          <Amount units={task.best_bid_units} />
        )}
      </td>
      <td className="hidden px-4 py-2.5 text-right sm:table-cell">
        <Ends task={task} />
      </td>
    </tr>
  )
}

/** Tasks as rows: title, how they are paid, budget, best bid and the time left. */
export function AuctionTable({ tasks, caption }: { tasks: readonly TaskOut[]; caption: string }) {
  return (
    <table className="w-full table-fixed sm:table-auto">
      <caption className="sr-only">{caption}</caption>
      <thead>
        <tr>
          <th scope="col" className={`${HEAD} text-left`}>
            Task
          </th>
          <th scope="col" className={`${HEAD} hidden text-left md:table-cell`}>
            Paid
          </th>
          <th scope="col" className={`${HEAD} hidden text-right sm:table-cell`}>
            Budget
          </th>
          <th scope="col" className={`${HEAD} w-32 text-right sm:w-auto`}>
            Best bid
          </th>
          <th scope="col" className={`${HEAD} hidden text-right sm:table-cell`}>
            Ends
          </th>
        </tr>
      </thead>
      <tbody>
        {tasks.map((task) => (
          <Row key={task.id} task={task} />
        ))}
      </tbody>
    </table>
  )
}
