import { describe, expect, it } from 'vitest'
import { EMPTY_FORM, type TaskForm, validate } from './form'
import { guidePrice, guideRange } from './pricing'

const form = (changes: Partial<TaskForm>): TaskForm => ({
  ...EMPTY_FORM,
  title: 'Profile',
  description: 'All of it',
  budget: '25',
  ...changes,
})
const check = (changes: Partial<TaskForm>) => Object.keys(validate(form(changes), { minimum_price_units: '10000' }))

describe('validate', () => {
  it('accepts a whole form', () => expect(check({})).toEqual([]))
  it.each([
    [{ title: 'ab' }, 'title'],
    [{ description: '  ' }, 'description'],
    [{ capability: 'Data Processing' }, 'capability'],
    [{ budget: '' }, 'budget'],
    [{ budget: '1,50' }, 'budget'],
    [{ budget: '0.009999' }, 'budget'],
    [{ files: [new File(['a'], 'x.csv'), new File(['b'], 'x.csv')] }, 'files'],
  ] as [Partial<TaskForm>, string][])('%# finds what is wrong', (changes, field) =>
    expect(check(changes)).toEqual([field]),
  )
})

describe('guide price', () => {
  it('follows the worked example', () => expect(guidePrice(1_000_000n, 200n, 1, '1.0')).toBe(3_000_000n))
  it('rounds half up', () => expect(guidePrice(1n, 100n, 1, '1.0')).toBe(2n))
  it('spans all records', () => expect(guideRange(1, '1.0')).toEqual({ low: 750_000n, high: 3_000_000n }))
})
