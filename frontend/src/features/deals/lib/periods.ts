import type { DisputeOut, EscrowOut } from '@/api/types'
import { arbiterTime, PERIODS, ROUNDS } from './words'

/** A period of a dispute: over since `at`, or running until `until` (unix seconds where the chain says so). */
export interface PeriodStep {
  name: string
  state: 'done' | 'now' | 'later' | 'missed'
  at: number | null
  until: number | null
  note: string | null
  /** A period of the arbiter's own, inside his time. */
  inner: boolean
}

const step = (name: string, state: PeriodStep['state'], more: Partial<PeriodStep> = {}): PeriodStep => ({
  name,
  state,
  at: null,
  until: null,
  note: null,
  inner: false,
  ...more,
})

function answerStep(escrow: EscrowOut, dispute: DisputeOut, answering: boolean): PeriodStep {
  if (dispute.dispute_id !== null) return step('The agent answered', 'done', { at: dispute.responded_at })
  if (escrow.chain_status === 'challenged')
    return step('The agent has to answer', 'now', {
      until: dispute.respond_by,
      note: answering ? 'Its answer is on its way to the chain.' : 'By paying the arbiter.',
    })
  // closed without an answer: silence, a refund or a split
  return escrow.chain_status === 'closed' && dispute.outcome === 'lost'
    ? step('The agent did not answer', 'missed', { at: dispute.respond_by })
    : step('The agent did not need to answer', 'done')
}

function rulingStep(escrow: EscrowOut, dispute: DisputeOut): PeriodStep {
  if (dispute.ruling !== null) return step('The arbiter ruled', 'done')
  if (escrow.chain_status === 'closed')
    return dispute.outcome === 'stalled'
      ? step('There was no ruling in time', 'missed', { at: dispute.decide_by })
      : step('No ruling was needed', 'done')
  const state = escrow.chain_status === 'disputed' ? 'now' : 'later'
  const note =
    dispute.decide_by === null ? `Within ${arbiterTime(escrow)} of the answer, or longer if it needs more.` : null
  return step('The arbiter decides', state, { until: dispute.decide_by, note })
}

/** What happens in a period of the arbiter's, and in which panel once there has been more than one. */
function noteOf(period: (typeof PERIODS)[number], round: number | null): string {
  if (round === null) return period.what
  if (period.id === 'appeal') return `The ${ROUNDS[round]} has voted; either side may pay for a larger one.`
  return round === 0 ? period.what : `${period.what} This is the ${ROUNDS[round]}, after an appeal.`
}

function arbiterSteps(escrow: EscrowOut, dispute: DisputeOut): PeriodStep[] {
  const { arbiter_period: period, arbiter_round: round, arbiter_period_at: since, appeal } = dispute
  const { arbiter_period_ends_at: ends } = dispute
  // where both sides or a clock ended the dispute, its later periods never were
  if (period === null || (escrow.chain_status === 'closed' && dispute.ruling === null)) return []
  const reached = PERIODS.findIndex(({ id }) => id === period)
  const over = escrow.chain_status !== 'disputed'
  const clock = appeal && !appeal.challenged ? appeal.challenge_by : ends
  return PERIODS.filter(({ id }) => id !== 'solved').map((one, index) => {
    const state = over || index < reached ? 'done' : index === reached ? 'now' : 'later'
    return step(one.name, state, {
      inner: true,
      at: state === 'now' ? since : null,
      until: state === 'now' ? clock : null,
      note: state === 'now' ? noteOf(one, round) : null,
    })
  })
}

/** The periods of a dispute in order, the arbiter's own among them where he shows them; `answering`: see `isAnswering`. */
export function periodsOf(escrow: EscrowOut, dispute: DisputeOut, answering = false): PeriodStep[] {
  const raised = step('The buyer disputed the result', 'done', { at: dispute.raised_at })
  const answer = answerStep(escrow, dispute, answering)
  if (dispute.dispute_id === null && escrow.chain_status === 'closed')
    return [raised, answer, step('The escrow is closed', 'done')]
  const closed = escrow.chain_status === 'closed'
  return [
    raised,
    answer,
    rulingStep(escrow, dispute),
    ...arbiterSteps(escrow, dispute),
    step(
      closed ? 'The money was paid out' : 'The money is paid out',
      closed ? 'done' : dispute.ruling !== null ? 'now' : 'later',
    ),
  ]
}
