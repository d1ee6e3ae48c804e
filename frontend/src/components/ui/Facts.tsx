import type { ReactNode } from 'react'

/** Names and values, one pair a line. */
export function Facts({ facts }: { facts: (readonly [string, ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-1 gap-2">
      {facts.map(([label, value]) => (
        <div key={label} className="flex flex-wrap items-center justify-between gap-x-3">
          <dt className="text-xs text-muted">{label}</dt>
          <dd className="ml-auto max-w-full min-w-0 text-right">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
