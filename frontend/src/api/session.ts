import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type Address, isAddressEqual } from 'viem'
import { createSiweMessage } from 'viem/siwe'
import { endpoints } from './endpoints'
import { keys } from './keys'
import type { SessionOut } from './types'

/** Whether this browser has signed in: the session's cookie is out of a script's sight, and asking for nothing is an error. */
const MARK = 'aicp.signed-in'

/** The signed-in session of this browser, null when there is none. */
export function useSession() {
  return useQuery({
    queryKey: keys.session,
    queryFn: async () => (localStorage.getItem(MARK) === null ? null : endpoints.session()),
    staleTime: 60_000,
    retry: 1,
    // every button reads the session: one that appears after a failure must not start it all over
    retryOnMount: false,
  })
}

/** Signs in with an EIP-4361 text; `sign` asks the wallet. */
export async function signIn(address: Address, sign: (message: string) => Promise<string>): Promise<SessionOut> {
  const nonce = await endpoints.nonce()
  const message = createSiweMessage({
    address,
    chainId: nonce.chain_id,
    domain: nonce.domain,
    uri: nonce.uri,
    nonce: nonce.nonce,
    statement: nonce.statement,
    version: '1',
    issuedAt: new Date(nonce.issued_at),
    expirationTime: new Date(nonce.expires_at),
  })
  const session = await endpoints.verify({ message, signature: await sign(message) })
  localStorage.setItem(MARK, session.address)
  return session
}

/** Ends the session here and at the service, and forgets what only it could read. */
export function useSignOut() {
  const client = useQueryClient()
  return async () => {
    await endpoints.logout()
    localStorage.removeItem(MARK)
    client.setQueryData(keys.session, null)
    for (const key of [
      keys.deals(),
      keys.pools,
      keys.sessionKey,
      keys.transactions,
      keys.receipts(),
      keys.notifications(),
      keys.webhooks,
      keys.mailbox,
    ])
      client.removeQueries({ queryKey: key })
  }
}

/** Whether a session belongs to an account. */
export const sessionOf = (session: SessionOut | null | undefined, address: Address | undefined) =>
  session && address && isAddressEqual(session.address as Address, address) ? session : null
