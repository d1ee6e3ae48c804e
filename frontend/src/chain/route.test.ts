import { describe, expect, it } from 'vitest'
import { network } from '@/test/fixtures'
import { chooseAtBudget } from './route'

const input = { priceUnits: 10_000_000n, taskEscrowOnly: false, bidEscrowOnly: false, deliverWithinSeconds: 3600 }
const at = (changes: Partial<typeof input>) => chooseAtBudget({ ...input, ...changes }, network.constants)

describe('chooseAtBudget', () => {
  it('leaves the way open where a lower bid would be paid off-chain', () => {
    expect(at({}).path).toBe('either')
    expect(at({ priceUnits: 25_000_000n }).path).toBe('either')
  })
  it('is sure below the threshold', () => expect(at({ priceUnits: 9_999_999n }).path).toBe('channel'))
  it('is sure where escrow is asked for or the work takes long', () => {
    expect(at({ taskEscrowOnly: true })).toEqual({ path: 'escrow', reason: 'flag' })
    expect(at({ deliverWithinSeconds: 86_400 })).toEqual({ path: 'escrow', reason: 'time' })
  })
})
