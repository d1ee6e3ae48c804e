import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { EstimateIn } from '@/api/types'

const QUIET_MS = 250

/** A value once it has not changed for a moment. */
function useSettled<T>(value: T, key: string): T {
  const [settled, setSettled] = useState(value)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says whether the value has changed
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), QUIET_MS)
    return () => clearTimeout(timer)
  }, [key])
  return settled
}

/** What the service computes for a price while its inputs are typed; null asks for nothing. The last answer stays meanwhile. */
export function useEstimate(asked: EstimateIn | null) {
  const settled = useSettled(asked, JSON.stringify(asked))
  return useQuery({
    queryKey: keys.estimate(settled ?? {}),
    queryFn: () => endpoints.estimate(settled as EstimateIn),
    enabled: settled !== null,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  })
}
