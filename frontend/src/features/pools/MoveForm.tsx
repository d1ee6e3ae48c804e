import type { PoolOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { ensureSessionKey } from '@/chain/sessionKey'
import { Notice } from '@/components/ui/States'
import { amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { movePool } from './lib/pool'
import { usePoolStep } from './lib/usePoolStep'

/** A pool whose operator has been followed by another one: two signatures take it there. */
export function MoveForm({ pool }: { pool: PoolOut }) {
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
