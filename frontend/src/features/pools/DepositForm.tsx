import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import type { PoolOut } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { ensureSessionKey } from '@/chain/sessionKey'
import { AmountField } from '@/components/ui/Field'
import { Notice } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { deposit, depositStanding } from './lib/deposit'
import { usePoolStep } from './lib/usePoolStep'

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

/** Opens the pool of this browser's session key, or tops it up. A deposit whose fate is open goes before another one. */
export function DepositForm({ payer, pool }: { payer: string | undefined; pool: PoolOut | undefined }) {
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
