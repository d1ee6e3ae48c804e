import type { PoolOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { liveOperators } from '@/chain/operators'
import { Card } from '@/components/ui/Card'
import { Notice } from '@/components/ui/States'
import { Address } from '@/components/web3/Address'
import { Amount, amountText } from '@/components/web3/Amount'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { ChainNote } from '@/components/web3/TxLink'
import { BalanceBar } from './BalanceBar'
import { DepositForm } from './DepositForm'
import { MoveForm } from './MoveForm'
import { WarningForm } from './WarningForm'
import { WithdrawForm } from './WithdrawForm'

function Channels({ pool }: { pool: PoolOut }) {
  if (pool.channels.length === 0)
    return <p className="text-muted">No agent has been paid from this pool yet. Post a task below $10 to use it.</p>
  return (
    <table className="w-full table-fixed sm:table-auto">
      <caption className="sr-only">Agents paid from this pool</caption>
      <thead>
        <tr className="text-xs text-muted">
          <th scope="col" className="py-1 text-left font-medium">
            Agent
          </th>
          <th scope="col" className="w-28 py-1 pl-3 text-right font-medium sm:w-auto">
            Earned
          </th>
          <th scope="col" className="hidden py-1 pl-3 text-right font-medium sm:table-cell">
            Settled
          </th>
        </tr>
      </thead>
      <tbody>
        {pool.channels.map((channel) => (
          <tr key={channel.channel_id} className="border-t border-line">
            <td className="py-2">
              <Address address={channel.receiver} name={channel.receiver_name} />
            </td>
            <td className="py-2 pl-3 text-right">
              <Amount units={channel.earned_units} />
            </td>
            <td className="hidden py-2 pl-3 text-right sm:table-cell">
              <Amount units={channel.claimed_units} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** One pool: where its money is, whom it has paid, and what its payer can do with it. */
export function PoolCard({ pool, sessionKey }: { pool: PoolOut; sessionKey: string | null | undefined }) {
  const network = useNetwork()
  const current = liveOperators(network)[0] === pool.operator
  const own = sessionKey === pool.payer_authorizer && current
  const waiting = BigInt(pool.balance_latest_units) - BigInt(pool.balance_final_units)
  return (
    <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
      <div className="grid min-w-0 grid-cols-1 gap-4 lg:col-span-2">
        <Card title="Your pool" aside={<LiveBadge />}>
          <div className="grid gap-4">
            <BalanceBar pool={pool} />
            {sessionKey !== pool.payer_authorizer && sessionKey !== undefined && (
              <Notice tone="warn">
                This pool belongs to a session key of another browser or program. Orders need that one; you can withdraw
                the pool here and open a new one.
              </Notice>
            )}
            <dl className="grid gap-2 border-t border-line pt-3">
              <div className="flex flex-wrap items-center justify-between gap-x-3">
                <dt className="text-xs text-muted">Balance on chain</dt>
                <dd>
                  <Amount units={pool.balance_latest_units} />
                </dd>
              </div>
              <div className="flex flex-wrap items-center justify-between gap-x-3">
                <dt className="text-xs text-muted">Free for new orders</dt>
                <dd>
                  <Amount units={pool.available_units} />
                  {waiting > 0n && (
                    <span className="block text-xs text-muted">{amountText(waiting)} more once final on chain</span>
                  )}
                </dd>
              </div>
              <div className="flex flex-wrap items-center justify-between gap-x-3">
                <dt className="text-xs text-muted">Session key</dt>
                <dd>
                  <Address address={pool.payer_authorizer} copy />
                </dd>
              </div>
              {pool.chain && (
                <div className="flex flex-wrap items-center justify-between gap-x-3">
                  <dt className="text-xs text-muted">Newest entry</dt>
                  <dd>
                    <ChainNote chain={pool.chain} />
                  </dd>
                </div>
              )}
            </dl>
          </div>
        </Card>
        <Card title="Agents paid from it">
          <Channels pool={pool} />
        </Card>
      </div>
      <div className="grid min-w-0 grid-cols-1 gap-4">
        {own && (
          <Card title="Top up">
            <DepositForm payer={pool.payer} pool={pool} />
          </Card>
        )}
        {!current && (
          <Card title="Move to the new operator">
            <MoveForm pool={pool} />
          </Card>
        )}
        <Card title="Warning">
          <WarningForm key={pool.warn_below_units} pool={pool} />
        </Card>
        <Card title="Withdraw">
          <WithdrawForm key={pool.nonce} pool={pool} />
        </Card>
      </div>
    </div>
  )
}
