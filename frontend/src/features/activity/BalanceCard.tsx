import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import { useOutcome } from '@/api/outcome'
import type { LedgerName, LedgerOut, NetworkOut } from '@/api/types'
import { serverNow } from '@/chain/clock'
import { collectRequest } from '@/chain/ledgers'
import { useNetwork } from '@/chain/network'
import { askSignature, SheetClosed } from '@/chain/signing'
import { Card } from '@/components/ui/Card'
import { ErrorState, Skeleton } from '@/components/ui/States'
import { toast } from '@/components/ui/toast'
import { Amount, amountText } from '@/components/web3/Amount'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { FaucetButton } from './FaucetButton'
import { ledgersUnderway, WITHDRAWAL_SECONDS } from './lib/underway'

const WAITS: Record<LedgerName, { from: string; intro: string }> = {
  escrow: {
    from: 'from escrows',
    intro: 'Moves what was released or refunded to you from the escrow contract into your wallet.',
  },
  reputation: {
    from: 'from stakes',
    intro: 'Moves your share of lost stakes, and bonuses, from the contract that keeps stakes into your wallet.',
  },
  arbiter: {
    from: 'from the arbiter',
    intro: 'Moves what the arbiter owes you, for votes or out of appeals, into your wallet.',
  },
}

async function collect(network: NetworkOut, account: string, held: LedgerOut) {
  const validUntil = serverNow() + WITHDRAWAL_SECONDS
  const signature = await askSignature({
    title: `Collect ${amountText(held.units)}`,
    intro: WAITS[held.ledger].intro,
    rows: [
      { label: 'Amount', value: held.units, kind: 'amount' },
      { label: 'To', value: account, kind: 'address' },
      { label: 'Signature expires', value: String(validUntil), kind: 'time' },
    ],
    checks: [],
    problems: [],
    next: 'A relayer sends it and pays the gas.',
    request: collectRequest(network, account, held, validUntil),
  })
  return endpoints.withdraw({
    ledger: held.ledger,
    to: account,
    amount_units: held.units,
    nonce: held.withdrawal_nonce,
    valid_until: validUntil,
    signature,
  })
}

function useCollect(account: string) {
  const network = useNetwork()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (held: LedgerOut) =>
      collect(network, account, held).catch((error: unknown) => {
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

function useUnderway(account: string, enabled: boolean) {
  return useQuery({ queryKey: keys.withdrawals(account), queryFn: ledgersUnderway, enabled }).data
}

/** One ledger that holds something, and the button that moves it into the wallet. */
function WaitingRow({ account, held, underway }: { account: string; held: LedgerOut; underway: boolean }) {
  const step = useCollect(account)
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <span>
        <Amount units={held.units} className="font-semibold" />{' '}
        <span className="text-muted">{WAITS[held.ledger].from}</span>
      </span>
      {underway ? (
        <span className="text-xs text-muted">on its way to your wallet</span>
      ) : (
        <ConnectionButton
          label={`Collect ${amountText(held.units)}`}
          onAct={() => step.mutate(held)}
          busy={step.isPending}
          error={step.error}
        />
      )}
    </li>
  )
}

/** What the account owns here, and the buttons that collect what waits in the contracts. */
export function BalanceCard({ account }: { account: string }) {
  const network = useNetwork()
  const polling = usePolling()
  const balances = useQuery({
    queryKey: keys.balances(account),
    queryFn: () => endpoints.balances(account),
    refetchInterval: polling,
  })
  const { failure } = useOutcome(balances)
  const waiting = balances.data?.ledgers.filter(({ units }) => units !== '0') ?? []
  const underway = useUnderway(account, waiting.length > 0)
  if (failure)
    return (
      <Card title="Balance">
        <ErrorState error={failure} onRetry={() => void balances.refetch()} />
      </Card>
    )
  const data = balances.data
  const figures: [string, string | undefined][] = [
    ['In the wallet', data?.usdc_units],
    ['To collect', data?.collectable_units],
    ['Staked', data?.staked_units],
    ['Small payments, claimed', data?.channel_claimed_units],
  ]
  return (
    <Card title="Balance" aside={network.public ? null : <FaucetButton />}>
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        {figures.map(([label, units]) => (
          <div key={label}>
            <dt className="text-xs text-muted">{label}</dt>
            <dd className="text-base font-semibold">
              {units === undefined ? <Skeleton className="h-6 w-24" /> : <Amount units={units} />}
            </dd>
          </div>
        ))}
      </dl>
      {waiting.length > 0 && (
        <ul aria-label="To collect" className="mt-4 grid gap-3 border-t border-line pt-3">
          {waiting.map((held) => (
            <WaitingRow
              key={held.ledger}
              account={account}
              held={held}
              underway={underway?.has(held.ledger) ?? false}
            />
          ))}
        </ul>
      )}
    </Card>
  )
}
