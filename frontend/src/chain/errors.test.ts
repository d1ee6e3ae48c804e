import { readdirSync, readFileSync } from 'node:fs'
import {
  type Abi,
  BaseError,
  ContractFunctionRevertedError,
  encodeErrorResult,
  HttpRequestError,
  TimeoutError,
  UserRejectedRequestError,
} from 'viem'
import { describe, expect, it } from 'vitest'
import * as generated from '@/abi/generated'
import { ProblemError, UnreachableError } from '@/api/client'
import { ERROR_SENTENCES, explain, sentenceOf } from './errors'
import { PROBLEMS } from './problems'

const abis = Object.entries(generated).filter(([name]) => name.endsWith('Abi')) as unknown as [string, Abi][]
const errors = abis.flatMap(([contract, abi]) =>
  abi.flatMap((item) => (item.type === 'error' ? [{ contract, name: item.name, inputs: item.inputs }] : [])),
)
const sample = (type: string) =>
  type === 'address'
    ? `0x${'1'.repeat(40)}`
    : type.startsWith('uint')
      ? 5n
      : type === 'string'
        ? 'x'
        : `0x${'2'.repeat(64)}`

describe('custom errors', () => {
  it('were found in the generated ABI', () => expect(errors.length).toBeGreaterThan(50))

  it.each(errors)('$contract: $name has a sentence', ({ name, inputs }) => {
    const sentence = sentenceOf(
      name,
      inputs.map(({ type }) => sample(type)),
    )
    expect(sentence).toMatch(/^[A-Z0-9].*\.$/)
    expect(sentence).not.toMatch(/undefined|null|NaN|\[object/)
    expect(sentenceOf(name)).toMatch(/\.$/)
  })

  it('has no sentence for an error that does not exist', () => {
    const names = new Set(errors.map(({ name }) => name))
    expect(Object.keys(ERROR_SENTENCES).filter((name) => !names.has(name))).toEqual([])
  })

  it('is found under the layers a library wraps around it', () => {
    const data = encodeErrorResult({
      abi: generated.usdcAbi,
      errorName: 'FaucetCapExceeded',
      args: [2_000_000n, 1_000_000n],
    })
    const reverted = new ContractFunctionRevertedError({ abi: generated.usdcAbi as Abi, data, functionName: 'faucet' })
    const wrapped = new BaseError('Execution failed', { cause: new BaseError('Contract call', { cause: reverted }) })
    expect(explain(wrapped)).toMatchObject({ kind: 'revert', detail: 'The faucet gives at most 1.00 USDC at a time.' })
  })
})

describe('problem codes', () => {
  const folder = `${import.meta.dirname}/../../../backend`
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /errors\.py$/.test(name))
  const codes = files.flatMap((name) =>
    [
      ...readFileSync(`${folder}/${name}`, 'utf8').matchAll(/\bcode, title(?:, retryable)? = (?:\d+, )?"([a-z_]+)"/g),
    ].map((match) => match[1] ?? ''),
  )

  it('were found in the service', () => expect(codes).toContain('bond_mismatch'))
  it.each(codes)('%s has a sentence', (code) => expect(PROBLEMS[code]?.sentence).toMatch(/^[A-Z].*\.$/))
  it('are explained where the service says no more', () =>
    expect(explain(new ProblemError(409, { code: 'bond_mismatch', title: 'Odd.' }))).toMatchObject({
      title: 'The arbiter asks for another amount by now; nothing was sent.',
      detail: 'Look at the new amount and sign again.',
    }))
})

describe('explain', () => {
  const withCode = (code: number, message: string, details = '') => Object.assign(new Error(message), { code, details })

  it('tells a rejection by its code, however deep', () => {
    const error = new BaseError('x', { cause: new UserRejectedRequestError(new Error('no')) })
    expect(explain(error)).toMatchObject({ kind: 'rejected', title: 'You declined in the wallet.' })
    expect(explain(withCode(4001, 'User rejected')).kind).toBe('rejected')
  })

  it('does not take a wallet that cannot switch for a rejection', () =>
    expect(explain(withCode(4001, 'x', 'Unsupported chain id')).kind).toBe('wallet'))

  it.each([
    [new HttpRequestError({ url: 'http://localhost:8545' }), 'network'],
    [new TimeoutError({ body: {}, url: 'http://localhost:8545' }), 'network'],
    [withCode(-32005, 'rate limited'), 'network'],
    [new BaseError('call', { cause: new HttpRequestError({ url: 'http://localhost:8545', status: 502 }) }), 'network'],
    [new UnreachableError(new TypeError('Failed to fetch')), 'network'],
    [withCode(-32002, 'already pending'), 'wallet'],
    [withCode(4902, 'Unrecognized chain'), 'wallet'],
  ])('%#: RPC and wallet trouble is never called a revert', (error, kind) => expect(explain(error).kind).toBe(kind))

  it('names missing gas money', () =>
    expect(explain(new BaseError('x', { details: 'insufficient funds for gas * price + value' })).kind).toBe('funds'))

  it('passes on what the service says', () => {
    const problem = new ProblemError(402, {
      code: 'voucher_above_pool',
      detail: 'The pool does not cover it.',
      what_to_do: 'Top it up.',
    })
    expect(explain(problem)).toEqual({
      kind: 'refused',
      title: 'The pool does not cover it.',
      detail: 'Top it up.',
      retryable: false,
    })
  })

  it('shows one line of an unknown error, and survives a loop of causes', () => {
    const loop: { message: string; cause?: unknown } = { message: 'Odd\nVersion: viem@2' }
    loop.cause = loop
    expect(explain(loop).title).toBe('Odd')
    expect(explain('text').title).toBe('Something went wrong.')
  })
})
