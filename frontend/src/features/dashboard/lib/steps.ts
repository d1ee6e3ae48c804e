import type { AgentDashboardOut, BuyerDashboardOut } from '@/api/types'
import type { Tone } from '@/components/ui/Badge'

export type Waiting = BuyerDashboardOut['waiting'][number] | AgentDashboardOut['waiting'][number]

interface StepWords {
  tone: Tone
  word: string
  /** What happens when the clock runs out, after the time left. */
  late: string
  /** Whether the reader is who has to act. */
  yours: boolean
}

/** What waits, in words. */
export const STEPS: Record<Waiting['step'], StepWords> = {
  award: { tone: 'warn', word: 'Choose a bid', late: '', yours: true },
  pay: { tone: 'warn', word: 'Pay', late: 'until the deal lapses', yours: true },
  review: { tone: 'info', word: 'Review the result', late: 'until silence accepts it', yours: true },
  show_bid: { tone: 'warn', word: 'Show your bid', late: 'until it no longer counts', yours: true },
  accept: { tone: 'warn', word: 'Sign the terms', late: 'until the deal lapses', yours: true },
  deliver: { tone: 'ok', word: 'Deliver', late: 'until it is missed', yours: true },
  answer: { tone: 'bad', word: 'Answer the dispute', late: 'until the money goes back', yours: true },
  dispute: { tone: 'neutral', word: 'In dispute', late: 'until it goes on', yours: false },
  appeal: { tone: 'warn', word: 'Appeal is open', late: 'until the verdict stands', yours: true },
}

/** Where the reader acts on it. */
export const placeOf = ({ deal_id, task_id }: Waiting): string => (deal_id ? `/deals/${deal_id}` : `/tasks/${task_id}`)
