import { endpoints } from '@/api/endpoints'
import type { IntentOut } from '@/api/types'
import { serverNowMs } from '@/chain/clock'

/** How long the signature under a withdrawal is good for. */
export const WITHDRAWAL_SECONDS = 600

const PAGE = 100

const isUnderway = ({ kind, state }: IntentOut) => kind === 'withdraw' && (state === 'queued' || state === 'sent')

/**
 * Ledgers a withdrawal of the reader is on its way from: a second one would be signed for the same nonce, in vain. Reads
 * on for as long as a withdrawal of that age could still be carried out.
 */
export async function ledgersUnderway(): Promise<ReadonlySet<unknown>> {
  const since = serverNowMs() - WITHDRAWAL_SECONDS * 1000
  const found = new Set<unknown>()
  let cursor: string | undefined
  do {
    const { items, next_cursor } = await endpoints.transactions({ limit: PAGE, cursor })
    for (const { reference } of items.filter(isUnderway)) found.add(reference.ledger)
    const oldest = items.at(-1)
    const goesOn = oldest !== undefined && Date.parse(oldest.created_at) > since
    cursor = goesOn ? (next_cursor ?? undefined) : undefined
  } while (cursor)
  return found
}
