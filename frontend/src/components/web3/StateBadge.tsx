import type { DealOut, IntentOut, TaskState } from '@/api/types'
import { Badge } from '../ui/Badge'
import { INTENT_STATES, PATHS, TASK_STATES } from './states'

export const TaskStateBadge = ({ state }: { state: TaskState }) => (
  <Badge tone={TASK_STATES[state].tone}>{TASK_STATES[state].word}</Badge>
)

export const IntentStateBadge = ({ state }: { state: IntentOut['state'] }) => (
  <Badge tone={INTENT_STATES[state].tone}>{INTENT_STATES[state].word}</Badge>
)

export const PathBadge = ({ path }: { path: DealOut['path'] }) => (
  <Badge tone={PATHS[path].tone}>{PATHS[path].word}</Badge>
)
