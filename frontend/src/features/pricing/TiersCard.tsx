import { formatRate } from '@/chain/amount'
import { priceUnits, SETTLED_BEFORE_TIERS, TIERS, type Tier, URGENCY_BPS } from '@/chain/pricing'
import { factorText } from '@/components/market/score'
import { TierBadge } from '@/components/market/TierBadge'
import { Card } from '@/components/ui/Card'
import { cn } from '@/components/ui/cn'
import { Amount } from '@/components/web3/Amount'
import type { Inputs } from './lib/inputs'

interface TiersCardProps {
  inputs: Inputs
  /** Null where the base is no amount. */
  baseUnits: bigint | null
  tier: Tier | null
}

/** The success rates of each tier, best first: an edge belongs to the better one. */
const ROWS: readonly (readonly [Tier, string, number])[] = [
  ...TIERS.map(([edge, tier, multiplier], index) => {
    const above = TIERS[index - 1]?.[0]
    const range =
      above === undefined ? `${formatRate(edge)} and more` : `${formatRate(edge)} to below ${formatRate(above)}`
    return [tier, edge === 0 ? `below ${formatRate(above ?? 0)}` : range, multiplier] as const
  }),
  ['new', `fewer than ${SETTLED_BEFORE_TIERS} escrows decided`, 10_000],
]

/** The tiers with their edges, and what the task of the inputs costs in each. */
export function TiersCard({ inputs, baseUnits, tier }: TiersCardProps) {
  const price = (multiplier: number) =>
    baseUnits === null ? null : priceUnits(baseUnits, multiplier, inputs.complexity, URGENCY_BPS[inputs.urgency])
  return (
    <Card title="Tiers" flush>
      <table className="w-full">
        <caption className="sr-only">Tiers</caption>
        <thead>
          <tr className="text-left text-xs text-muted">
            <th scope="col" className="px-4 py-2 font-medium">
              Success rate by escrow
            </th>
            <th scope="col" className="px-2 py-2 text-right font-medium">
              Factor
            </th>
            <th scope="col" className="px-4 py-2 text-right font-medium">
              Price
            </th>
          </tr>
        </thead>
        <tbody>
          {ROWS.map(([name, range, multiplier]) => {
            const units = price(multiplier)
            return (
              <tr
                key={name}
                aria-current={name === tier ? 'true' : undefined}
                className={cn('border-t border-line', name === tier && 'bg-brand-soft')}
              >
                <th scope="row" className="px-4 py-2.5 text-left font-normal">
                  <TierBadge tier={name} />
                  <span className="mt-1 block text-xs text-muted sm:mt-0 sm:ml-2 sm:inline">{range}</span>
                </th>
                <td className="px-2 py-2.5 text-right font-mono whitespace-nowrap">× {factorText(multiplier)}</td>
                <td className="px-4 py-2.5 text-right">{units === null ? '–' : <Amount units={units} />}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Card>
  )
}
