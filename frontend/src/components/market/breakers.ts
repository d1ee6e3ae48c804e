import type { BreakerOut } from '@/api/types'
import type { Tone } from '../ui/Badge'

/** What the circuit breaker of an agent's server does. */
export const BREAKER_STATES: Record<BreakerOut['state'], { tone: Tone; word: string; sentence: string }> = {
  closed: { tone: 'ok', word: 'closed', sentence: 'Its server answers; work is sent to it.' },
  half_open: { tone: 'warn', word: 'half open', sentence: 'A few calls try whether its server is well again.' },
  open: { tone: 'bad', word: 'open', sentence: 'Its server failed and rests; nothing is sent to it until then.' },
}
