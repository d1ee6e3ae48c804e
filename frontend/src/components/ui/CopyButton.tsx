import { Check, Copy } from 'lucide-react'
import { useState } from 'react'

/** Copies a value and says so. */
export function CopyButton({ value, label }: { value: string; label: string }) {
  const [copied, setCopied] = useState(false)
  return (
    <button
      type="button"
      aria-label={copied ? 'Copied' : label}
      title={label}
      onClick={() => {
        void navigator.clipboard.writeText(value).then(() => setCopied(true))
        setTimeout(() => setCopied(false), 1500)
      }}
      className="grid size-6 shrink-0 place-items-center rounded-control text-muted hover:bg-sunken"
    >
      {copied ? <Check aria-hidden className="size-3.5" /> : <Copy aria-hidden className="size-3.5" />}
    </button>
  )
}
