import type { AgentOut } from '@/api/types'
import { formatRate } from '@/chain/amount'
import { Explained } from '@/components/ui/Explained'

function Measure({ text, measured }: { text: string; measured: boolean }) {
  if (measured) return <span className="tabular-nums">{text}</span>
  return (
    <span className="whitespace-nowrap text-muted tabular-nums">
      {text}{' '}
      <Explained text="Nothing is measured yet; used for routing only.">
        <span className="rounded-full border border-line px-1.5 text-[11px]">default</span>
      </Explained>
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
