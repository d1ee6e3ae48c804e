import type { Constants, DealOut, DealRole, DisputeOut, EscrowOut } from '@/api/types'
import { formatDuration } from '@/components/ui/Time'
import { amountText } from '@/components/web3/Amount'
import { bondShares, escrowOf, feeOn, halves, leftUnits, stakeAtRisk } from './escrow'

/** How a side is called: by the reader himself, or by anybody. */
const nameOf = (side: DealRole, reader?: DealRole) => (side === reader ? 'you' : `the ${side}`)

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** One way a dispute can go on, until when, and what everybody then has. */
export interface Ending {
  title: string
  /** Unix seconds; null where the case before it says when. */
  by: number | null
  lines: string[]
}

/** What a dispute that goes to the buyer pays. */
function buyerWins(escrow: EscrowOut, bond: bigint, constants: Constants, reader?: DealRole): string[] {
  const { lost, toBuyer } = stakeAtRisk(escrow, constants)
  const buyer = nameOf('buyer', reader)
  return [
    `${amountText(leftUnits(escrow))} go back to ${buyer}.`,
    `The bond of ${amountText(bond)} goes back to ${buyer}.`,
    `The agent's stake for this deal, ${amountText(lost)}, is lost; ${amountText(toBuyer)} of it go to ${buyer}.`,
  ]
}

/** What a dispute that goes to the agent pays. */
function agentWins(escrow: EscrowOut, bond: bigint, reader?: DealRole): string[] {
  const left = leftUnits(escrow)
  const fee = feeOn(escrow, left)
  const agent = nameOf('agent', reader)
  return [
    `${amountText(left - fee)} go to ${agent}: ${amountText(left)} less the marketplace fee.`,
    `The buyer's bond of ${amountText(bond)} goes to ${agent}. The stake is free again.`,
  ]
}

/** What a dispute without a winner pays. */
function nobodyWins(escrow: EscrowOut, bond: bigint, reader?: DealRole): string[] {
  const parts = halves(leftUnits(escrow))
  const shares = halves(bond)
  return [
    `${amountText(parts.toBuyer)} go to ${nameOf('buyer', reader)}, ${amountText(parts.toAgent)} to ${nameOf('agent', reader)} (less the fee on it).`,
    `The bond is halved too: ${amountText(shares.toBuyer)} and ${amountText(shares.toAgent)}.`,
  ]
}

/** How long an arbiter has: the terms say how long at least, he himself may need longer. */
export const arbiterTime = (escrow: EscrowOut) => formatDuration(escrow.terms.dispute_timeout)

/** The two ways a dispute can go from here, with the bond at `bond` base units and an answer due by `answerBy`. */
export function endingsOf(
  escrow: EscrowOut,
  bond: bigint,
  answerBy: number,
  constants: Constants,
  reader?: DealRole,
): { silent: Ending; ruled: Ending[] } {
  return {
    silent: {
      title: `${capital(nameOf('agent', reader))} ${reader === 'agent' ? 'do' : 'does'} not answer in time`,
      by: answerBy,
      lines: buyerWins(escrow, bond, constants, reader),
    },
    ruled: [
      { title: 'Ruling for the buyer', by: null, lines: buyerWins(escrow, bond, constants, reader) },
      { title: 'Ruling for the agent', by: null, lines: agentWins(escrow, bond, reader) },
      { title: 'No winner, or no ruling in time', by: null, lines: nobodyWins(escrow, bond, reader) },
    ],
  }
}

/** What happens to a disputed escrow if nobody does anything, and when; null where nothing is waited for. */
export function ifNobodyActs(deal: DealOut, constants: Constants, reader?: DealRole): Ending | null {
  const escrow = escrowOf(deal)
  const { dispute } = escrow
  if (!dispute) return null
  const bond = BigInt(dispute.bond_units)
  if (escrow.chain_status === 'challenged')
    return {
      title: 'If the agent does not answer',
      by: dispute.respond_by,
      lines: buyerWins(escrow, bond, constants, reader),
    }
  if (escrow.chain_status === 'disputed')
    return { title: 'If there is no ruling', by: dispute.decide_by, lines: nobodyWins(escrow, bond, reader) }
  return null
}

export const RULINGS: Record<NonNullable<DisputeOut['ruling']>, string> = {
  neither: 'The arbiter ruled for neither side.',
  buyer: 'The arbiter ruled for the buyer.',
  agent: 'The arbiter ruled for the agent.',
}

/** What the votes say while that can still be appealed, in a sentence. */
export const VERDICTS: Record<NonNullable<DisputeOut['verdict']>, string> = {
  neither: 'The votes so far are for neither side.',
  buyer: 'The votes so far are for the buyer.',
  agent: 'The votes so far are for the agent.',
}

type Round = DisputeOut['rounds'][number]

/** The panels in order, as they are called on the page. */
export const ROUNDS = ['first panel', 'second panel', 'third panel']

/** Who voted how in a panel, counted by seats. */
export function votesOf(round: Round): string {
  const { buyer_votes: buyer, agent_votes: agent, neither_votes: neither, drawn } = round
  if (drawn === 0) return 'its jurors are being drawn'
  if (buyer + agent + neither === 0) return `${drawn} jurors' seats, no vote shown yet`
  return `buyer ${buyer}, agent ${agent}${neither > 0 ? `, neither ${neither}` : ''} (of ${drawn} seats)`
}

/** What was paid for an appeal against a panel; null where there was none. */
export function appealPaid({ buyer_appeal_units: buyer, agent_appeal_units: agent }: Round): string | null {
  if (buyer === '0' && agent === '0') return null
  return `buyer's side ${amountText(buyer)}, agent's side ${amountText(agent)}`
}

