import type { DayOut, EarnedDayOut } from '@/api/types'
import { AsTable } from '@/components/ui/AsTable'
import { Card } from '@/components/ui/Card'
import { counted } from '@/components/ui/counted'
import { LineChart } from '@/components/ui/LineChart'
import { amountText } from '@/components/web3/Amount'
import { amountTicks } from './lib/ticks'

const dateText = (day: string) =>
  new Date(day).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

const sumOf = (units: readonly string[]) => amountText(units.reduce((total, one) => total + BigInt(one), 0n))

/** What was sold by x402, in a sentence; nothing where nothing was. */
function Sales({ sales }: { sales: readonly EarnedDayOut[] }) {
  const count = sales.reduce((sum, day) => sum + day.sales, 0)
  if (count === 0) return null
  return (
    <>
      {' '}
      {sumOf(sales.map((day) => day.sales_units))} of it for {counted(count, 'request')} by x402.
    </>
  )
}

interface DaysCardProps {
  title: string
  days: readonly DayOut[]
  /** The same days of an agent, with what it sold by x402. */
  sales?: readonly EarnedDayOut[]
}

/** Thirty days of deals; amounts are only drawn from their floating numbers, and told exactly in the table. */
export function DaysCard({ title, days, sales = [] }: DaysCardProps) {
  const points = days.map(({ units }, index) => ({ x: index, y: Number(units) }))
  const busy = days.filter((one) => one.deals > 0 || one.units !== '0')
  const deals = days.reduce((count, day) => count + day.deals, 0)
  const sold = new Map(sales.filter((one) => one.sales > 0).map((one) => [one.day, one.sales_units]))
  return (
    <Card title={title}>
      <div className="grid grid-cols-1 gap-3">
        <LineChart
          label={`${sumOf(days.map(({ units }) => units))} in ${days.length} days, on ${busy.length} of them.`}
          ticks={amountTicks(points.map(({ y }) => y))}
          yText={(y) => String(y / 1_000_000)}
          xText={(index) => dateText(days[index]?.day ?? '')}
          series={[{ name: title, look: 'line', points }]}
        />
        <p className="text-xs text-muted">
          USDC a day, by UTC. {counted(deals, 'deal')} completed.
          <Sales sales={sales} />
        </p>
        <AsTable
          caption={`${title}, by day`}
          head={['Day', 'Deals', 'Paid', ...(sold.size > 0 ? ['By x402'] : [])]}
          rows={busy.map(
            (one) =>
              [
                dateText(one.day),
                one.deals,
                amountText(one.units),
                ...(sold.size > 0 ? [amountText(sold.get(one.day) ?? '0')] : []),
              ] as const,
          )}
        />
      </div>
    </Card>
  )
}
