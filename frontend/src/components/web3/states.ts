import type { DealOut, EscrowOut, IntentOut, TaskState } from '@/api/types'
import type { Tone } from '../ui/Badge'

/** Tone and words of every task state. */
export const TASK_STATES: Record<TaskState, { tone: Tone; word: string }> = {
  open: { tone: 'info', word: 'Open for bids' },
  revealing: { tone: 'info', word: 'Revealing bids' },
  awarded: { tone: 'brand', word: 'Awarded' },
  awaiting_acceptance: { tone: 'warn', word: 'Waiting for the agent' },
  awaiting_payment: { tone: 'warn', word: 'Waiting for payment' },
  funding: { tone: 'chain', word: 'Funding' },
  assigned: { tone: 'ok', word: 'Assigned' },
  running: { tone: 'ok', word: 'Running' },
  delivered: { tone: 'info', word: 'Delivered, in review' },
  completed: { tone: 'ok', word: 'Completed' },
  rejected: { tone: 'bad', word: 'Rejected' },
  disputed: { tone: 'warn', word: 'Disputed' },
  refunded: { tone: 'neutral', word: 'Refunded' },
  split: { tone: 'neutral', word: 'Split' },
  failed: { tone: 'bad', word: 'Failed' },
  cancelled: { tone: 'neutral', word: 'Cancelled' },
  expired: { tone: 'neutral', word: 'Expired' },
}

/** Tone and words of a relayed transaction. */
export const INTENT_STATES: Record<IntentOut['state'], { tone: Tone; word: string }> = {
  queued: { tone: 'neutral', word: 'Queued' },
  sent: { tone: 'info', word: 'Sent' },
  mined: { tone: 'chain', word: 'Mined' },
  final: { tone: 'ok', word: 'Final' },
  failed: { tone: 'bad', word: 'Failed' },
  expired: { tone: 'warn', word: 'Expired' },
  cancelled: { tone: 'neutral', word: 'Cancelled' },
}

/** On-chain is violet and off-chain indigo throughout; what the price will decide is neither. */
export const PATHS: Record<DealOut['path'] | 'either', { tone: Tone; word: string }> = {
  escrow: { tone: 'chain', word: 'On chain' },
  channel: { tone: 'brand', word: 'Off-chain' },
  either: { tone: 'neutral', word: 'Depends on the price' },
}

/** Where an escrow stands on chain, in words. */
export const ESCROW_STATES: Record<EscrowOut['chain_status'], string> = {
  none: 'not funded',
  funded: 'funded',
  accepted: 'accepted',
  submitted: 'submitted',
  challenged: 'disputed, agent to answer',
  disputed: 'before the arbiter',
  ruled: 'ruled',
  closed: 'closed',
}
