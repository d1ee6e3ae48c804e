import { CircleAlert, type LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import { explain } from '@/chain/errors'
import { Button } from './Button'
import { cn } from './cn'

/** A grey block where something will appear. */
export const Skeleton = ({ className }: { className?: string }) => (
  <div aria-hidden className={cn('animate-pulse rounded-control bg-sunken', className)} />
)

/** Rows of grey blocks, announced once as loading. */
export function SkeletonRows({ rows = 4, label }: { rows?: number; label: string }) {
  return (
    <div role="status" className="grid gap-3 p-4">
      <span className="sr-only">{label}</span>
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: grey blocks have no identity
        <Skeleton key={index} className="h-8" />
      ))}
    </div>
  )
}

/** Nothing here yet, and the step that changes it. */
export function Empty({ icon: Icon, title, children }: { icon: LucideIcon; title: string; children?: ReactNode }) {
  return (
    <div className="grid justify-items-center gap-2 px-4 py-10 text-center">
      <Icon aria-hidden className="size-6 text-muted" />
      <p className="font-medium">{title}</p>
      <div className="max-w-sm text-sm text-muted">{children}</div>
    </div>
  )
}

/** What failed, what to do, and a retry. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { title, detail } = explain(error)
  return (
    <div role="alert" className="grid justify-items-center gap-2 px-4 py-10 text-center">
      <CircleAlert aria-hidden className="size-6 text-bad" />
      <p className="font-medium">{title}</p>
      {detail && <p className="max-w-sm text-sm text-muted">{detail}</p>}
      {onRetry && (
        <Button tone="secondary" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}

const NOTICES = {
  info: 'border-info/40 bg-info-soft',
  warn: 'border-warn/40 bg-warn-soft',
  bad: 'border-bad/40 bg-bad-soft',
  ok: 'border-ok/40 bg-ok-soft',
  chain: 'border-chain/40 bg-chain-soft',
  brand: 'border-brand/40 bg-brand-soft',
} as const

/** A sentence set apart. */
export function Notice({ tone, children }: { tone: keyof typeof NOTICES; children: ReactNode }) {
  return <div className={cn('rounded-control border px-3 py-2 text-sm', NOTICES[tone])}>{children}</div>
}

/** The explained error of an action, beside the button that caused it. */
export function ActionError({ error }: { error: unknown }) {
  if (!error) return null
  const { title, detail } = explain(error)
  return (
    <div role="alert" className="rounded-control border border-bad/40 bg-bad-soft px-3 py-2 text-sm">
      <p className="font-medium text-bad">{title}</p>
      {detail && <p className="text-xs">{detail}</p>}
    </div>
  )
}
