import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { WalletMinimal } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { Address as Account } from 'viem'
import { paymentChannelAbi } from '@/abi/generated'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import { useSession } from '@/api/session'
import type { IntentOut, PoolOut } from '@/api/types'
import { Page } from '@/app/Page'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { liveOperators } from '@/chain/operators'
import { ensureSessionKey, loadSessionKey } from '@/chain/sessionKey'
import { SheetClosed } from '@/chain/signing'
import { useReader } from '@/chain/useAccess'
import { useTx } from '@/chain/useTx'
import { Card } from '@/components/ui/Card'
import { AmountField } from '@/components/ui/Field'
import { Empty, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { Countdown, formatDuration, useServerNow } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { Address } from '@/components/web3/Address'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { LiveBadge } from '@/components/web3/NetworkBadge'
import { ChainNote } from '@/components/web3/TxLink'
import { BalanceBar } from './BalanceBar'
import { deposit, depositStanding } from './lib/deposit'
import { movePool, withdraw } from './lib/pool'

/** Address of this browser's session key for an account; null when there is none, undefined while it is looked up. */
function useSessionKeyAddress(payer: string | undefined): string | null | undefined {
  const { chain_id } = useNetwork()
  const key = useQuery({
    queryKey: keys.sessionKey,
    queryFn: async () => (payer ? ((await loadSessionKey(chain_id, payer))?.address ?? null) : null),
    enabled: payer !== undefined,
    retry: false,
  })
  return key.isPending ? undefined : (key.data ?? null)
}

/** A relayed pool step: reads the pool again, says what happens; closing the sheet is no error. */
function usePoolStep<V>(done: string, run: (variables: V) => Promise<IntentOut>) {
  const client = useQueryClient()
  return useMutation<IntentOut | null, unknown, V>({
    mutationFn: (variables) =>
      run(variables).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        throw error
      }),
    // a lost answer changes what this browser knows, too
    onError: () => client.invalidateQueries({ queryKey: keys.transactions }),
    onSuccess: (intent) => {
      if (!intent) return
      for (const key of [keys.sessionKey, keys.pools, keys.transactions, keys.balances()])
        void client.invalidateQueries({ queryKey: key })
      toast('ok', done, 'The relayer sends it; the page follows by itself.')
    },
  })
}

/** The deposit this account has signed here and whose fate is open; undefined while that is not known. */
function useDepositStanding(payer: string | undefined) {
  const network = useNetwork()
  const polling = usePolling()
  return useQuery({
    queryKey: keys.deposit(payer ?? ''),
    queryFn: () => depositStanding(network, payer ?? ''),
    enabled: payer !== undefined,
    refetchInterval: polling,
  }).data
}

function DepositForm({ payer, pool }: { payer: string | undefined; pool: PoolOut | undefined }) {
  const network = useNetwork()
  const { constants } = network
  const [text, setText] = useState(formatUsdc(BigInt(constants.pool_default_units)))
  const [error, setError] = useState<string | null>(null)
  const standing = useDepositStanding(payer)
  const step = usePoolStep<bigint>(pool ? 'Top-up signed' : 'Pool deposit signed', async (amount) => {
    if (!payer) throw new Error('Sign in first.')
    const key = await ensureSessionKey(network.chain_id, payer)
    return deposit(network, payer, key.address, amount)
  })
  const act = () => {
    const amount = parseUsdc(text)
    const balance = BigInt(pool?.balance_latest_units ?? '0')
    const cap = BigInt(constants.pool_cap_units)
    const problem =
      amount === null || amount === 0n
        ? 'Write an amount such as 5 or 2.50.'
        : amount + balance > cap
          ? `A pool holds at most ${amountText(cap)} here; it is meant for small change.`
          : null
    setError(problem)
    if (problem === null && amount !== null) step.mutate(amount)
  }
  if (standing?.state === 'underway')
    return (
      <Notice tone="info">
        {amountText(standing.amount_units)} are on their way into your pool. It can be topped up once they have arrived.
      </Notice>
    )
  if (standing)
    return (
      <div className="grid gap-3">
        <Notice tone="warn">
          You signed a deposit of {amountText(standing.amount_units)}, and the service does not know it yet. The same
          signature is sent again; nothing is signed or paid twice.
        </Notice>
        <ConnectionButton
          label="Send deposit again"
          onAct={() => step.mutate(BigInt(standing.amount_units))}
          busy={step.isPending}
          error={step.error}
        />
      </div>
    )
  return (
    <div className="grid gap-3">
      <AmountField
        label={pool ? 'Top up by' : 'First deposit'}
        value={text}
        error={error}
        hint={`One signature, no gas. At most ${amountText(constants.pool_cap_units)} in all.`}
        onChange={(event) => setText(event.target.value)}
      />
      <ConnectionButton
        label={pool ? 'Top up pool' : 'Open pool'}
        onAct={act}
        busy={step.isPending}
        error={step.error}
      />
    </div>
  )
}

