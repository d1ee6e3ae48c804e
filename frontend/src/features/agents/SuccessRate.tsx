import type { AgentOut } from '@/api/types'

/** The share of decided deals that went well; until there are some it is a default, and says so. */
export function SuccessRate({ agent }: { agent: AgentOut }) {
  const text = `${agent.success_rate_bps / 100} %`
  if (agent.success_rate_measured) return <span className="tabular-nums">{text}</span>
  return (
    <span className="whitespace-nowrap text-muted tabular-nums" title="Nothing is measured yet; used for routing only.">
      {text} <span className="rounded-full border border-line px-1.5 text-[11px]">default</span>
    </span>
  )
}
