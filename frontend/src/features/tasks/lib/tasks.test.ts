import { describe, expect, it } from 'vitest'
import { EMPTY_FORM, needsEscrow, parseVerifier, type TaskForm, validate } from './form'

const form = (changes: Partial<TaskForm>): TaskForm => ({
  ...EMPTY_FORM,
  title: 'Profile',
  description: 'All of it',
  budget: '25',
  ...changes,
})
const address = (digit: string) => `0x${digit.repeat(40)}`
const check = (changes: Partial<TaskForm>) =>
  Object.keys(validate(form(changes), { minimum_price_units: '10000' }, address('a'), address('b')))

describe('validate', () => {
  it('accepts a whole form', () => expect(check({})).toEqual([]))
  it.each([
    [{ title: 'ab' }, 'title'],
    [{ description: '  ' }, 'description'],
    [{ capability: 'Data Processing' }, 'capability'],
    [{ budget: '' }, 'budget'],
    [{ budget: '1,50' }, 'budget'],
    [{ budget: '0.009999' }, 'budget'],
    [{ verifier: 'somebody' }, 'verifier'],
    [{ verifier: address('0') }, 'verifier'],
    [{ verifier: address('a') }, 'verifier'],
    [{ verifier: ` ${address('b')} ` }, 'verifier'],
    [{ files: [new File(['a'], 'x.csv'), new File(['b'], 'x.csv')] }, 'files'],
  ] as [Partial<TaskForm>, string][])('%# finds what is wrong', (changes, field) =>
    expect(check(changes)).toEqual([field]),
  )
})

describe('verifier', () => {
  it('is nobody by default', () => expect(parseVerifier(' ')).toBeNull())
  it('is taken with or without the checksum', () => {
    expect(check({ verifier: address('c') })).toEqual([])
    expect(parseVerifier('0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed')).toBe(
      '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
    )
  })
  it('asks for escrow', () => {
    expect(needsEscrow(form({}))).toBe(false)
    expect(needsEscrow(form({ verifier: address('c') }))).toBe(true)
  })
})
