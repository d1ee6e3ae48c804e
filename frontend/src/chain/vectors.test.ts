import type { Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import { constants as published } from '@/abi/generated'
import type { Constants, NetworkOut, TermsOut } from '@/api/types'
import { network } from '@/test/fixtures'
import bids from '../../../sdk/aicp/rules/vectors/bids.json'
import documents from '../../../sdk/aicp/rules/vectors/documents.json'
import ids from '../../../sdk/aicp/rules/vectors/ids.json'
import routes from '../../../sdk/aicp/rules/vectors/route.json'
import terms from '../../../sdk/aicp/rules/vectors/terms.json'
import { bidsRoot } from './bids'
import { canonicalJson, documentHash, type Json } from './canonical'
import { chooseRoute } from './route'
import { checkTerms, TERM_PROBLEMS } from './terms'
import { channelId, digest, escrowId, jobHash, MARKETPLACE_SALT, poolDepositNonce, poolId } from './typedData'

/* The published vectors are what Python computed; the page must come to the same bytes. */

const deployment: NetworkOut = {
  ...network,
  chain_id: ids.chain_id,
  contracts: {
    ...network.contracts,
    escrow: ids.escrow,
    payment_channel: ids.payment_channel,
    usdc: ids.channel.token,
  },
}
const local = published.networks['31337'].constants as unknown as Constants

describe('ids', () => {
  const { payer, payer_authorizer: payerAuthorizer, receiver, receiver_authorizer: operator } = ids.channel

  it('escrow', () => expect(escrowId(deployment, ids.escrow_terms.terms)).toBe(ids.escrow_terms.escrow_id))
  it('channel', () =>
    expect(channelId(deployment, { payer, payerAuthorizer, operator, receiver })).toBe(ids.channel.channel_id))
  it('pool', () => expect(poolId(deployment, { payer, payerAuthorizer, operator })).toBe(ids.channel.pool_id))
  it('marketplace salt', () => expect(MARKETPLACE_SALT).toBe(ids.marketplace_salt))
  it('pool deposit nonce', () =>
    expect(poolDepositNonce(ids.channel.pool_id as Hex, ids.nonces.salt as Hex)).toBe(ids.nonces.pool_deposit_nonce))
  it('changes with every field of the terms', () => {
    const base = ids.escrow_terms.terms
    const changed: TermsOut[] = [
      { ...base, amount_units: '25000001' },
      { ...base, fee_bps: 251 },
      { ...base, accept_by: base.accept_by + 1 },
      { ...base, salt: `0x${'0'.repeat(63)}1` },
    ]
    for (const other of changed) expect(escrowId(deployment, other)).not.toBe(ids.escrow_terms.escrow_id)
  })
  it('signs a claim batch with its inner type', () =>
    expect(digest('ClaimBatch', deployment, { claims: [] as unknown as string })).toMatch(/^0x[0-9a-f]{64}$/))
})

describe('documents', () => {
  it.each([
    ['task', documents.task.document, documents.task.canonical, documents.task.task_hash],
    ['manifest', documents.manifest.document, documents.manifest.canonical, documents.manifest.deliverable_hash],
  ])('%s', (_name, document, canonical, hash) => {
    expect(canonicalJson(document as Json)).toBe(canonical)
    expect(documentHash(document as Json)).toBe(hash)
  })
  it('job', () => {
    const { task_hash, bid_hash, bids_root, job_hash } = documents.job
    expect(jobHash(task_hash as Hex, bid_hash as Hex, bids_root as Hex)).toBe(job_hash)
  })
  it('refuses numbers without a canonical form', () => {
    expect(() => canonicalJson({ n: 2 ** 53 })).toThrow()
    expect(() => canonicalJson([Number.NaN])).toThrow()
  })
})

it.each(bids)('bids root %#', ({ bid_hashes, root }) => {
  expect(bidsRoot(bid_hashes as Hex[])).toBe(root)
  expect(bidsRoot([...bid_hashes, ...bid_hashes].reverse() as Hex[])).toBe(root)
})

it.each(routes)('route of $price_units ($duration_seconds s)', (vector) => {
  const route = chooseRoute(
    {
      priceUnits: BigInt(vector.price_units),
      taskEscrowOnly: vector.task_escrow_only,
      bidEscrowOnly: vector.bid_escrow_only,
      deliverWithinSeconds: vector.duration_seconds - local.evaluation_seconds,
    },
    local,
  )
  expect(route.path).toBe(vector.path)
})

describe('terms policy', () => {
  it('speaks the published sentences', () => expect(TERM_PROBLEMS).toMatchObject(terms.problems))

  it.each(terms.cases)('$name', ({ terms: given, agreed, problems }) => {
    const found = checkTerms(
      given,
      {
        client: agreed.client,
        provider: agreed.provider,
        verifier: agreed.verifier,
        amountUnits: BigInt(agreed.amount_units),
        etaSeconds: agreed.eta_seconds,
        deliverWithinSeconds: agreed.deliver_within_seconds,
        jobHash: agreed.job_hash,
        arbiters: agreed.arbiters,
        now: agreed.now,
      },
      local,
    )
    expect(found).toEqual(problems)
  })
})
