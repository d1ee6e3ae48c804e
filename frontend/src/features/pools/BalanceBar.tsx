import type { PoolOut } from '@/api/types'
import { Amount, amountText } from '@/components/web3/Amount'
import { poolParts } from './lib/pool'

const percent = (part: bigint, total: bigint) => (total === 0n ? 0 : Number((part * 10_000n) / total) / 100)

/** The pool as a bar: settled on chain in violet, signed off-chain in indigo, the rest is free. */
export function BalanceBar({ pool }: { pool: PoolOut }) {
  const { claimed, earned, reserved, free, total } = poolParts(pool)
  const parts: [string, bigint, string][] = [
    ['Settled on chain', claimed, 'bg-chain'],
    ['Earned off-chain', earned, 'bg-brand'],
    ['Promised', reserved, 'bg-brand/50'],
    ['Free', free, 'bg-line'],
  ]
  return (
    <div className="grid gap-3">
      <div
        role="img"
        aria-label={parts.map(([name, units]) => `${name}: ${amountText(units)}`).join(', ')}
        className="flex h-3 overflow-hidden rounded-full bg-sunken"
      >
        {parts.map(([name, units, colour]) => (
          <div key={name} className={colour} style={{ width: `${percent(units, total)}%` }} />
        ))}
      </div>
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        {parts.map(([name, units, colour]) => (
          <div key={name}>
            <dt className="flex items-center gap-1.5 text-xs text-muted">
              <span aria-hidden className={`size-2 rounded-full ${colour}`} />
              {name}
            </dt>
            <dd>
              <Amount units={units} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
