import { type FormEvent, type ReactNode, useEffect, useState } from 'react'
import { AmountField, TextField } from './Field'

interface WrittenFieldProps {
  label: string
  value: string
  /** Told when the text is written out: on Enter or on leaving the field; never while it is wrong. */
  onChange: (value: string) => void
  /** What is wrong with a text, in a sentence. */
  check?: (text: string) => string | undefined
  kind?: 'text' | 'amount'
  placeholder?: string
  hint?: ReactNode
}

/** A field whose value counts once it is written out, for filters that ask the service. */
export function WrittenField({ value, onChange, check, kind = 'text', ...rest }: WrittenFieldProps) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const error = check?.(text)
  const commit = () => {
    if (text !== value && !error) onChange(text)
  }
  const Field = kind === 'amount' ? AmountField : TextField
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        commit()
      }}
    >
      <Field {...rest} value={text} error={error} onChange={(event) => setText(event.target.value)} onBlur={commit} />
    </form>
  )
}
