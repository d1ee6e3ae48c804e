import { useRef } from 'react'

interface Outcome {
  isPending: boolean
  isError: boolean
  isSuccess: boolean
  error: unknown
}

/**
 * What a page shows of a query besides its data. A query without data counts as pending again whenever it is retried, so
 * a page that polls a service which is away would load for ever: the last failure is shown until there is an answer.
 */
export function useOutcome(query: Outcome): { loading: boolean; failure: unknown } {
  const last = useRef<unknown>(null)
  if (query.isError) last.current = query.error
  if (query.isSuccess) last.current = null
  return { loading: query.isPending && last.current === null, failure: last.current }
}
