import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { BalancesOut, NetworkOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { useNetwork } from '@/chain/network'
import { askSignature, SheetClosed } from '@/chain/signing'
import { signingRequest } from '@/chain/typedData'
import { Card } from '@/components/ui/Card'
import { ErrorState, Skeleton } from '@/components/ui/States'
import { toast } from '@/components/ui/toast'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { FaucetButton } from './FaucetButton'

const STEP_SECONDS = 600

async function collect(network: NetworkOut, balances: BalancesOut) {
  const amount = BigInt(balances.escrow_ledger_units)
  const validUntil = serverNow() + STEP_SECONDS
  const signature = await askSignature({
    title: `Collect ${amountText(amount)}`,
    intro: 'Moves what was released or refunded to you from the escrow contract into your wallet.',
    rows: [
      { label: 'Amount', value: amount.toString(), kind: 'amount' },
      { label: 'To', value: balances.address, kind: 'address' },
      { label: 'Signature expires', value: String(validUntil), kind: 'time' },
    ],
    checks: [],
    problems: [],
    next: 'A relayer sends it and pays the gas.',
    request: signingRequest('Withdrawal', network, {
      account: balances.address,
      to: balances.address,
      amount,
      nonce: BigInt(balances.withdrawal_nonce),
      validUntil,
    }),
  })
  return endpoints.withdraw({
    to: balances.address,
    amount_units: amount.toString(),
    nonce: balances.withdrawal_nonce,
    valid_until: validUntil,
    signature,
  })
}

function useCollect() {
  const network = useNetwork()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (balances: BalancesOut) =>
      collect(network, balances).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        throw error
      }),
    onSuccess: (intent) => {
      if (!intent) return
      void client.invalidateQueries({ queryKey: keys.transactions })
      void client.invalidateQueries({ queryKey: keys.balances() })
      toast('ok', 'Withdrawal signed', 'The relayer sends it.')
    },
  })
}

/** What the account owns here, and the button that collects what waits in the contract. */
export function BalanceCard({ account }: { account: string }) {
  const network = useNetwork()
  const polling = usePolling()
  const balances = useQuery({
    queryKey: keys.balances(account),
    queryFn: () => endpoints.balances(account),
    refetchInterval: polling,
  })
  const { failure } = useOutcome(balances)
  const step = useCollect()
  if (failure)
    return (
      <Card title="Balance">
        <ErrorState error={failure} onRetry={() => void balances.refetch()} />
      </Card>
    )
  const data = balances.data
  const waiting = data !== undefined && BigInt(data.escrow_ledger_units) > 0n
  const figures: [string, string | undefined][] = [
    ['In the wallet', data?.usdc_units],
    ['Waiting in escrow', data?.escrow_ledger_units],
    ['Staked', data?.staked_units],
    ['Earned by channel', data?.channel_claimed_units],
  ]
  return (
    <Card title="Balance" aside={network.public ? null : <FaucetButton />}>
      <div className="flex flex-wrap items-end justify-between gap-4">
        <dl className="grid flex-1 basis-full grid-cols-2 gap-3 sm:basis-0 sm:grid-cols-4">
          {figures.map(([label, units]) => (
            <div key={label}>
              <dt className="text-xs text-muted">{label}</dt>
              <dd className="text-base font-semibold">
                {units === undefined ? <Skeleton className="h-6 w-24" /> : <Amount units={units} />}
              </dd>
            </div>
          ))}
        </dl>
        {waiting && (
          <ConnectionButton label="Collect" onAct={() => step.mutate(data)} busy={step.isPending} error={step.error} />
        )}
      </div>
    </Card>
  )
}
