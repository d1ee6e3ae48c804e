import { X } from 'lucide-react'
import { cn } from './cn'
import { dismissToast, useToasts } from './toast'

const DOTS = { ok: 'bg-ok', bad: 'bg-bad', info: 'bg-info' } as const

/** The corner where short messages appear. */
export function Toaster() {
  const { toasts } = useToasts()
  return (
    <div
      aria-live="polite"
      role="status"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-end gap-2 md:inset-x-auto md:right-5 md:bottom-5"
    >
      {toasts.map((toast) => (
        <div
          key={toast.id}
          className="pointer-events-auto flex w-full max-w-sm items-start gap-3 rounded-card border border-line bg-surface p-3 shadow-lg"
        >
          <span aria-hidden className={cn('mt-1.5 size-2 shrink-0 rounded-full', DOTS[toast.tone])} />
          <div className="min-w-0 flex-1">
            <p className="font-medium">{toast.title}</p>
            {toast.detail && <p className="text-xs text-muted">{toast.detail}</p>}
          </div>
          <button
            type="button"
            aria-label="Dismiss message"
            onClick={() => dismissToast(toast.id)}
            className="grid size-6 place-items-center rounded-control text-muted hover:bg-sunken"
          >
            <X aria-hidden className="size-4" />
          </button>
        </div>
      ))}
    </div>
  )
}
