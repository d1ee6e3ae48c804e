import type { ReputationOut } from '@/api/types'
import { FLOOR } from '@/chain/reputation'
import { scoreText } from '@/components/market/score'
import { AsTable } from '@/components/ui/AsTable'
import { Card } from '@/components/ui/Card'
import { LineChart } from '@/components/ui/LineChart'
import { CERTAIN_AFTER, forecastOf } from './lib/steps'
import { scoreTicks } from './lib/ticks'

const dayText = (days: number) => (days === 0 ? 'epoch' : `day ${days}`)

/** How the score decays if nothing more happens: drawn from the published table, beside what the service foretells. */
export function ForecastCard({ reputation }: { reputation: ReputationOut }) {
  if (reputation.anchor === null) return null
  const points = forecastOf(reputation)
  const told = reputation.forecast
  const last = points.at(-1)?.score ?? FLOOR
  const half = points.find(({ score }) => score - FLOOR <= (reputation.score - FLOOR) / 2)
  return (
    <Card title="If nothing more happens">
      <div className="grid grid-cols-1 gap-3">
        <LineChart
          label={`The score goes from ${scoreText(reputation.score)} to ${scoreText(last)} in ${points.length - 1} days.`}
          ticks={scoreTicks([...points, ...told].map(({ score }) => score))}
          yText={(y) => String(y / 100)}
          xText={dayText}
          series={[
            { name: 'Computed here', look: 'line', points: points.map(({ days, score }) => ({ x: days, y: score })) },
            {
              name: 'The service',
              look: 'dots',
              points: told.map(({ days, score }) => ({ x: days, y: score })),
            },
          ]}
        />
        <p className="text-xs text-muted">
          The line is computed in this page from the published table of decay
          {half && half.days > 0 ? `; half of what was earned is gone on day ${half.days}` : ''}. The dots are the
          service&apos;s, which knows every deal: for {CERTAIN_AFTER} days deals leave the window of recent ones one by
          one, and the line takes them as they stand; after that both are the same.
        </p>
        <AsTable
          caption="Forecast of the score"
          head={['After', 'Computed here', 'The service']}
          rows={told.map(({ days, score }) => {
            const here = points.find((point) => point.days === days)
            return [dayText(days), here ? scoreText(here.score) : '', scoreText(score)] as const
          })}
        />
      </div>
    </Card>
  )
}
