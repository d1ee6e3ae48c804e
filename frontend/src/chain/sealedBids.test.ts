import { describe, expect, it, vi } from 'vitest'
import { network as usual } from '@/test/fixtures'
import documents from '../../../sdk/aicp/rules/vectors/documents.json'
import { bidInFile, dropBid, type KeptBid, keepBid, keptBids, type Shelf, sealedBid } from './sealedBids'

/* The file of a sealed bid is the same here and in Python: what one writes the other reads. */

const golden = documents.sealed_bid as KeptBid
const network = {
  ...usual,
  chain_id: golden.chain_id,
  contracts: { ...usual.contracts, escrow: golden.escrow },
}
const shelf: Shelf = { network, account: golden.agent, taskId: golden.task_id }
const read = (changes: object = {}, at: Shelf = shelf) =>
  bidInFile(at, golden.task_hash, JSON.stringify({ ...golden, ...changes }))

describe('a sealed bid', () => {
  it('has the published hash and file', () => {
    expect(sealedBid(shelf, golden.task_hash, golden)).toEqual(golden)
    expect(read()).toEqual(golden)
  })
  it.each([
    [{ amount_units: '1' }, 'was changed'],
    [{ salt: `0x${'0'.repeat(64)}` }, 'was changed'],
    [{ bid_hash: `0x${'0'.repeat(64)}` }, 'was changed'],
    [{ task_id: 'another' }, 'another task'],
    [{ task_hash: `0x${'0'.repeat(64)}` }, 'another task'],
    [{ chain_id: 137 }, 'another task'],
    [{ agent: `0x${'5'.repeat(40)}` }, 'another account'],
    [{ agent: 'me' }, 'no sealed bid'],
    [{ amount_units: 'much' }, 'no sealed bid'],
    [{ kind: 'something' }, 'no sealed bid'],
  ])('%# that was changed is refused', (changes, sentence) => expect(() => read(changes)).toThrow(sentence))
  it.each(['', '[]', 'null', '{'])('is not in %s', (text) =>
    expect(() => bidInFile(shelf, golden.task_hash, text)).toThrow('no sealed bid'),
  )
  it('is kept by account, chain and task', () => {
    keepBid(shelf, golden)
    keepBid(shelf, golden)
    expect(keptBids({ ...shelf, account: golden.agent.toLowerCase() })).toEqual([golden])
    expect(keptBids({ ...shelf, account: `0x${'5'.repeat(40)}` })).toEqual([])
    expect(keptBids({ ...shelf, taskId: 'another' })).toEqual([])
    expect(keptBids({ ...shelf, network: { ...network, chain_id: 1 } })).toEqual([])
    const second = sealedBid(shelf, golden.task_hash, { ...golden, amount_units: '5' })
    keepBid(shelf, second)
    expect(keptBids(shelf)).toEqual([golden, second])
    dropBid(shelf, golden.bid_hash)
    dropBid(shelf, second.bid_hash)
    expect(keptBids(shelf)).toEqual([])
    expect(localStorage.length).toBe(0)
  })
  it('is not sent by a browser that keeps nothing', () => {
    vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined })
    try {
      expect(() => keepBid(shelf, golden)).toThrow('does not keep the bid')
    } finally {
      vi.unstubAllGlobals()
    }
  })
})
