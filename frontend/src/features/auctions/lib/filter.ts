import type { TaskState } from '@/api/types'
import { parseUsdc } from '@/chain/amount'

/** What the list can be narrowed to by state, the usual first. */
export const VIEWS: { id: string; name: string; states: TaskState[] | undefined }[] = [
  { id: 'open', name: 'Open for bids', states: ['open'] },
  { id: 'showing', name: 'Showing sealed bids', states: ['revealing'] },
  {
    id: 'working',
    name: 'In progress',
    states: [
      'awarded',
      'awaiting_acceptance',
      'awaiting_payment',
      'funding',
      'assigned',
      'running',
      'delivered',
      'disputed',
    ],
  },
  { id: 'completed', name: 'Completed', states: ['completed'] },
  { id: 'all', name: 'All', states: undefined },
]

export const KINDS = [
  ['open', 'Open bids'],
  ['sealed', 'Sealed bids'],
  ['rule', 'Awarded by the rule'],
  ['buy_now', 'With a buy-now price'],
] as const

export const ORDERS = [
  ['newest', 'Newest first'],
  ['ending', 'Ending soonest'],
  ['budget', 'Highest budget'],
] as const

const oneOf = <T extends string>(options: readonly (readonly [T, string])[], text: string | null): T | undefined =>
  options.find(([id]) => id === text)?.[0]

/** What is wrong with a bound of the budget; empty is none. */
export const boundError = (text: string): string | undefined =>
  text.trim() === '' || parseUsdc(text) !== null ? undefined : 'Write an amount such as 25 or 0.40.'

const bound = (text: string | null) => (text ? parseUsdc(text)?.toString() : undefined)

/** The filter in an address as the service takes it; what cannot be is left out. */
export function filterOf(params: URLSearchParams) {
  const view = VIEWS.find(({ id }) => id === params.get('view')) ?? VIEWS[0]
  return {
    state: view?.states,
    q: params.get('q')?.slice(0, 120) || undefined,
    capability: params.get('capability')?.slice(0, 40) || undefined,
    auction: oneOf(KINDS, params.get('kind')),
    least_units: bound(params.get('from')),
    most_units: bound(params.get('to')),
    sort: oneOf(ORDERS, params.get('sort')) ?? 'newest',
    limit: 25,
  }
}
