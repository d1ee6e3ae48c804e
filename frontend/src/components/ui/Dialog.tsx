import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'

interface DialogProps {
  title: string
  onClose: () => void
  children: ReactNode
}

/** A modal dialog on the browser's own `<dialog>`: focus is trapped and given back, Escape closes. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const dialog = ref.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      className="max-h-[90dvh] w-[min(30rem,calc(100vw-1.5rem))] overflow-y-auto rounded-card border border-line bg-surface p-0 shadow-2xl"
    >
      <header className="flex items-center justify-between gap-3 border-b border-line py-2.5 pr-2.5 pl-5">
        <h2 id={heading} className="text-base font-semibold tracking-tight">
          {title}
        </h2>
        <button
          type="button"
          aria-label="Close"
          onClick={onClose}
          className="grid size-9 place-items-center rounded-control text-muted hover:bg-sunken"
        >
          <X aria-hidden className="size-4" />
        </button>
      </header>
      <div className="p-5">{children}</div>
    </dialog>
  )
}
