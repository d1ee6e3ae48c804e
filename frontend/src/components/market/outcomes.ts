import type { Outcome } from '@/chain/stakes'
import type { Tone } from '../ui/Badge'

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
