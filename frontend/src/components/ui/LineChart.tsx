import { cn } from './cn'

interface Point {
  x: number
  y: number
}

interface Series {
  name: string
  points: readonly Point[]
  /** `line` with a tint below it, `dashed` without, `dots` alone. */
  look: 'line' | 'dashed' | 'dots'
}

interface LineChartProps {
  /** What the chart shows, in a sentence; read out in its place. */
  label: string
  series: readonly Series[]
  /** Lowest and highest value, and where lines are drawn. */
  ticks: readonly number[]
  yText: (y: number) => string
  xText: (x: number) => string
}

const round = (value: number) => Math.round(value * 100) / 100

/** At most four values of x to write below the chart, first and last among them: more do not fit on a telephone. */
function marks(xs: readonly number[]): number[] {
  if (xs.length <= 4) return [...xs]
  return [0, 1, 2, 3].map((part) => xs[Math.round((part * (xs.length - 1)) / 3)] ?? 0)
}

/** Lines over a common x axis, as wide as there is room; what it shows has to be given as text beside it as well. */
export function LineChart({ label, series, ticks, yText, xText }: LineChartProps) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b)
  const [first = 0, last = 0] = [xs[0], xs.at(-1)]
  const [low, high] = [Math.min(...ticks), Math.max(...ticks)]
  const left = (x: number) => (last === first ? 50 : round(((x - first) / (last - first)) * 100))
  const top = (y: number) => round(100 - ((y - low) / (high - low)) * 100)
  const path = (points: readonly Point[]) =>
    points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${left(x)} ${top(y)}`).join(' ')
  return (
    <div role="img" aria-label={label} className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-2 text-xs text-muted">
      <div className="relative h-48 w-11">
        {ticks.map((tick) => (
          <span key={tick} className="absolute right-0 -translate-y-1/2 tabular-nums" style={{ top: `${top(tick)}%` }}>
            {yText(tick)}
          </span>
        ))}
      </div>
      <div className="relative mr-1.5 h-48">
        {ticks.map((tick) => (
          <span key={tick} className="absolute inset-x-0 border-t border-line" style={{ top: `${top(tick)}%` }} />
        ))}
        <svg aria-hidden viewBox="0 0 100 100" preserveAspectRatio="none" className="absolute inset-0 size-full">
          {series.map(({ name, points, look }) =>
            look === 'dots' || points.length < 2 ? null : (
              <g key={name}>
                {look === 'line' && (
                  <path
                    d={`${path(points)} L${left(points.at(-1)?.x ?? 0)} 100 L${left(points[0]?.x ?? 0)} 100 Z`}
                    className="fill-brand/10"
                  />
                )}
                <path
                  d={path(points)}
                  vectorEffect="non-scaling-stroke"
                  strokeWidth={2}
                  strokeDasharray={look === 'dashed' ? '5 4' : undefined}
                  className="fill-none stroke-brand"
                />
              </g>
            ),
          )}
        </svg>
        {series.map(({ name, points, look }) =>
          points.map(({ x, y }) =>
            look === 'dots' || points.length < 2 ? (
              <span
                key={`${name}-${x}`}
                title={`${xText(x)}: ${yText(y)}`}
                className="absolute size-2 -translate-1/2 rounded-full border-2 border-surface bg-chain"
                style={{ left: `${left(x)}%`, top: `${top(y)}%` }}
              />
            ) : null,
          ),
        )}
      </div>
      <span />
      <div className="relative mr-1.5 h-6">
        {marks(xs).map((x) => (
          <span
            key={x}
            className={cn(
              'absolute top-1.5 whitespace-nowrap tabular-nums',
              xs.length > 1 && x === first
                ? ''
                : xs.length > 1 && x === last
                  ? '-translate-x-full'
                  : '-translate-x-1/2',
            )}
            style={{ left: `${left(x)}%` }}
          >
            {xText(x)}
          </span>
        ))}
      </div>
    </div>
  )
}
