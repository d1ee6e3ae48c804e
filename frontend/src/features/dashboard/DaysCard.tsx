import type { DayOut } from '@/api/types'
import { AsTable } from '@/components/ui/AsTable'
import { Card } from '@/components/ui/Card'
import { LineChart } from '@/components/ui/LineChart'
import { amountText } from '@/components/web3/Amount'
import { amountTicks } from './lib/ticks'

const dateText = (day: string) =>
  new Date(day).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Thirty days of deals; amounts are only drawn from their floating numbers, and told exactly in the table. */
export function DaysCard({ title, days }: { title: string; days: readonly DayOut[] }) {
  const points = days.map(({ units }, index) => ({ x: index, y: Number(units) }))
  const busy = days.filter((one) => one.deals > 0 || one.units !== '0')
  const deals = days.reduce((count, day) => count + day.deals, 0)
  const sum = days.reduce((total, { units }) => total + BigInt(units), 0n)
  return (
    <Card title={title}>
      <div className="grid grid-cols-1 gap-3">
        <LineChart
          label={`${amountText(sum)} in ${days.length} days, on ${busy.length} of them.`}
          ticks={amountTicks(points.map(({ y }) => y))}
          yText={(y) => String(y / 1_000_000)}
          xText={(index) => dateText(days[index]?.day ?? '')}
          series={[{ name: title, look: 'line', points }]}
        />
        <p className="text-xs text-muted">
          USDC a day, by UTC. {deals} {deals === 1 ? 'deal' : 'deals'} completed.
        </p>
        <AsTable
          caption={`${title}, by day`}
          head={['Day', 'Deals', 'Paid']}
          rows={busy.map((one) => [dateText(one.day), one.deals, amountText(one.units)] as const)}
        />
      </div>
    </Card>
  )
}
