import { describe, expect, it } from 'vitest'
import type { DealRole, DisputeOut } from '@/api/types'
import { makeAppealable } from '@/test/disputes'
import { NOW } from '@/test/fixtures'
import { appealNow } from './appealNow'
import { escrowOf } from './escrow'

type Appeal = NonNullable<DisputeOut['appeal']>
type Side = Appeal['sides'][number]

async function told(role: DealRole, changes: Partial<Appeal> = {}, now = NOW) {
  const { appeal } = escrowOf(await makeAppealable(changes)).dispute as DisputeOut
  return appealNow(appeal as Appeal, role, now)
}

const paid = (role: Side['role'], units: string): Side => ({
  role,
  required_units: units,
  paid_units: units,
  missing_units: '0',
  payable_until: null,
})
const owing = (role: Side['role'], units: string, until: number): Side => ({
  ...paid(role, units),
  paid_units: '0',
  missing_units: units,
  payable_until: until,
})
const ANSWER = { challenged: true, sides: [paid('buyer', '14000000'), owing('agent', '7000000', NOW + 600)] }

describe('an open appeal, from the side of its reader', () => {
  it('offers to appeal to the side the votes are against, until half time', async () =>
    expect(await told('buyer')).toMatchObject({
      sentence: 'The votes are against you. You can appeal: pay 14.00 USDC in time, or the votes stand.',
      until: NOW + 300,
      pays: true,
    }))

  it('asks nothing of the side they are for, and says what it may owe', async () =>
    expect(await told('agent')).toMatchObject({
      sentence:
        'The votes are for you: you owe nothing yet. If the buyer appeals in time, you then have to pay 7.00 USDC too, or you lose.',
      until: NOW + 300,
      pays: false,
    }))

  it('owes nothing at all once it has paid ahead', async () => {
    const sides = [owing('buyer', '14000000', NOW + 300), paid('agent', '7000000')]
    expect(await told('agent', { sides })).toMatchObject({
      sentence: expect.stringContaining('already paid'),
      pays: false,
    })
  })

  it('demands the answer, until the end', async () =>
    expect(await told('agent', ANSWER)).toMatchObject({
      sentence: 'The buyer has appealed. Pay 7.00 USDC for your side in time, or you lose the dispute.',
      until: NOW + 600,
      pays: true,
      urgent: true,
    }))

  it('lets the side that has appealed wait', async () =>
    expect(await told('buyer', ANSWER)).toMatchObject({
      sentence:
        'Your side is paid for. If nobody pays 7.00 USDC for the agent in time, you win; otherwise a larger panel votes.',
      until: NOW + 600,
      pays: false,
    }))

  it('offers the win to both where there is no winner', async () => {
    const sides = [owing('buyer', '14000000', NOW + 300), owing('agent', '14000000', NOW + 300)]
    const sentence =
      'The votes are for neither side. Pay 14.00 USDC in time and you win, unless the agent pays too: then a larger panel votes.'
    expect(await told('buyer', { verdict: 'neither', sides })).toMatchObject({ sentence, pays: true })
  })

  it('tells a verifier of both sides and asks nothing of him', async () =>
    expect(await told('verifier', ANSWER)).toMatchObject({
      sentence: expect.stringContaining("If nobody pays 7.00 USDC for the agent's side in time"),
      pays: false,
    }))

  it('takes no money after the end', async () =>
    expect(await told('agent', ANSWER, NOW + 600)).toMatchObject({
      sentence: "The time to appeal is over; the arbiter's ruling follows.",
      pays: false,
    }))
})
