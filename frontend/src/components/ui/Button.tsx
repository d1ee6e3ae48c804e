import { LoaderCircle } from 'lucide-react'
import type { ComponentProps } from 'react'
import { cn } from './cn'

const TONES = {
  primary: 'bg-brand text-on-brand hover:opacity-90',
  secondary: 'border border-control/60 bg-surface text-ink hover:bg-sunken',
  quiet: 'text-ink hover:bg-sunken',
  danger: 'border border-bad/50 bg-surface text-bad hover:bg-bad-soft',
} as const

export interface ButtonProps extends ComponentProps<'button'> {
  tone?: keyof typeof TONES
  busy?: boolean
}

export const buttonClass = (tone: keyof typeof TONES = 'primary', className?: string) =>
  cn(
    'inline-flex min-h-10 items-center justify-center gap-2 rounded-control px-3.5 py-2 text-sm font-medium whitespace-nowrap transition-opacity',
    'disabled:cursor-not-allowed disabled:opacity-55',
    TONES[tone],
    className,
  )

/** A button; `busy` keeps its name and shows that it works. */
export function Button({ tone = 'primary', busy = false, className, disabled, children, type, ...rest }: ButtonProps) {
  return (
    <button
      type={type ?? 'button'}
      aria-busy={busy || undefined}
      disabled={disabled || busy}
      className={buttonClass(tone, className)}
      {...rest}
    >
      {busy && <LoaderCircle aria-hidden className="size-4 animate-spin" />}
      {children}
    </button>
  )
}
