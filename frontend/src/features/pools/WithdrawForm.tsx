import { useState } from 'react'
import type { Address } from 'viem'
import { paymentChannelAbi } from '@/abi/generated'
import type { PoolOut } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { useTx } from '@/chain/useTx'
import { AmountField } from '@/components/ui/Field'
import { Notice } from '@/components/ui/States'
import { Countdown, formatDuration, useServerNow } from '@/components/ui/Time'
import { toast } from '@/components/ui/toast'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { withdraw } from './lib/pool'
import { usePoolStep } from './lib/usePoolStep'

/** A withdrawal under way: the payer may take it back and, once its time is over, finish it from their own wallet. */
function PendingWithdrawal({ pool, pending }: { pool: PoolOut; pending: bigint }) {
  const network = useNetwork()
  const tx = useTx()
  const cancel = usePoolStep<void>('Cancellation signed', () => withdraw(network, pool, pending, true))
  const now = useServerNow()
  const due = pool.finalize_at !== null && pool.finalize_at <= now
  const finish = () =>
    tx.mutate(
      {
        abi: paymentChannelAbi,
        address: network.contracts.payment_channel as Address,
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
      <ConnectionButton
        tone="secondary"
        label="Cancel withdrawal"
        onAct={() => cancel.mutate()}
        busy={cancel.isPending}
        error={cancel.error}
      />
    </div>
  )
}

/** Asks for money of the pool back, or takes such a request back while it waits. */
export function WithdrawForm({ pool }: { pool: PoolOut }) {
  const network = useNetwork()
  const [text, setText] = useState(formatUsdc(BigInt(pool.available_units)))
  const [error, setError] = useState<string | null>(null)
  const step = usePoolStep<bigint>('Withdrawal signed', (amount) => withdraw(network, pool, amount, false))
  const pending = BigInt(pool.pending_withdraw_units)
  if (pending > 0n) return <PendingWithdrawal pool={pool} pending={pending} />
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
    if (problem === null && amount !== null) step.mutate(amount)
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
