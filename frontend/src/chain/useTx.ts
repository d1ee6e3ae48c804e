import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Abi, Address, Hex } from 'viem'
import { useConfig } from 'wagmi'
import { getConnection, getPublicClient, writeContract } from 'wagmi/actions'
import { useNetwork } from './network'

export interface Call {
  abi: Abi
  address: Address
  functionName: string
  args: readonly unknown[]
}

/**
 * A transaction the reader's own wallet sends: simulated first, so that a refusal of the contract is shown as a sentence
 * before the wallet opens; a sped-up one is followed under its new hash. Resolves with the hash that was mined.
 */
export function useTx() {
  const config = useConfig()
  const network = useNetwork()
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (call: Call): Promise<Hex> => {
      const chain = getPublicClient(config, { chainId: network.chain_id })
      const account = getConnection(config).address
      if (!chain || !account) throw new Error('Connect a wallet first.')
      await chain.simulateContract({ ...call, account })
      const hash = await writeContract(config, { ...call, chainId: network.chain_id })
      let mined = hash
      const receipt = await chain.waitForTransactionReceipt({
        hash,
        onReplaced: ({ transaction }) => {
          mined = transaction.hash
        },
      })
      if (receipt.status === 'reverted') throw new Error('The transaction was mined but reverted; nothing moved.')
      return mined
    },
    onSuccess: () => client.invalidateQueries(),
  })
}
