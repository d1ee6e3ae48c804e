import type { AwardOut, CommitOut, TaskOut } from '@/api/types'
import type { Exclusion, Weights } from '@/chain/awarding'
import type { Tone } from '@/components/ui/Badge'
import { formatDuration } from '@/components/ui/Time'
import type { Phase } from './phase'

/** The terms of the rule, in the order in which they are told. */
export const TERMS: readonly (readonly [keyof Weights, string, string])[] = [
  ['price', 'Price', 'cheaper is better'],
  ['reputation', 'Reputation', 'score of the epoch'],
  ['time', 'Promised time', 'sooner is better'],
  ['specialty', 'Specialty', 'score in this work'],
]

/** Why a bid did not count for the rule. */
export const EXCLUSIONS: Record<Exclusion, string> = {
  withdrawn: 'withdrawn by its agent',
  unrevealed: 'not shown in time',
  expired: 'no longer valid',
  replaced: 'replaced by a later bid of the same agent',
  lapsed: 'awarded before, and not paid',
  above_budget: 'above the limit',
  too_slow: 'promises more time than allowed',
}

/** Who chose the winner, in a sentence. */
export const DECIDED_BY: Record<AwardOut['decided_by'], string> = {
  buyer: 'The buyer chose the winner.',
  rule: 'The published rule chose the winner.',
  order: 'The bid was within the price the buyer had signed, so it won at once.',
}

/** How a sealed bid stands, tone and word. */
export function commitState(commit: CommitOut, phase: Phase): { tone: Tone; word: string } {
  if (commit.withdrawn) return { tone: 'neutral', word: 'withdrawn' }
  if (commit.revealed) return { tone: 'ok', word: 'shown' }
  if (!commit.live) return { tone: 'neutral', word: phase === 'bidding' ? 'replaced' : 'does not count' }
  return { tone: 'info', word: 'sealed' }
}

/** What the buyer fixed about the auction, in a line each: name and value. */
export function rulesOf(task: TaskOut): [string, string][] {
  const { extension, award_weights: weights } = task
  return [
    ['Bids', task.reveal_ends_at ? 'sealed until the end, then shown' : 'open: everybody sees them'],
    ['Winner', weights ? 'by the published rule' : 'chosen by the buyer'],
    ...(extension
      ? ([
          [
            'Late bids',
            `one in the last ${formatDuration(extension.window_seconds)} moves the end by that, ${formatDuration(extension.most_seconds)} at most in all`,
          ],
        ] as [string, string][])
      : []),
  ]
}
