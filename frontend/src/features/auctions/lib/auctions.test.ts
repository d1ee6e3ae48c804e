import { describe, expect, it } from 'vitest'
import { iso, NOW, task } from '@/test/fixtures'
import { boundError, filterOf } from './filter'
import { bidUntil, isExtended, phaseOf } from './phase'

describe('phaseOf', () => {
  const at = (state: typeof task.state, ends: number, shown: number | null) =>
    phaseOf({ state, auction_ends_at: iso(NOW + ends), reveal_ends_at: shown === null ? null : iso(NOW + shown) }, NOW)
  it.each([
    ['open', 1, null, 'bidding'],
    ['open', 0, null, 'deciding'],
    ['open', 1, 60, 'bidding'],
    ['open', 0, 60, 'showing'],
    ['revealing', -10, 1, 'showing'],
    ['revealing', -10, 0, 'deciding'],
    ['awarded', -10, 60, 'over'],
    ['cancelled', 10, null, 'over'],
  ] as const)('%s, ends in %s, shown for %s: %s', (state, ends, shown, phase) =>
    expect(at(state, ends, shown)).toBe(phase),
  )
})

describe('isExtended', () => {
  const extension = { window_seconds: 30, most_seconds: 300 }
  const open = { ...task, document: null, extension }
  it('sees the bid that moved the end', () => {
    expect(isExtended(open, [{ received_at: iso(NOW + 270) }])).toBe(true)
    expect(isExtended(open, [{ received_at: iso(NOW + 100) }])).toBe(false)
    expect(isExtended({ ...open, extension: null }, [{ received_at: iso(NOW + 270) }])).toBe(false)
  })
  it('goes by the document for those who may read it', () => {
    const first = { ...task.document, auction_ends_at: iso(NOW + 300) }
    expect(isExtended({ ...open, document: first }, [])).toBe(false)
    expect(isExtended({ ...open, document: first, auction_ends_at: iso(NOW + 301) }, [])).toBe(true)
  })
  it('leaves a bid valid past every end there may be', () => {
    expect(bidUntil(open)).toBe(NOW + 300 + 300 + 86_400)
    expect(bidUntil({ ...task, reveal_ends_at: iso(NOW + 900) })).toBe(NOW + 900 + 86_400)
  })
})

describe('filterOf', () => {
  it('reads what the service takes, and leaves out what cannot be', () => {
    expect(filterOf(new URLSearchParams())).toEqual({ state: ['open'], sort: 'newest', limit: 25 })
    const whole = new URLSearchParams('view=all&q=sales&kind=sealed&capability=compute&from=1.5&to=20&sort=ending')
    expect(filterOf(whole)).toEqual({
      q: 'sales',
      auction: 'sealed',
      capability: 'compute',
      least_units: '1500000',
      most_units: '20000000',
      sort: 'ending',
      limit: 25,
    })
    expect(filterOf(new URLSearchParams('view=x&kind=x&from=x&sort=x'))).toEqual(filterOf(new URLSearchParams()))
  })
  it('says what is no amount', () => {
    expect(boundError('')).toBeUndefined()
    expect(boundError('1.5')).toBeUndefined()
    expect(boundError('much')).toBeDefined()
  })
})
