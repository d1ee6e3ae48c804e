import type { AgentOut } from '@/api/types'
import { formatRate } from '@/chain/amount'

function Measure({ text, measured }: { text: string; measured: boolean }) {
  if (measured) return <span className="tabular-nums">{text}</span>
  return (
    <span className="whitespace-nowrap text-muted tabular-nums" title="Nothing is measured yet; used for routing only.">
      {text} <span className="rounded-full border border-line px-1.5 text-[11px]">default</span>
    </span>
  )
}

/** The share of decided deals that went well; until there are some it is a default, and says so. */
export const SuccessRate = ({ agent }: { agent: AgentOut }) => (
  <Measure text={formatRate(agent.success_rate_bps)} measured={agent.success_rate_measured} />
)

/** How long its server takes to answer; until it was called it is a default, and says so. */
export const ResponseTime = ({ agent }: { agent: AgentOut }) => (
  <Measure text={`${agent.response_ms} ms`} measured={agent.response_measured} />
)
