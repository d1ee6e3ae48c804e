import { type Hex, stringToBytes } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'

/*
 * The session key signs payments below the escrow threshold without a wallet prompt. It is random, and kept encrypted
 * under a WebCrypto key that no script can export; only this browser profile can use it. Losing it loses no money: the
 * pool is withdrawn with the wallet and a new one opened.
 */

interface StoredKey {
  id: string
  wrapping: CryptoKey
  iv: Uint8Array<ArrayBuffer>
  sealed: ArrayBuffer
}

const STORE = 'session-keys'

function request<T>(source: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    source.onsuccess = () => resolve(source.result)
    source.onerror = () => reject(source.error ?? new Error('the browser refused its key store'))
  })
}

async function openStore(mode: IDBTransactionMode): Promise<{ store: IDBObjectStore; close: () => void }> {
  const opening = indexedDB.open('aicp', 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'id' })
  const db = await request(opening)
  return { store: db.transaction(STORE, mode).objectStore(STORE), close: () => db.close() }
}

const keyId = (chainId: number, payer: string) => `${chainId}:${payer.toLowerCase()}`
const sealing = (id: string, iv: Uint8Array<ArrayBuffer>) => ({
  name: 'AES-GCM',
  iv,
  additionalData: stringToBytes(id) as Uint8Array<ArrayBuffer>,
})

/** The session key of an account in this browser, or null when it has none. */
export async function loadSessionKey(chainId: number, payer: string): Promise<PrivateKeyAccount | null> {
  const id = keyId(chainId, payer)
  const { store, close } = await openStore('readonly')
  const row = (await request(store.get(id))) as StoredKey | undefined
  close()
  if (!row) return null
  const opened = await crypto.subtle.decrypt(sealing(id, row.iv), row.wrapping, row.sealed)
  return privateKeyToAccount(new TextDecoder().decode(opened) as Hex)
}

/** The session key of an account, made and stored first when there is none. */
export async function ensureSessionKey(chainId: number, payer: string): Promise<PrivateKeyAccount> {
  const existing = await loadSessionKey(chainId, payer)
  if (existing) return existing
  const id = keyId(chainId, payer)
  const secret = generatePrivateKey()
  const wrapping = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const sealed = await crypto.subtle.encrypt(sealing(id, iv), wrapping, new TextEncoder().encode(secret))
  const { store, close } = await openStore('readwrite')
  // `add` refuses to overwrite: a second tab that was faster keeps its key, which may already own a pool
  const added = await request(store.add({ id, wrapping, iv, sealed } satisfies StoredKey)).then(
    () => true,
    () => false,
  )
  close()
  const winner = added ? privateKeyToAccount(secret) : await loadSessionKey(chainId, payer)
  if (!winner) throw new Error('This browser does not keep data for this site, so it cannot hold a session key.')
  return winner
}