/** A withdrawal under way; once its time is over, anyone may finish it, and the payer can do so from his wallet. */
function PendingWithdrawal({ pool, pending, children }: { pool: PoolOut; pending: bigint; children: ReactNode }) {
  const { contracts } = useNetwork()
  const tx = useTx()
  const now = useServerNow()
  const due = pool.finalize_at !== null && pool.finalize_at <= now
  const finish = () =>
    tx.mutate(
      {
        abi: paymentChannelAbi,
        address: contracts.payment_channel as Account,
        functionName: 'finalizePoolWithdraw',
        args: [pool.payer, pool.payer_authorizer, pool.operator],
      },
      { onSuccess: () => toast('ok', 'Withdrawal finished', `${amountText(pending)} are in your wallet.`) },
    )
  return (
    <div className="grid gap-3">
      <Notice tone="warn">
        {amountText(pending)} leave the pool
        {pool.finalize_at !== null && !due && (
          <>
            {' '}
            in <Countdown until={pool.finalize_at} over="a moment" />
          </>
        )}
        {due && ' as soon as the withdrawal is finished'}. Until then it takes no new orders.
      </Notice>
      {due && <ConnectionButton label="Finish withdrawal" onAct={finish} busy={tx.isPending} error={tx.error} />}
      {children}
    </div>
  )
}

function WithdrawForm({ pool }: { pool: PoolOut }) {
  const network = useNetwork()
  const [text, setText] = useState(formatUsdc(BigInt(pool.available_units)))
  const [error, setError] = useState<string | null>(null)
  const step = usePoolStep<{ amount: bigint; cancel: boolean }>('Withdrawal signed', ({ amount, cancel }) =>
    withdraw(network, pool, amount, cancel),
  )
  const pending = BigInt(pool.pending_withdraw_units)
  if (pending > 0n)
    return (
      <PendingWithdrawal pool={pool} pending={pending}>
        <ConnectionButton
          tone="secondary"
          label="Cancel withdrawal"
          onAct={() => step.mutate({ amount: pending, cancel: true })}
          busy={step.isPending}
          error={step.error}
        />
      </PendingWithdrawal>
    )
  const act = () => {
    const amount = parseUsdc(text)
    const balance = BigInt(pool.balance_latest_units)
    const problem =
      amount === null || amount === 0n
        ? 'Write an amount such as 5 or 2.50.'
        : amount > balance
          ? `The pool holds ${amountText(balance)}.`
          : null
    setError(problem)
    if (problem === null && amount !== null) step.mutate({ amount, cancel: false })
  }
  return (
    <div className="grid gap-3">
      <AmountField
        label="Withdraw"
        value={text}
        error={error}
        hint={`Takes ${formatDuration(network.constants.pool_withdraw_delay_seconds)}, sooner when the operator agrees.`}
        onChange={(event) => setText(event.target.value)}
      />
      <ConnectionButton
        tone="secondary"
        label="Withdraw from pool"
        onAct={act}
        busy={step.isPending}
        error={step.error}
      />
    </div>
  )
}

