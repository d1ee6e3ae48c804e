import { useQuery } from '@tanstack/react-query'
import { WalletMinimal } from 'lucide-react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import { useSession } from '@/api/session'
import { Page } from '@/app/Page'
import { useNetwork } from '@/chain/network'
import { liveOperators } from '@/chain/operators'
import { loadSessionKey } from '@/chain/sessionKey'
import { useReader } from '@/chain/useAccess'
import { Card } from '@/components/ui/Card'
import { Empty, ErrorState, SkeletonRows } from '@/components/ui/States'
import { DepositForm } from './DepositForm'
import { PoolCard } from './PoolCard'

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
