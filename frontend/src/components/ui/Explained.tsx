import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { cn } from './cn'

const WIDTH = 256
const EDGE = 8
/** Below the word there has to be room for so much; else the text stands above it. */
const ROOM = 120

/** Where the text stands beside what it explains: inside the window, and fixed, so that nothing on the page moves. */
function placeBeside(element: Element) {
  const { left, top, bottom } = element.getBoundingClientRect()
  const width = Math.min(WIDTH, window.innerWidth - 2 * EDGE)
  return {
    width,
    left: Math.max(EDGE, Math.min(left, window.innerWidth - EDGE - width)),
    ...(bottom + ROOM > window.innerHeight ? { bottom: window.innerHeight - top + 4 } : { top: bottom + 4 }),
  }
}

interface ExplainedProps {
  text: string
  children: ReactNode
  className?: string
}

/** A word or badge that tells what it means when pressed, by key, pointer or touch; Escape, scrolling or leaving closes. */
export function Explained({ text, children, className }: ExplainedProps) {
  const [place, setPlace] = useState<ReturnType<typeof placeBeside> | null>(null)
  const button = useRef<HTMLButtonElement>(null)
  const note = useId()
  const open = place !== null
  useEffect(() => {
    if (!open) return
    const close = () => setPlace(null)
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && close()
    const onPointer = (event: Event) => !button.current?.contains(event.target as Node) && close()
    document.addEventListener('keydown', onKey)
    document.addEventListener('pointerdown', onPointer)
    document.addEventListener('scroll', close, true)
    return () => {
      document.removeEventListener('keydown', onKey)
      document.removeEventListener('pointerdown', onPointer)
      document.removeEventListener('scroll', close, true)
    }
  }, [open])
  return (
    <>
      <button
        ref={button}
        type="button"
        aria-expanded={open}
        aria-describedby={open ? note : undefined}
        onClick={(event) => setPlace(open ? null : placeBeside(event.currentTarget))}
        onBlur={() => setPlace(null)}
        className={cn('-my-1 rounded-control py-1 underline decoration-dotted underline-offset-2', className)}
      >
        {children}
      </button>
      <span aria-live="polite">
        {place && (
          <span
            id={note}
            style={place}
            className="fixed z-50 rounded-control border border-line bg-surface px-3 py-2 text-left font-sans text-xs font-normal whitespace-normal text-ink shadow-lg"
          >
            {text}
          </span>
        )}
      </span>
    </>
  )
}
