import { useState } from 'react'
import { type Call, useTx } from '@/chain/useTx'
import { toast } from '@/components/ui/toast'

/** Sends calls of the reader's wallet one after the other, each simulated first, and says when all are mined. */
export function useSend() {
  const tx = useTx()
  const [busy, setBusy] = useState(false)
  const send = async (calls: readonly Call[], done: string) => {
    setBusy(true)
    try {
      for (const call of calls) await tx.mutateAsync(call)
      toast('ok', done)
    } finally {
      setBusy(false)
    }
  }
  return { send, busy }
}
