import type { NetworkOut } from '@/api/types'
import { serverNow } from './clock'

type Epoch = NetworkOut['operators'][number]

const seconds = (text: string) => Date.parse(text) / 1000

const serves = ({ from_time, until }: Epoch, now: number) =>
  seconds(from_time) <= now && (!until || now < seconds(until))

/** The operator keys that serve now, the one that began last first. Each goes on with its own pools. */
export const liveOperators = ({ operators }: Pick<NetworkOut, 'operators'>): string[] =>
  operators
    .filter((known) => serves(known, serverNow()))
    .sort((a, b) => seconds(b.from_time) - seconds(a.from_time))
    .map(({ address }) => address)

/** The operator key that new pools name. */
export function liveOperator(network: NetworkOut): string {
  const [operator] = liveOperators(network)
  if (!operator) throw new Error('No operator serves at the moment; pools cannot be opened.')
  return operator
}
