import type { Constants, DealOut, DisputeOut, EscrowOut, ReleaseSignatureOut } from '@/api/types'

const BPS = 10_000n

export function escrowOf(deal: DealOut): EscrowOut {
  if (!deal.escrow) throw new Error('This deal is not paid by escrow.')
  return deal.escrow
}

/** What neither side has got yet, in base units. */
export const leftUnits = ({ terms, released_units, refunded_units }: EscrowOut): bigint =>
  BigInt(terms.amount_units) - BigInt(released_units) - BigInt(refunded_units)

/** The most that can be released in all: what was not given back. */
export const releasableUnits = ({ terms, refunded_units }: EscrowOut): bigint =>
  BigInt(terms.amount_units) - BigInt(refunded_units)

const feeOf = (units: bigint, bps: number) => (units * BigInt(bps)) / BPS

/** The marketplace fee on a further release: the fee on all that is then released, less the fee paid before. */
export function feeOn({ terms, released_units }: EscrowOut, units: bigint): bigint {
  const before = BigInt(released_units)
  return feeOf(before + units, terms.fee_bps) - feeOf(before, terms.fee_bps)
}

const ceilDiv = (a: bigint, b: bigint) => (a + b - 1n) / b

/** What the agent's stake loses when a dispute goes to the buyer, and how much of it the buyer gets. */
export function stakeAtRisk(escrow: EscrowOut, constants: Pick<Constants, 'stake_bps'>) {
  const amount = BigInt(escrow.terms.amount_units)
  const lock = ceilDiv(amount * BigInt(constants.stake_bps), BPS)
  const lost = ceilDiv(lock * leftUnits(escrow), amount)
  return { lock, lost, toBuyer: lost < lock / 2n ? lost : lock / 2n }
}

/** Half for the agent, the other half with an odd unit for the buyer. */
export const halves = (units: bigint) => ({ toAgent: units / 2n, toBuyer: units - units / 2n })

/** Where the buyer's bond goes by the end of an escrow: to who won, in halves if nobody did; back if no arbiter was asked. */
export function bondShares(dispute: DisputeOut, outcome: string): { toAgent: bigint; toBuyer: bigint } {
  const bond = BigInt(dispute.bond_units)
  const asked = dispute.dispute_id !== null
  if (asked && outcome === 'won') return { toAgent: bond, toBuyer: 0n }
  if (asked && outcome !== 'lost') return halves(bond)
  return { toAgent: 0n, toBuyer: bond }
}

const DEAD = ['failed', 'expired', 'cancelled']

/** Whether the agent has signed an answer to the dispute that the chain does not have yet, and still may get. */
export const isAnswering = ({ last_intent: last, escrow }: DealOut): boolean =>
  escrow?.dispute?.dispute_id === null && last?.kind === 'respond' && !DEAD.includes(last.state)

/** Whether a payment into the appeal was signed that the chain does not have yet, and still may get. */
export const isPayingAppeal = ({ last_intent: last }: DealOut): boolean =>
  last?.kind === 'appeal' && (last.state === 'queued' || last.state === 'sent')

/** A release somebody has signed and that still can be carried out: others join it by signing the very same. */
export const openRelease = (escrow: EscrowOut, now: number): ReleaseSignatureOut | undefined =>
  escrow.release_signatures
    .filter(({ valid_until, cumulative_released_units }) => {
      const total = BigInt(cumulative_released_units)
      return valid_until > now && total > BigInt(escrow.released_units) && total <= releasableUnits(escrow)
    })
    .at(-1)
