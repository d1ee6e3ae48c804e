import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ProblemError } from '@/api/client'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import type { BidOut, CommitOut, TaskOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { randomBytes32 } from '@/chain/random'
import { dropBid, type KeptBid, keepBid, type Shelf, sealedBid } from '@/chain/sealedBids'
import { askSignature, SheetClosed } from '@/chain/signing'
import type { BidFields } from '@/chain/typedData'
import { toast } from '@/components/ui/toast'
import { bidUntil, orderUntil } from './phase'
import { bidSheet, commitSheet, orderSheet, revealSheet, withdrawSheet } from './sheets'

/** What a bidder chooses; the rest of a bid follows from the task. */
export interface Offer {
  amountUnits: bigint
  etaSeconds: number
  escrowOnly: boolean
}

/** Signs one thing about a task and sends it, reads the auction anew, and says so. Closing the sheet is no error. */
function useSigned<V, R>(task: TaskOut, done: string, run: (variables: V) => Promise<R>) {
  const client = useQueryClient()
  const again = () => {
    for (const key of [
      keys.task(task.id),
      keys.bids(task.id),
      keys.commits(task.id),
      keys.offers(task.id),
      keys.tasks(),
    ])
      void client.invalidateQueries({ queryKey: key })
  }
  return useMutation<R | null, unknown, V>({
    mutationFn: (variables) =>
      run(variables).catch((error: unknown) => {
        if (error instanceof SheetClosed) return null
        // what the page shows is not what the service holds
        if (error instanceof ProblemError && error.status < 500) again()
        throw error
      }),
    onSuccess: (answer) => {
      if (answer === null) return
      again()
      toast('ok', done)
    },
  })
}

const bodyOf = ({ amount_units, eta_seconds, escrow_only, valid_until, salt }: BidFields, signature: string) => ({
  amount_units,
  eta_seconds,
  escrow_only,
  valid_until,
  salt,
  signature,
})

/** What the account that is signed in can sign in an auction. */
export function useBidActions(task: TaskOut, account: string) {
  const network = useNetwork()
  const shelf: Shelf = { network, account, taskId: task.id }
  const fields = ({ amountUnits, etaSeconds, escrowOnly }: Offer): BidFields => ({
    agent: account,
    amount_units: amountUnits.toString(),
    eta_seconds: etaSeconds,
    escrow_only: escrowOnly,
    valid_until: bidUntil(task),
    salt: randomBytes32(),
  })

  const bid = useSigned<Offer, BidOut>(task, 'Bid placed', async (offer) => {
    const given = fields(offer)
    const signature = await askSignature(bidSheet(network, task, given))
    return endpoints.placeBid(task.id, bodyOf(given, signature))
  })

  const commit = useSigned<Offer, CommitOut>(task, 'Bid sealed', async (offer) => {
    const kept = sealedBid(shelf, task.task_hash, fields(offer))
    keepBid(shelf, kept)
    const sheet = commitSheet(network, task, kept)
    const signature = await askSignature(sheet).catch((error: unknown) => {
      // a sheet that was closed has signed nothing, so nothing can be committed to
      dropBid(shelf, kept.bid_hash)
      throw error
    })
    const commitment = sheet.request.message.commitment as string
    return endpoints.commitBid(task.id, { commitment, valid_until: kept.valid_until, signature })
  })

  const reveal = useSigned<{ kept: KeptBid; commit: CommitOut }, BidOut>(task, 'Bid shown', async (given) => {
    const signature = await askSignature(revealSheet(network, task, given.kept, given.commit.bid_hash))
    return endpoints.revealBid(task.id, given.commit.bid_hash, bodyOf(given.kept, signature))
  })

  const withdraw = useSigned<string, BidOut | CommitOut>(task, 'Bid withdrawn', async (hash) => {
    const signature = await askSignature(withdrawSheet(network, task, hash))
    return task.reveal_ends_at
      ? endpoints.withdrawCommit(task.id, hash, { signature })
      : endpoints.withdrawBid(task.id, hash, { signature })
  })

  return { shelf, bid, commit, reveal, withdraw }
}

export type BidActions = ReturnType<typeof useBidActions>

/** The buyer's signature by which a bid at the buy-now price wins at once. */
export function useOrder(task: TaskOut) {
  const network = useNetwork()
  return useSigned<void, object>(task, task.instant ? 'Highest price signed' : 'Buy-now price signed', async () => {
    const order = {
      buyer: task.buyer,
      max_units: task.buy_now_units ?? '0',
      valid_until: orderUntil(task),
      salt: randomBytes32(),
    }
    const signature = await askSignature(orderSheet(network, task, order))
    const { max_units, valid_until, salt } = order
    return endpoints.giveOrder(task.id, { max_units, valid_until, salt, signature })
  })
}