const VOTED = { neither: 'neither side', buyer: 'the buyer', agent: 'the agent' } as const

/**
 * Why a ruling is not what the votes say; null where it is. The arbiter rules against the newest votes in one case only:
 * one side has paid for an appeal in full, and the other has not.
 */
export function defaultOf({ ruling, verdict }: Pick<DisputeOut, 'ruling' | 'verdict'>): string | null {
  if (ruling === null || ruling === 'neither' || verdict === null || verdict === ruling) return null
  const loser = ruling === 'buyer' ? 'agent' : 'buyer'
  return `The votes were for ${VOTED[verdict]}. The ${ruling}'s side appealed and the ${loser}'s side was not paid for in time, so it lost.`
}

/** What an appeal needs, and what happens without it, in sentences. */
export function appealRule(appeal: NonNullable<DisputeOut['appeal']>): string {
  const [first, second] = appeal.sides
  if (appeal.challenged) {
    const short = [first, second].find((side) => side && side.missing_units !== '0')
    return `One side has paid. If nobody pays ${amountText(short?.missing_units ?? '0')} for the ${short?.role ?? 'other'}'s side in time, that side loses.`
  }
  if (appeal.verdict === 'neither')
    return 'There is no winner so far. Whoever pays for its side in time wins, unless the other side pays too and a larger panel votes.'
  const loser = appeal.verdict === 'buyer' ? 'agent' : 'buyer'
  return `If nobody pays for the ${loser}'s side in time, the votes stand. If somebody does, the ${appeal.verdict}'s side has to pay as well, or it loses; then a larger panel votes.`
}

/** How an escrow ended, in a sentence. */
export const OUTCOMES: Record<string, string> = {
  completed: 'The money was released to the agent.',
  settled: 'Both sides signed how to divide it.',
  returned: 'The agent gave the money back.',
  missed: 'The agent delivered nothing in time.',
  lost: 'The dispute went to the buyer.',
  won: 'The dispute went to the agent.',
  tie: 'The dispute ended without a winner.',
  stalled: 'There was no ruling in time.',
  cancelled: 'The escrow was cancelled before the agent accepted.',
}

/** How an escrow ended, for one of its parties; `good` where it ended as he wanted or as he had agreed. */
interface End {
  sentence: string
  good: boolean
}

const END_OF_BUYER: Record<string, End> = {
  completed: { sentence: 'The money was released to the agent.', good: true },
  returned: { sentence: 'The agent gave the money back.', good: true },
  missed: { sentence: 'The agent delivered nothing in time: the money is yours again.', good: true },
  lost: { sentence: 'You won the dispute: the money is yours again.', good: true },
  won: { sentence: 'You lost the dispute: the money went to the agent.', good: false },
}

const END_OF_AGENT: Record<string, End> = {
  completed: { sentence: 'The money was released to you.', good: true },
  returned: { sentence: 'You gave the money back.', good: false },
  missed: { sentence: 'You delivered nothing in time: the money went back to the buyer.', good: false },
  lost: { sentence: 'You lost the dispute: the money went back to the buyer.', good: false },
  won: { sentence: 'You won the dispute: the money was released to you.', good: true },
}

/** How a deal whose escrow has closed with `outcome` ended for its reader; null where the outcome does not say. */
export function endFor(outcome: string | null, reader: DealRole): End | null {
  if (outcome === null) return null
  const own = reader === 'verifier' ? undefined : (reader === 'buyer' ? END_OF_BUYER : END_OF_AGENT)[outcome]
  const sentence = OUTCOMES[outcome]
  return own ?? (sentence === undefined ? null : { sentence, good: outcome === 'completed' || outcome === 'settled' })
}

/** What a closed dispute paid, in sentences. */
export function paidOut(escrow: EscrowOut, dispute: DisputeOut, outcome: string): string[] {
  const bond = bondShares(dispute, outcome)
  const to = (units: bigint, side: DealRole) => (units > 0n ? [`${amountText(units)} to the ${side}`] : [])
  const shares = [...to(bond.toBuyer, 'buyer'), ...to(bond.toAgent, 'agent')]
  const money = [...to(BigInt(escrow.refunded_units), 'buyer'), ...to(BigInt(escrow.released_units), 'agent')]
  return [
    `The escrow paid ${money.join(' and ')}${BigInt(escrow.released_units) > 0n ? ', the marketplace fee included' : ''}.`,
    ...(shares.length > 0 ? [`The bond went: ${shares.join(' and ')}.`] : []),
    ...(outcome === 'lost'
      ? ["The agent's stake for this deal is lost; up to half of it is the buyer's, ready to collect under Activity."]
      : []),
  ]
}

/** The arbiter's periods in order, as they are called on the page. */
export const PERIODS: { id: NonNullable<DisputeOut['arbiter_period']>; name: string; what: string }[] = [
  { id: 'evidence', name: 'Evidence', what: 'Both sides may add what speaks for them.' },
  { id: 'drawing', name: 'Drawing jurors', what: 'Jurors are drawn by chance, by their stake.' },
  { id: 'commit', name: 'Sealed votes', what: 'Each juror fixes a vote nobody can read yet.' },
  { id: 'reveal', name: 'Votes opened', what: 'The jurors show what they have voted.' },
  { id: 'appeal', name: 'Appeal', what: 'Either side may pay for a larger panel.' },
  { id: 'solved', name: 'Decided', what: 'The ruling stands.' },
]
