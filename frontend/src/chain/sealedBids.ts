import { type Address, isAddressEqual } from 'viem'
import type { NetworkOut } from '@/api/types'
import { type BidFields, commitHash } from './typedData'

/*
 * What an account's sealed bids hide, in this browser: the service does not know it, and without it a bid cannot be
 * shown and does not count. A bid is kept before its commit is signed, so no crash in between loses one.
 */

/** A sealed bid as it is kept, and as the file that can be downloaded holds it; `aicp bid reveal --kept` reads it too. */
export interface KeptBid extends BidFields {
  kind: 'aicp sealed bid'
  chain_id: number
  escrow: string
  task_id: string
  task_hash: string
  /** The hash the commit is receipted under. */
  bid_hash: string
}

/** Where an account's bids on a task are kept. */
export interface Shelf {
  network: NetworkOut
  account: string
  taskId: string
}

const keyOf = ({ network, account, taskId }: Shelf) =>
  ['aicp.sealed', network.chain_id, account, taskId].join('.').toLowerCase()

/** What was kept of an account's sealed bids on a task, oldest first. */
export const keptBids = (shelf: Shelf): KeptBid[] => JSON.parse(localStorage.getItem(keyOf(shelf)) ?? '[]') as KeptBid[]

const write = (shelf: Shelf, bids: readonly KeptBid[]) => localStorage.setItem(keyOf(shelf), JSON.stringify(bids))

const others = (shelf: Shelf, hash: string) => keptBids(shelf).filter(({ bid_hash }) => bid_hash !== hash)

/** Keeps a bid before its commit is signed. Throws where the browser keeps nothing. */
export function keepBid(shelf: Shelf, bid: KeptBid): void {
  write(shelf, [...others(shelf, bid.bid_hash), bid])
  if (!keptBids(shelf).some(({ bid_hash, salt }) => bid_hash === bid.bid_hash && salt === bid.salt))
    throw new Error('This browser does not keep the bid. Nothing was sent.')
}

/** Forgets a bid whose commit was never sent. */
export function dropBid(shelf: Shelf, hash: string): void {
  const left = others(shelf, hash)
  if (left.length > 0) write(shelf, left)
  else localStorage.removeItem(keyOf(shelf))
}

/** A bid as it is kept, with the hash its commit will have. */
export function sealedBid({ network, taskId }: Shelf, taskHash: string, fields: BidFields): KeptBid {
  const { agent, amount_units, eta_seconds, escrow_only, valid_until, salt } = fields
  return {
    kind: 'aicp sealed bid',
    chain_id: network.chain_id,
    escrow: network.contracts.escrow,
    task_id: taskId,
    task_hash: taskHash,
    bid_hash: commitHash(network, taskHash, fields),
    ...{ agent, amount_units, eta_seconds, escrow_only, valid_until, salt },
  }
}

function parsed(text: string): Partial<KeptBid> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null
  }
}

/** A bid with the hash its own fields give. Throws where they are none, or another account's. */
function ownBid(shelf: Shelf, taskHash: string, bid: KeptBid): KeptBid {
  try {
    if (isAddressEqual(bid.agent as Address, shelf.account as Address)) return sealedBid(shelf, taskHash, bid)
  } catch (error) {
    throw new Error('This file holds no sealed bid.', { cause: error })
  }
  throw new Error('This file holds a bid of another account.')
}

/**
 * The bid in a file that was downloaded here or elsewhere. Throws unless it is a sealed bid of this account on this task
 * and its hash is the one its own fields give.
 */
export function bidInFile(shelf: Shelf, taskHash: string, text: string): KeptBid {
  const found = parsed(text)
  if (found?.kind !== 'aicp sealed bid') throw new Error('This file holds no sealed bid.')
  const bid = found as KeptBid
  const { network, taskId } = shelf
  if (bid.chain_id !== network.chain_id || bid.task_id !== taskId || bid.task_hash !== taskHash)
    throw new Error('This file holds a bid on another task.')
  const again = ownBid(shelf, taskHash, bid)
  if (again.bid_hash !== bid.bid_hash) throw new Error('This file was changed: its hash does not fit its content.')
  return again
}
