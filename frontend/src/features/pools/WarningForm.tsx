import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { PoolOut } from '@/api/types'
import { formatUsdc, parseUsdc } from '@/chain/amount'
import { AmountField } from '@/components/ui/Field'
import { toast } from '@/components/ui/toast'
import { ConnectionButton } from '@/components/web3/ConnectionButton'

/** Below what the payer wants to be told. It is a wish, not money: no signature is needed. */
export function WarningForm({ pool }: { pool: PoolOut }) {
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
