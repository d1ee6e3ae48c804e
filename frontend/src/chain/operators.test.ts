import { describe, expect, it } from 'vitest'
import { NOW } from '@/test/fixtures'
import { setServerTime } from './clock'
import { liveOperator, liveOperators } from './operators'

const iso = (seconds: number) => new Date(seconds * 1000).toISOString()
const epoch = (address: string, from: number, until: number | null) => ({
  address,
  from_time: iso(NOW + from),
  until: until === null ? null : iso(NOW + until),
})

describe('liveOperators', () => {
  it('takes those whose time it is, the newest first', () => {
    setServerTime(iso(NOW))
    const operators = [
      epoch('0xold', -500, 100),
      epoch('0xnew', -50, null),
      epoch('0xlater', 60, null),
      epoch('0xgone', -900, -1),
    ]
    expect(liveOperators({ operators })).toEqual(['0xnew', '0xold'])
    setServerTime(iso(NOW + 61))
    expect(liveOperators({ operators })).toEqual(['0xlater', '0xnew', '0xold'])
    setServerTime(iso(NOW + 100))
    expect(liveOperators({ operators })).toEqual(['0xlater', '0xnew'])
  })

  it('has none when all are over', () => {
    expect(() => liveOperator({ operators: [epoch('0xgone', -900, -1)] } as never)).toThrow('No operator serves')
  })
})
