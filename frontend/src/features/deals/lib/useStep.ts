import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ProblemError } from '@/api/client'
import { keys } from '@/api/keys'
import type { DealOut } from '@/api/types'
import { SheetClosed } from '@/chain/signing'
import { toast } from '@/components/ui/toast'
import { FeeChanged } from './disputeSteps'

/** One step of a deal: does it, puts the answer into the cache, and says so. Closing the sheet is no error. */
export function useStep<V>(deal: DealOut, done: string, run: (variables: V) => Promise<DealOut>) {
  const client = useQueryClient()
  return useMutation<DealOut | null, unknown, V>({
    mutationFn: (variables) =>
      run(variables).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        if (error instanceof FeeChanged) client.setQueryData(keys.deal(deal.id), error.deal)
        // what the page shows is not what the service holds
        else if (error instanceof ProblemError && error.status < 500)
          void client.invalidateQueries({ queryKey: keys.deal(deal.id) })
        throw error
      }),
    onSuccess: (updated) => {
      if (!updated) return
      client.setQueryData(keys.deal(deal.id), updated)
      for (const key of [keys.timeline(deal.id), keys.deals(), keys.pools, keys.transactions, keys.balances()])
        void client.invalidateQueries({ queryKey: key })
      toast('ok', done)
    },
  })
}