/** A pool whose operator has been followed by another one: two signatures take it there. */
function MoveForm({ pool }: { pool: PoolOut }) {
  const network = useNetwork()
  const free = BigInt(pool.available_units)
  const step = usePoolStep<void>('Move signed', async () => {
    const key = await ensureSessionKey(network.chain_id, pool.payer)
    return (await movePool(network, pool, key.address)).withdrawal
  })
  return (
    <div className="grid gap-3">
      <Notice tone="warn">
        {pool.operator_serves
          ? 'A new operator key is in use. This pool still works; move it when it suits you.'
          : 'The operator key of this pool is no longer in use. It takes no new orders; agents are still paid from it.'}
      </Notice>
      {free > 0n && BigInt(pool.pending_withdraw_units) === 0n && (
        <ConnectionButton
          label={`Move ${amountText(free)}`}
          onAct={() => step.mutate()}
          busy={step.isPending}
          error={step.error}
        />
      )}
    </div>
  )
}

/** Below what the payer wants to be told. It is a wish, not money: no signature is needed. */
function WarningForm({ pool }: { pool: PoolOut }) {
  const client = useQueryClient()
  const set = pool.warn_below_units
  const [text, setText] = useState(set ? formatUsdc(BigInt(set)) : '')
  const [error, setError] = useState<string | null>(null)
  const save = useMutation({
    mutationFn: (units: string | null) => endpoints.warnOfPool(pool.pool_id, units),
    onSuccess: (changed) => {
      void client.invalidateQueries({ queryKey: keys.pools })
      toast('ok', changed.warn_below_units ? 'You will be told' : 'You will not be told')
    },
  })
  const act = () => {
    const amount = text.trim() === '' ? 0n : parseUsdc(text)
    setError(amount === null ? 'Write an amount such as 1 or 0.50.' : null)
    if (amount !== null) save.mutate(amount === 0n ? null : amount.toString())
  }
  return (
    <div className="grid gap-3">
      <AmountField
        label="Tell me when less is free than"
        value={text}
        error={error}
        hint="Once each time it falls below; empty is never. You are always told when it does not cover your deals."
        onChange={(event) => setText(event.target.value)}
      />
      <ConnectionButton tone="secondary" label="Save" onAct={act} busy={save.isPending} error={save.error} />
    </div>
  )
}

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

function PoolCard({ pool, sessionKey }: { pool: PoolOut; sessionKey: string | null | undefined }) {
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

function OpenPool({ payer }: { payer: string | undefined }) {
  return (
    <Card title="Open a pool">
      <div className="grid items-start gap-6 md:grid-cols-2">
        <Empty icon={WalletMinimal} title="You have no pool here yet.">
          A pool is a deposit of yours in the contract. Tasks below $10 are paid from it by a session key that this
          browser keeps: no wallet prompt, no gas, no fee.
        </Empty>
        <DepositForm payer={payer} pool={undefined} />
      </div>
    </Card>
  )
}

/** The buyer's pool: open, top up, see where the money is, withdraw. */
export function PoolPage() {
  const payer = useReader()
  const session = useSession()
  const polling = usePolling()
  const pools = useQuery({
    queryKey: keys.pools,
    queryFn: endpoints.pools,
    enabled: payer !== undefined,
    refetchInterval: polling,
  })
  const remembered = useSessionKeyAddress(payer)
  const stored = pools.data ?? []
  const live = stored.filter((pool) => BigInt(pool.balance_latest_units) > 0n || BigInt(pool.earned_units) > 0n)
  const signedIn = useOutcome(session)
  const listed = useOutcome(pools)
  const failed = signedIn.failure ? session : listed.failure ? pools : null
  const waiting = signedIn.loading || (payer !== undefined && (listed.loading || remembered === undefined))
  const { operators } = useNetwork()
  const current = liveOperators({ operators })[0]
  const hasOwn = live.some((pool) => pool.payer_authorizer === remembered && pool.operator === current)
  return (
    <Page title="Pool" intro="Small change for small tasks: signed off-chain, settled on chain.">
      {waiting && !failed && <SkeletonRows label="Loading your pool" rows={5} />}
      {failed && <ErrorState error={signedIn.failure ?? listed.failure} onRetry={() => void failed.refetch()} />}
      {live.map((pool) => (
        <PoolCard key={pool.pool_id} pool={pool} sessionKey={remembered} />
      ))}
      {!waiting && !failed && !hasOwn && <OpenPool payer={payer} />}
    </Page>
  )
}
