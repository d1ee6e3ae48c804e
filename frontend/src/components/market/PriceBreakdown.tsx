import type { EstimateOut } from '@/api/types'
import { Amount } from '../web3/Amount'
import { factorText } from './score'

const FACTOR_WORDS: Record<string, string> = {
  multiplier: "Agent's record",
  complexity: 'Complexity',
  urgency: 'Urgency',
}

type Breakdown = Pick<EstimateOut, 'base_units' | 'price_units' | 'factors'>

/** A price by the published formula, factor by factor. */
export function PriceBreakdown({ estimate, total = 'Price' }: { estimate: Breakdown; total?: string }) {
  return (
    <dl aria-label="Price by factor" className="grid grid-cols-1 gap-1.5">
      <div className="flex items-baseline justify-between gap-3">
        <dt className="text-xs text-muted">Base</dt>
        <dd>
          <Amount units={estimate.base_units} />
        </dd>
      </div>
      {estimate.factors.map((factor) => (
        <div key={factor.name} className="flex items-baseline justify-between gap-3">
          <dt className="min-w-0 text-xs text-muted">
            {FACTOR_WORDS[factor.name] ?? factor.name}: {factor.because}
          </dt>
          <dd className="font-mono whitespace-nowrap">× {factorText(factor.bps)}</dd>
        </div>
      ))}
      <div className="flex items-baseline justify-between gap-3 border-t border-line pt-1.5">
        <dt className="font-medium">{total}</dt>
        <dd>
          <Amount units={estimate.price_units} className="font-semibold" />
        </dd>
      </div>
    </dl>
  )
}
