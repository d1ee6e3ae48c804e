import { describe, expect, it } from 'vitest'
import type { DisputeOut, EscrowOut } from '@/api/types'
import { makeChallenged, makeDisputed, makeRuled } from '@/test/disputes'
import { NOW, network } from '@/test/fixtures'
import { bondShares, escrowOf, feeOn, leftUnits, openRelease, stakeAtRisk } from './escrow'
import { periodsOf } from './periods'
import { ifNobodyActs } from './words'

const escrow = async (changes: Partial<EscrowOut> = {}) => ({ ...escrowOf(await makeChallenged()), ...changes })

describe('figures', () => {
  it('takes the stake for the missing part only, half of the lock to the buyer at most', async () => {
    const { constants } = network
    expect(stakeAtRisk(await escrow(), constants)).toEqual({ lock: 4_800_000n, lost: 4_800_000n, toBuyer: 2_400_000n })
    const partly = await escrow({ released_units: '20000000' })
    expect(leftUnits(partly)).toBe(4_000_000n)
    expect(stakeAtRisk(partly, constants)).toEqual({ lock: 4_800_000n, lost: 800_000n, toBuyer: 800_000n })
  })

  it('sums the fees of releases to the fee of the whole', async () => {
    const first = await escrow({ released_units: '39' })
    expect(feeOn(await escrow(), 39n) + feeOn(first, 24_000_000n - 39n)).toBe(600_000n)
  })

  it.each([
    [null, 'lost', 3_000_001n, 0n],
    [null, 'settled', 3_000_001n, 0n],
    ['7', 'lost', 3_000_001n, 0n],
    ['7', 'won', 0n, 3_000_001n],
    ['7', 'tie', 1_500_001n, 1_500_000n],
    ['7', 'stalled', 1_500_001n, 1_500_000n],
    ['7', 'settled', 1_500_001n, 1_500_000n],
  ])('the bond of a dispute %s that is %s', (dispute_id, outcome, toBuyer, toAgent) =>
    expect(bondShares({ bond_units: '3000001', dispute_id } as DisputeOut, outcome)).toEqual({ toBuyer, toAgent }),
  )

  it('joins only a release that can still be carried out', async () => {
    const signature = { role: 'agent', signer: '', valid_until: NOW + 10, signature: '0x', created_at: '' } as const
    const of = (total: string, valid_until = NOW + 10) => ({
      ...signature,
      cumulative_released_units: total,
      valid_until,
    })
    const held = await escrow({ released_units: '1000000', refunded_units: '4000000' })
    const joined = (total: string, until?: number) =>
      openRelease({ ...held, release_signatures: [of(total, until)] }, NOW)
    expect(joined('20000000')).toBeDefined()
    expect(joined('20000001')).toBeUndefined()
    expect(joined('1000000')).toBeUndefined()
    expect(joined('20000000', NOW)).toBeUndefined()
  })
})

describe('periods', () => {
  const names = (held: EscrowOut) =>
    periodsOf(held, held.dispute as DisputeOut).map(({ name, state }) => `${name}: ${state}`)

  it('wait for the answer', async () =>
    expect(names(await escrow())).toEqual([
      'The buyer disputed the result: done',
      'The agent has to answer: now',
      'The arbiter decides: later',
      'The money is paid out: later',
    ]))
  it('are inside the time of the arbiter', async () =>
    expect(names(escrowOf(await makeDisputed()))).toEqual([
      'The buyer disputed the result: done',
      'The agent answered: done',
      'The arbiter decides: now',
      'Evidence: done',
      'Drawing jurors: done',
      'Sealed votes: now',
      'Votes opened: later',
      'Appeal: later',
      'The money is paid out: later',
    ]))
  it('name a panel where there was an appeal, and whose votes an appeal is against', async () => {
    const note = (held: EscrowOut, changes: Partial<DisputeOut>) =>
      periodsOf(held, { ...held.dispute, ...changes } as DisputeOut).find(
        ({ inner, state }) => inner && state === 'now',
      )?.note
    const held = escrowOf(await makeDisputed())
    const what = 'Each juror fixes a vote nobody can read yet.'
    expect(note(held, { arbiter_round: 0 })).toBe(what)
    expect(note(held, { arbiter_round: 2 })).toBe(`${what} This is the third panel, after an appeal.`)
    expect(note(held, { arbiter_round: 0, arbiter_period: 'appeal' })).toBe(
      'The first panel has voted; either side may pay for a larger one.',
    )
  })
  it('end with the ruling', async () => {
    const held = escrowOf(await makeRuled())
    expect(names(held).slice(2)).toContain('The arbiter ruled: done')
    expect(names(held).at(-1)).toBe('The money was paid out: done')
  })
  it('end by silence, by a refund, without a ruling', async () => {
    const silent = await escrow({ chain_status: 'closed' })
    const ended = (held: EscrowOut, outcome: string) =>
      names({ ...held, dispute: { ...held.dispute, outcome } as DisputeOut })
    expect(ended(silent, 'lost')).toContain('The agent did not answer: missed')
    expect(ended(silent, 'returned')).toContain('The agent did not need to answer: done')
    const stalled = { ...escrowOf(await makeDisputed()), chain_status: 'closed' as const }
    expect(ended(stalled, 'stalled')).toContain('There was no ruling in time: missed')
    expect(ended(stalled, 'settled')).toContain('No ruling was needed: done')
  })
})

describe('if nobody acts', () => {
  it('says when and who gets what, by state', async () => {
    const { constants } = network
    const challenged = await makeChallenged()
    expect(ifNobodyActs(challenged, constants)).toMatchObject({ by: NOW + 540 })
    const disputed = await makeDisputed()
    expect(ifNobodyActs(disputed, constants)).toMatchObject({ by: NOW + 2_592_000 })
    expect(ifNobodyActs(await makeRuled(), constants)).toBeNull()
  })
})
