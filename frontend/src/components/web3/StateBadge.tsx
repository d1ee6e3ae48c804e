import type { IntentOut, TaskOut, TaskState } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { chooseAtBudget } from '@/chain/route'
import { Badge } from '../ui/Badge'
import { amountText } from './Amount'
import { INTENT_STATES, PATHS, TASK_STATES } from './states'

export const TaskStateBadge = ({ state }: { state: TaskState }) => (
  <Badge tone={TASK_STATES[state].tone}>{TASK_STATES[state].word}</Badge>
)

export const IntentStateBadge = ({ state }: { state: IntentOut['state'] }) => (
  <Badge tone={INTENT_STATES[state].tone}>{INTENT_STATES[state].word}</Badge>
)

export const PathBadge = ({ path }: { path: keyof typeof PATHS }) => (
  <Badge tone={PATHS[path].tone}>{PATHS[path].word}</Badge>
)

/** How a task will be paid, as far as it is known before a bid is accepted; nothing once another fact has decided. */
export function TaskPathBadge({ task, explain = false }: { task: TaskOut; explain?: boolean }) {
  const { constants } = useNetwork()
  const { path } = chooseAtBudget(
    {
      priceUnits: BigInt(task.budget_units),
      taskEscrowOnly: task.escrow_only,
      bidEscrowOnly: false,
      deliverWithinSeconds: task.deliver_within_seconds,
    },
    constants,
  )
  const open = task.state === 'open' || task.state === 'revealing'
  if (path === 'either' && !open) return null
  return (
    <>
      <PathBadge path={path} />
      {explain && path === 'either' && <span>{amountText(constants.threshold_units)} or more is paid on chain</span>}
    </>
  )
}
