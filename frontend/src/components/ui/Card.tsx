import { type ReactNode, useId } from 'react'
import { cn } from './cn'

interface CardProps {
  title?: string
  aside?: ReactNode
  children: ReactNode
  className?: string
  flush?: boolean
}

/** A titled region. `flush` leaves out the padding, for tables and lists that reach the edge. */
export function Card({ title, aside, children, className, flush = false }: CardProps) {
  const heading = useId()
  return (
    <section
      aria-labelledby={title ? heading : undefined}
      className={cn('min-w-0 overflow-hidden rounded-card border border-line bg-surface', className)}
    >
      {title && (
        <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-2">
          <h2 id={heading} className="text-sm font-semibold">
            {title}
          </h2>
          {aside}
        </header>
      )}
      <div className={flush ? '' : 'p-4'}>{children}</div>
    </section>
  )
}

/** A figure with its name above and a note below. */
export function Stat({ label, value, note }: { label: string; value: ReactNode; note: ReactNode }) {
  return (
    <div className="min-w-0 rounded-card border border-line bg-surface p-4">
      <dt className="text-xs text-muted">{label}</dt>
      <dd>
        <div className="mt-0.5 truncate text-xl tabular-nums font-semibold tracking-tight sm:text-2xl">{value}</div>
        <div className="mt-0.5 text-xs text-muted">{note}</div>
      </dd>
    </div>
  )
}
