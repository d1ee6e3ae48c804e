import { useQuery } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import type { EpochOut } from '@/api/types'

const LISTED = 30

/** The newest epochs, whatever became of them. */
export function useEpochs() {
  const polling = usePolling()
  return useQuery({
    queryKey: keys.epochs,
    queryFn: () => endpoints.epochs({ limit: LISTED }),
    refetchInterval: polling,
  })
}

/** Whether an epoch is on the chain and was not vetoed: such a one gives scores. */
export const isAnchored = ({ state }: EpochOut): boolean => state === 'counts' || state === 'pending'
