import { type Address, parseUnits } from 'viem'
import { usdcAbi } from '@/abi/generated'
import { USDC_DECIMALS } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { useTx } from '@/chain/useTx'
import { toast } from '@/components/ui/toast'
import { ConnectionButton } from '@/components/web3/ConnectionButton'

const AMOUNT = parseUnits('1000', USDC_DECIMALS)

/** Test USDC on networks that are not public: an ordinary transaction of the reader's wallet. */
export function FaucetButton({ account }: { account: string }) {
  const { contracts } = useNetwork()
  const tx = useTx()
  const act = () =>
    tx.mutate(
      { abi: usdcAbi, address: contracts.usdc as Address, functionName: 'faucet', args: [account, AMOUNT] },
      { onSuccess: () => toast('ok', '1000 test USDC arrived') },
    )
  return <ConnectionButton tone="quiet" label="Get test USDC" onAct={act} busy={tx.isPending} error={tx.error} />
}
