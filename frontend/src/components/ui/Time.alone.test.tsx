import { act, render, screen } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'
import { serverNow, serverNowMs, setServerTime } from '@/chain/clock'
import { formatDuration, formatLeft, RelativeTime, relativeTime } from './Time'

describe('times', () => {
  it.each([
    [134_000, '02:14'],
    [0, '00:00'],
    [-5000, '00:00'],
    [3_840_000, '1 h 04 min'],
    [100_800_000, '1 d 4 h'],
  ])('%d ms left reads %s', (ms, text) => expect(formatLeft(ms)).toBe(text))

  it.each([
    [45, '45 s'],
    [900, '15 min'],
    [86_400, '1 d'],
    [21_600, '6 h'],
  ])('%d s reads %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text))

  it('speaks of past and future', () => {
    expect(relativeTime(0, 180_000)).toBe('3 minutes ago')
    expect(relativeTime(7_200_000, 0)).toBe('in 2 hours')
    expect(relativeTime(2000, 0)).toBe('now')
  })

  it('counts by the clock of the service', () => {
    setServerTime(new Date(Date.now() + 3_600_000).toISOString())
    expect(serverNow() - Math.floor(Date.now() / 1000)).toBeGreaterThanOrEqual(3599)
    setServerTime(new Date().toISOString())
  })

  it('tells all times of a page from one moment, so that a later event never reads as older', () => {
    vi.useFakeTimers()
    vi.advanceTimersByTime(2000) // whatever was shown before is older than a tick
    try {
      const started = new Date(serverNowMs()).toISOString()
      const line = (at: string) => (
        <li key={at}>
          <RelativeTime at={at} />
        </li>
      )
      const view = render(<ol>{line(started)}</ol>)
      expect(screen.getByRole('listitem')).toHaveTextContent('now')
      act(() => void vi.advanceTimersByTime(4000))
      const delivered = new Date(serverNowMs() - 1000).toISOString()
      view.rerender(<ol>{[line(started), line(delivered)]}</ol>)
      expect(screen.getAllByRole('listitem').map((item) => item.textContent)).toEqual(['4 seconds ago', '1 second ago'])
    } finally {
      vi.useRealTimers()
    }
  })
})
