import { useMutation, useQueryClient } from '@tanstack/react-query'
import { keys } from '@/api/keys'
import type { IntentOut } from '@/api/types'
import { SheetClosed } from '@/chain/signing'
import { toast } from '@/components/ui/toast'

/** A relayed pool step: reads the pool again, says what happens; closing the sheet is no error. */
export function usePoolStep<V>(done: string, run: (variables: V) => Promise<IntentOut>) {
  const client = useQueryClient()
  return useMutation<IntentOut | null, unknown, V>({
    mutationFn: (variables) =>
      run(variables).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        throw error
      }),
    // a lost answer changes what this browser knows, too
    onError: () => client.invalidateQueries({ queryKey: keys.transactions }),
    onSuccess: (intent) => {
      if (!intent) return
      for (const key of [keys.sessionKey, keys.pools, keys.transactions, keys.balances()])
        void client.invalidateQueries({ queryKey: key })
      toast('ok', done, 'The relayer sends it; the page follows by itself.')
    },
  })
}
