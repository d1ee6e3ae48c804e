import { cn } from './cn'

interface MeterProps {
  label: string
  /** What it stands at, as text. */
  text: string
  /** 0 to 1. */
  share: number
  /** Drawn pale: the value is where everybody begins, not one that was earned. */
  pale?: boolean
}

/** A value as a bar, its name on the left and the value on the right. */
export function Meter({ label, text, share, pale = false }: MeterProps) {
  return (
    <div className="grid grid-cols-1 gap-1">
      <div className="flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate">{label}</span>
        <span className={cn('whitespace-nowrap tabular-nums', pale && 'text-muted')}>{text}</span>
      </div>
      <div aria-hidden className="h-1.5 overflow-hidden rounded-full bg-sunken">
        <div
          className={cn('h-full rounded-full', pale ? 'bg-control/50' : 'bg-brand')}
          style={{ width: `${Math.round(Math.min(Math.max(share, 0), 1) * 1000) / 10}%` }}
        />
      </div>
    </div>
  )
}
