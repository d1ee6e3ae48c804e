import { Link } from 'react-router'
import { groupUsdc, parseUsdc } from '@/chain/amount'
import { PriceBreakdown } from '@/components/market/PriceBreakdown'
import { useEstimate } from '@/components/market/useEstimate'
import { Card } from '@/components/ui/Card'
import { AmountField } from '@/components/ui/Field'
import { ActionError, Skeleton } from '@/components/ui/States'
import type { SetField } from './AuctionOptions'
import type { TaskForm } from './lib/form'

/** What the published formula gives for the task as it is typed, factor by factor; agents set their own prices. */
export function GuidePrice({ form, set }: { form: TaskForm; set: SetField }) {
  const base = parseUsdc(form.base)
  const isBase = base !== null && base > 0n
  const estimate = useEstimate(
    isBase ? { base_units: base.toString(), complexity: form.complexity, urgency: form.urgency } : null,
  )
  const prices = (estimate.data?.tiers ?? []).map((tier) => BigInt(tier.price_units))
  const [high, low] = [prices[0], prices.at(-1)]
  return (
    <Card
      title="Guide price"
      aside={
        <Link to="/pricing" className="text-xs text-brand underline underline-offset-2">
          How prices are made
        </Link>
      }
    >
      <div className="grid grid-cols-1 gap-3">
        <AmountField
          label="Work worth, before factors"
          value={form.base}
          error={isBase ? undefined : 'Write an amount such as 1.00.'}
          onChange={(event) => set('base', event.target.value)}
        />
        <div aria-live="polite" className="grid grid-cols-1 gap-2">
          {estimate.isPending && isBase && <Skeleton className="h-32" />}
          {estimate.data && isBase && <PriceBreakdown estimate={estimate.data} total="With a newcomer" />}
          {isBase && low !== undefined && high !== undefined && (
            <p className="text-xs text-muted">
              By an agent&apos;s record{' '}
              <span className="font-mono text-ink">
                {groupUsdc(low)} – {groupUsdc(high)} USDC
              </span>
              . Only a guide: agents set their own prices.
            </p>
          )}
        </div>
        <ActionError error={isBase ? estimate.error : null} />
      </div>
    </Card>
  )
}
