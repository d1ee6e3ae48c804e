import { useSearchParams } from 'react-router'

/** The filters of a page, which live in its address, and what changes one of them; an empty value drops it. */
export function useFilters(): [URLSearchParams, (name: string, value: string) => void] {
  const [params, setParams] = useSearchParams()
  const change = (name: string, value: string) =>
    setParams((before) => {
      const next = new URLSearchParams(before)
      if (value) next.set(name, value)
      else next.delete(name)
      return next
    })
  return [params, change]
}
