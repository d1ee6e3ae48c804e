import { useSyncExternalStore } from 'react'
import { serverNowMs } from '@/chain/clock'

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** "3 minutes ago", "in 2 hours". */
export function relativeTime(targetMs: number, nowMs: number): string {
  const exact = Math.round((targetMs - nowMs) / 1000)
  // clocks of chain and service differ by seconds; what has just happened is not "in 2 seconds"
  const seconds = exact > 0 && exact <= 5 ? 0 : exact
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1]
  return RELATIVE.format(Math.trunc(seconds / size), unit)
}

/** "02:14", "1 h 04 min", "3 d 2 h"; zero and below is "00:00". */
export function formatLeft(ms: number): string {
  const total = Math.max(0, Math.ceil(ms / 1000))
  const pad = (value: number) => value.toString().padStart(2, '0')
  if (total < 3600) return `${pad(Math.floor(total / 60))}:${pad(total % 60)}`
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${pad(Math.floor((total % 3600) / 60))} min`
  return `${Math.floor(total / 86_400)} d ${Math.floor((total % 86_400) / 3600)} h`
}

/** Seconds in words: "24 h", "15 min". */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.round((seconds / 3600) * 10) / 10} h`
  return `${Math.round((seconds / 86_400) * 10) / 10} d`
}

const TICK_MS = 1000
let tick = serverNowMs()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

/** The moment every time on the page is told from: one for all, so that two of them never contradict each other. */
function currentTick(): number {
  const now = serverNowMs()
  // after a sleep, or before anybody listens
  if (Math.abs(now - tick) > 1.5 * TICK_MS) tick = now
  return tick
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    tick = serverNowMs()
    for (const each of listeners) each()
  }, TICK_MS)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Unix seconds by the service's clock, ticking. */
export const useServerNow = () => useSyncExternalStore(subscribe, () => Math.floor(currentTick() / 1000))

/** A time as it reads now, with the full one on hover. */
export function RelativeTime({ at }: { at: string }) {
  const date = new Date(at)
  const text = useSyncExternalStore(subscribe, () => relativeTime(date.getTime(), currentTick()))
  return (
    <time dateTime={at} title={date.toLocaleString()}>
      {text}
    </time>
  )
}

/** The time left, by the service's clock. */
export function Countdown({ until, over = 'ended' }: { until: string | number; over?: string }) {
  const target = typeof until === 'number' ? until * 1000 : Date.parse(until)
  const text = useSyncExternalStore(subscribe, () => {
    const left = target - currentTick()
    return left > 0 ? formatLeft(left) : over
  })
  return (
    <time dateTime={new Date(target).toISOString()} title={new Date(target).toLocaleString()} className="font-mono">
      {text}
    </time>
  )
}
