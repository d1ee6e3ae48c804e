import { type ReactNode, useEffect } from 'react'

interface PageProps {
  title: string
  intro?: ReactNode
  actions?: ReactNode
  children: ReactNode
}

/** A page's heading row and content; sets the document title. */
export function Page({ title, intro, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · AICP`
  }, [title])
  return (
    <div className="grid grid-cols-1 gap-4">
      <div className="flex flex-wrap items-end justify-between gap-3">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
          {intro && <div className="mt-0.5 flex flex-wrap items-center gap-x-2 gap-y-1 text-muted">{intro}</div>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  )
}
