import { useEffect, useState } from 'react'
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

function useTick(everyMs: number): number {
  const [now, setNow] = useState(serverNowMs)
  useEffect(() => {
    const timer = setInterval(() => setNow(serverNowMs()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

/** Unix seconds by the service's clock, ticking. */
export const useServerNow = () => Math.floor(useTick(1000) / 1000)

/** A time as it reads now, with the full one on hover. */
export function RelativeTime({ at }: { at: string }) {
  const now = useTick(10_000)
  const date = new Date(at)
  return (
    <time dateTime={at} title={date.toLocaleString()}>
      {relativeTime(date.getTime(), now)}
    </time>
  )
}

/** The time left, by the service's clock. */
export function Countdown({ until, over = 'ended' }: { until: string | number; over?: string }) {
  const now = useTick(1000)
  const target = typeof until === 'number' ? until * 1000 : Date.parse(until)
  const left = target - now
  return (
    <time dateTime={new Date(target).toISOString()} title={new Date(target).toLocaleString()} className="font-mono">
      {left > 0 ? formatLeft(left) : over}
    </time>
  )
}
