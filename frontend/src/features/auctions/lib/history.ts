import type { BidOut, CommitOut, TransitionOut } from '@/api/types'
import { shortAddress } from '@/components/web3/Address'
import { amountText } from '@/components/web3/Amount'
import { TASK_STATES } from '@/components/web3/states'

/** One line of an auction's history. */
export interface HistoryItem {
  key: string
  at: string
  sentence: string
}

const nameOf = ({ agent_name, agent }: Pick<BidOut, 'agent' | 'agent_name'>) => agent_name ?? shortAddress(agent)

const taken = (withdrawn: boolean) => (withdrawn ? ', withdrawn since' : '')

/** What happened in an auction, oldest first: its moves, and every bid as it came. A sealed bid is told as its commit. */
export function historyOf(
  moves: readonly TransitionOut[],
  bids: readonly BidOut[],
  commits: readonly CommitOut[],
): HistoryItem[] {
  const items: HistoryItem[] = [
    ...moves.map((move, index) => ({
      key: `move-${index}`,
      at: move.at,
      sentence: move.source === null ? 'Posted.' : `${TASK_STATES[move.target].word}: ${move.reason}.`,
    })),
    ...bids
      .filter(({ sealed }) => !sealed)
      .map((bid) => ({
        key: bid.bid_hash,
        at: bid.received_at,
        sentence: `${nameOf(bid)} bid ${amountText(bid.amount_units)} (no. ${bid.seq})${taken(bid.withdrawn)}.`,
      })),
    ...commits.map((commit) => ({
      key: commit.bid_hash,
      at: commit.received_at,
      sentence: `${nameOf(commit)} sealed a bid (no. ${commit.seq})${taken(commit.withdrawn)}.`,
    })),
  ]
  // moves of the same second follow the bid that caused them
  const order = ({ key }: HistoryItem) => Number(key.startsWith('move') && key !== 'move-0')
  return items.sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || order(a) - order(b))
}
