import { useQueries } from '@tanstack/react-query'
import { type Address, isAddressEqual } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { ScoreFileOut } from '@/api/types'
import { epochRoot } from '@/chain/epochs'
import { isAnchored, useEpochs } from './epochs'

/** Epochs looked at; each is a file of its own. */
const LOOKED_AT = 14

export interface PastScore {
  epoch: number
  endedAt: string
  score: number
  jobs: number
  settledUnits: string
  /** Whether all scores of the published file give the root that is anchored. */
  proven: boolean
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

/** The scores an agent had, oldest first, read from the published files of the newest anchored epochs. */
export function useScoreHistory(agent: string) {
  const epochs = useEpochs()
  const anchored = (epochs.data?.items ?? []).filter(isAnchored).slice(0, LOOKED_AT)
  const files = useQueries({
    queries: anchored.map(({ epoch, manifest_hash }) => ({
      queryKey: keys.scoreFile(epoch, manifest_hash),
      queryFn: () => readFile(epoch),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  })
  const points = anchored.flatMap(({ epoch, ended_at, root }, index): PastScore[] => {
    const file = files[index]?.data
    const leaf = file?.leaves.find((one) => isAddressEqual(one.agent as Address, agent as Address))
    if (!file || !leaf) return []
    const { score, jobs, settled_value_units: settledUnits } = leaf
    return [{ epoch, endedAt: ended_at, score, jobs, settledUnits, proven: file.root === root.toLowerCase() }]
  })
  return {
    points: points.reverse(),
    loading: epochs.isPending || files.some((file) => file.isPending),
    error: epochs.error ?? files.find((file) => file.error)?.error ?? null,
    retry: () => void Promise.all([epochs.refetch(), ...files.map((file) => file.refetch())]),
  }
}
