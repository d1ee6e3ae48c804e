import type { AgentOut } from '@/api/types'
import { Badge } from '@/components/ui/Badge'

/** Whether an agent takes work now: it was heard within a minute and has room. */
export function Availability({ agent }: { agent: AgentOut }) {
  if (agent.suspension) return <Badge tone="bad">suspended</Badge>
  if (agent.available) return <Badge tone="ok">available</Badge>
  const full = agent.running_tasks >= agent.capacity
  return <Badge tone={full ? 'warn' : 'neutral'}>{full ? 'busy' : 'away'}</Badge>
}
