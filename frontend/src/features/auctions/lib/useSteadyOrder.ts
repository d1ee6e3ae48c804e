import { type FocusEvent, type PointerEvent, useState } from 'react'

/**
 * Keeps the rows of a live list in place while the reader points at it or has the focus in it: known rows change where
 * they are, new ones wait and are counted. `show` lets them in.
 */
export function useSteadyOrder<T>(items: readonly T[], keyOf: (item: T) => string) {
  const [held, setHeld] = useState<readonly string[] | null>(null)
  const now = items.map(keyOf)
  const byKey = new Map(items.map((item) => [keyOf(item), item]))
  const shown = (held ?? now).flatMap((key) => byKey.get(key) ?? [])
  const hold = () => setHeld((before) => before ?? now)
  const free = () => setHeld(null)
  const handlers = {
    // a finger does not rest on a row
    onPointerEnter: (event: PointerEvent) => event.pointerType === 'mouse' && hold(),
    onPointerLeave: (event: PointerEvent<HTMLElement>) =>
      !event.currentTarget.contains(document.activeElement) && free(),
    onFocus: hold,
    onBlur: (event: FocusEvent<HTMLElement>) => !event.currentTarget.contains(event.relatedTarget) && free(),
  }
  return { shown, waiting: items.length - shown.length, show: () => setHeld(now), handlers }
}
