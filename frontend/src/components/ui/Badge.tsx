import type { ReactNode } from 'react'
import { cn } from './cn'

const TONES = {
  ok: 'bg-ok-soft text-ok',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  info: 'bg-info-soft text-info',
  chain: 'bg-chain-soft text-chain',
  brand: 'bg-brand-soft text-brand',
  neutral: 'bg-sunken text-muted',
} as const

export type Tone = keyof typeof TONES

/** A state: a dot and a word, so that colour never carries it alone. */
export function Badge({ tone, children, className }: { tone: Tone; children: ReactNode; className?: string }) {
  return (
    <span
      className={cn(
        'inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap',
        TONES[tone],
        className,
      )}
    >
      <span aria-hidden className="size-1.5 rounded-full bg-current" />
      {children}
    </span>
  )
}
