import { type ComponentProps, type ReactNode, useId } from 'react'
import { cn } from './cn'

const CONTROL =
  'w-full min-h-10 rounded-control border border-control bg-surface px-3 py-2 text-sm text-ink placeholder:text-muted aria-invalid:border-bad'

interface FieldProps {
  label: string
  hint?: ReactNode
  error?: string | null
}

interface Wiring {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': true | undefined
}

function Field({ label, hint, error, children }: FieldProps & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId()
  const note = `${id}-note`
  return (
    <div className="grid min-w-0 grid-cols-1 content-start gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children({ id, 'aria-describedby': hint || error ? note : undefined, 'aria-invalid': error ? true : undefined })}
      {(error || hint) && (
        <p id={note} className={cn('text-xs', error ? 'text-bad' : 'text-muted')}>
          {error || hint}
        </p>
      )}
    </div>
  )
}

export function TextField({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'input'>) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(wiring) => <input type="text" className={cn(CONTROL, className)} {...wiring} {...rest} />}
    </Field>
  )
}

export function TextArea({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'textarea'>) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(wiring) => <textarea className={cn(CONTROL, 'min-h-28', className)} {...wiring} {...rest} />}
    </Field>
  )
}

export function SelectField({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'select'>) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(wiring) => <select className={cn(CONTROL, className)} {...wiring} {...rest} />}
    </Field>
  )
}

/** An amount of USDC with its unit beside it. */
export function AmountField({ label, hint, error, ...rest }: FieldProps & ComponentProps<'input'>) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(wiring) => (
        <div className="relative">
          <input
            type="text"
            inputMode="decimal"
            autoComplete="off"
            className={cn(CONTROL, 'pr-14 font-mono')}
            {...wiring}
            {...rest}
          />
          <span className="pointer-events-none absolute inset-y-0 right-3 flex items-center text-xs text-muted">
            USDC
          </span>
        </div>
      )}
    </Field>
  )
}

export function Checkbox({ label, hint, ...rest }: { label: string; hint?: string } & ComponentProps<'input'>) {
  const id = useId()
  return (
    <div className="flex items-start gap-2.5">
      <input
        id={id}
        type="checkbox"
        aria-describedby={hint ? `${id}-note` : undefined}
        className="mt-0.5 size-4 shrink-0 accent-brand"
        {...rest}
      />
      <div>
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
        {hint && (
          <p id={`${id}-note`} className="text-xs text-muted">
            {hint}
          </p>
        )}
      </div>
    </div>
  )
}
