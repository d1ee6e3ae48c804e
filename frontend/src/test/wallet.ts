import { HttpResponse, http } from 'msw'
import type { Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { network } from './fixtures'

interface TypedData {
  domain: Record<string, unknown>
  types: Record<string, { name: string; type: string }[]>
  primaryType: string
  message: Record<string, unknown>
}

/** Wallets are handed JSON, where integers are texts. */
function revive({ types, primaryType, message, ...rest }: TypedData) {
  const fields = types[primaryType] ?? []
  const values = fields.map(({ name, type }) => {
    const value = message[name]
    return [name, /^u?int/.test(type) ? BigInt(value as string) : value]
  })
  return { ...rest, types, primaryType, message: Object.fromEntries(values) as Record<string, unknown> }
}

/** A wallet behind the mock connector that really signs; every request for a signature is kept in `asked`. */
export function signs(account: PrivateKeyAccount, asked: TypedData[] = []) {
  return http.post(network.rpc_url, async ({ request }) => {
    const { id, method, params } = (await request.json()) as { id: number; method: string; params: string[] }
    if (method !== 'eth_signTypedData_v4') return HttpResponse.json({ jsonrpc: '2.0', id, result: null })
    const data = revive(JSON.parse(params[1] ?? '') as TypedData)
    asked.push(data)
    const result: Hex = await account.signTypedData(data as unknown as Parameters<typeof account.signTypedData>[0])
    return HttpResponse.json({ jsonrpc: '2.0', id, result })
  })
}

export type { TypedData }
