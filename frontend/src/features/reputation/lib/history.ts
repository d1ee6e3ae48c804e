import { useQueries } from '@tanstack/react-query'
import { type Address, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePaged } from '@/api/paged'
import type { HistoryOut, ScoreFileOut } from '@/api/types'
import { epochRoot } from '@/chain/epochs'

const PAGE = 30
/** Epochs whose published scores are read and whose trees are built again; each is a file of its own. */
const PROVEN = 14

/** Whether the published scores of an epoch have this score and give the root that is anchored; null while not known. */
export interface PastScore extends HistoryOut {
  proven: boolean | null
}

const rootOf = ({ epoch, leaves }: ScoreFileOut) =>
  epochRoot(
    leaves.map(({ agent, score, settled_value_units, jobs }) => ({
      agent,
      score,
      settledValue: BigInt(settled_value_units),
      jobs,
      epoch: BigInt(epoch),
    })),
  )

/** The published scores of an epoch, with the root they give: computed once, a file never changes. */
async function readFile(epoch: number) {
  const file = await endpoints.scoreFile(epoch)
  return { leaves: file.leaves, root: rootOf(file) }
}

/** The scores an agent had, oldest first; those of the newest epochs are proven from the published files. */
export function useScoreHistory(agent: string) {
  const { query: history, items: known } = usePaged(keys.history(agent), (cursor) =>
    endpoints.reputationHistory(agent, { cursor, limit: PAGE }),
  )
  const files = useQueries({
    queries: known.slice(0, PROVEN).map(({ epoch, manifest_hash }) => ({
      queryKey: keys.scoreFile(epoch, manifest_hash),
      queryFn: () => readFile(epoch),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  })
  const points = known.map((one, index): PastScore => {
    const file = files[index]?.data
    const leaf = file?.leaves.find(({ agent: named }) => isAddressEqual(named as Address, agent as Address))
    return { ...one, proven: file ? file.root === one.root.toLowerCase() && leaf?.score === one.score : null }
  })
  return { history, points: points.reverse(), unread: files.some((file) => file.isError) }
}
