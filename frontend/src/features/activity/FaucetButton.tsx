import { useMutation, useQueryClient } from '@tanstack/react-query'
import { parseUnits } from 'viem'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { USDC_DECIMALS } from '@/chain/amount'
import { toast } from '@/components/ui/toast'
import { ConnectionButton } from '@/components/web3/ConnectionButton'

const AMOUNT = parseUnits('1000', USDC_DECIMALS)

/** Test USDC on networks that are not public: relayed, so that a wallet without gas gets some, too. */
export function FaucetButton() {
  const client = useQueryClient()
  const step = useMutation({
    mutationFn: () => endpoints.faucet(AMOUNT.toString()),
    onSuccess: () => {
      for (const key of [keys.transactions, keys.balances()]) void client.invalidateQueries({ queryKey: key })
      toast('ok', '1000 test USDC are on their way', 'The relayer sends them; the balance follows by itself.')
    },
  })
  return (
    <ConnectionButton
      tone="quiet"
      label="Get test USDC"
      onAct={() => step.mutate()}
      busy={step.isPending}
      error={step.error}
    />
  )
}
