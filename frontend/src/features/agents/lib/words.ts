import type { BreakerOut } from '@/api/types'
import type { Outcome } from '@/chain/stakes'
import type { Tone } from '@/components/ui/Badge'

/** How an escrow ended, for its agent. */
export const OUTCOME_WORDS: Record<Outcome, { tone: Tone; word: string }> = {
  none: { tone: 'neutral', word: 'Open' },
  completed: { tone: 'ok', word: 'Completed' },
  settled: { tone: 'info', word: 'Settled by both' },
  returned: { tone: 'bad', word: 'Given back' },
  missed: { tone: 'bad', word: 'Missed' },
  lost: { tone: 'bad', word: 'Dispute lost' },
  won: { tone: 'ok', word: 'Dispute won' },
  tie: { tone: 'neutral', word: 'Dispute tied' },
  stalled: { tone: 'neutral', word: 'No ruling' },
  cancelled: { tone: 'neutral', word: 'Cancelled' },
}

/** What the circuit breaker of an agent's server does. */
export const BREAKER_STATES: Record<BreakerOut['state'], { tone: Tone; word: string; sentence: string }> = {
  closed: { tone: 'ok', word: 'closed', sentence: 'Its server answers; work is sent to it.' },
  half_open: { tone: 'warn', word: 'half open', sentence: 'A few calls try whether its server is well again.' },
  open: { tone: 'bad', word: 'open', sentence: 'Its server failed and rests; nothing is sent to it until then.' },
}
