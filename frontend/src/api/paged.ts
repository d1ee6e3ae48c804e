import { type QueryKey, useInfiniteQuery } from '@tanstack/react-query'
import { usePolling } from './live'

interface Page<T> {
  items: T[]
  next_cursor?: string | null
}

/** A list that the service gives in pages: what was read of it so far, and the query that reads on (`ShowMore`). */
export function usePaged<T>(queryKey: QueryKey, read: (cursor: string | undefined) => Promise<Page<T>>) {
  const polling = usePolling()
  const query = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: polling,
  })
  return { query, items: query.data?.pages.flatMap((page) => page.items) ?? [] }
}
