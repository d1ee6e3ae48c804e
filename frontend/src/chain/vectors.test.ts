import type { Address, Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import { constants as published } from '@/abi/generated'
import type { Constants, NetworkOut, TermsOut } from '@/api/types'
import { network } from '@/test/fixtures'
import bids from '../../../sdk/aicp/rules/vectors/bids.json'
import digests from '../../../sdk/aicp/rules/vectors/digests.json'
import documents from '../../../sdk/aicp/rules/vectors/documents.json'
import ids from '../../../sdk/aicp/rules/vectors/ids.json'
import routes from '../../../sdk/aicp/rules/vectors/route.json'
import terms from '../../../sdk/aicp/rules/vectors/terms.json'
import { bidsRoot } from './bids'
import { canonicalJson, documentHash, type Json } from './canonical'
import { commentHash, evidenceDocument, evidenceHash } from './evidence'
import { chooseRoute } from './route'
import { checkTerms, TERM_PROBLEMS } from './terms'
import {
  appealNonce,
  bondNonce,
  channelId,
  digest,
  escrowId,
  jobHash,
  MARKETPLACE_SALT,
  type Message,
  type MessageName,
  type MessageValue,
  poolDepositNonce,
  poolId,
  signingRequest,
} from './typedData'

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
  it('bond nonce', () =>
    expect(bondNonce(ids.nonces.escrow_id as Hex, ids.nonces.agent as Address)).toBe(ids.nonces.bond_nonce))
  it.each(ids.nonces.appeal_nonces)('appeal nonce of round %s, side %s', (round, side, nonce) =>
    expect(appealNonce(BigInt(ids.nonces.dispute), Number(round), side as 1 | 2, ids.nonces.salt as Hex)).toBe(nonce),
  )
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
})

describe('typed data', () => {
  const contractOf = (name: keyof typeof digests.domains) => digests.domains[name].verifying_contract
  const golden: NetworkOut = {
    ...network,
    chain_id: digests.domains.escrow.chain_id,
    contracts: {
      ...network.contracts,
      escrow: contractOf('escrow'),
      payment_channel: contractOf('channel'),
      reputation: contractOf('reputation'),
      arbiter: contractOf('arbiter'),
    },
  }
  // an inner struct is taken as it is: its integers may stay texts
  const value = (type: string, given: unknown) => (/^uint/.test(type) ? BigInt(given as string) : given) as MessageValue
  const messageOf = (name: keyof typeof digests.messages): Message =>
    Object.fromEntries(digests.messages[name].fields.map((field) => [field.name, value(field.type, field.value)]))

  it.each(Object.keys(digests.messages) as (keyof typeof digests.messages & MessageName)[])('%s', (name) => {
    const entry = messageOf('ClaimEntry')
    const message = name === 'ClaimBatch' ? { claims: [entry, entry] as unknown as string } : messageOf(name)
    expect(signingRequest(name, golden, message).primaryType).toBe(digests.messages[name].primary_type)
    expect(digest(name, golden, message)).toBe(digests.messages[name].digest)
  })
  it('is not signed for an arbiter that does not exist', () =>
    expect(() => digest('Disclosure', network, messageOf('Disclosure'))).toThrow('no arbiter'))
})

describe('documents', () => {
  it.each([
    ['task', documents.task.document, documents.task.canonical, documents.task.task_hash],
    ['manifest', documents.manifest.document, documents.manifest.canonical, documents.manifest.deliverable_hash],
    ['evidence', documents.evidence.document, documents.evidence.canonical, documents.evidence.evidence_hash],
    ['profile', documents.profile.document, documents.profile.canonical, documents.profile.profile_hash],
  ])('%s', (_name, document, canonical, hash) => {
    expect(canonicalJson(document as Json)).toBe(canonical)
    expect(documentHash(document as Json)).toBe(hash)
  })
  it('job', () => {
    const { task_hash, bid_hash, bids_root, job_hash } = documents.job
    expect(jobHash(task_hash as Hex, bid_hash as Hex, bids_root as Hex)).toBe(job_hash)
  })
  it('composes evidence from its parts, files in any order', () => {
    const { document, unsorted_files, canonical, evidence_hash } = documents.evidence
    const parts = { ...document, escrowId: document.escrow_id, files: unsorted_files }
    expect(canonicalJson(evidenceDocument(parts))).toBe(canonical)
    expect(evidenceHash({ ...parts, party: parts.party.toLowerCase() })).toBe(evidence_hash)
    expect(() => evidenceHash({ ...parts, claim: '' })).toThrow()
    expect(() => evidenceHash({ ...parts, claim: '\ud800' })).toThrow('broken character')
    expect(() => evidenceHash({ ...parts, files: [...unsorted_files, ...unsorted_files] })).toThrow('same name')
  })
  it.each(documents.comments)('comment %#', ({ comment, comment_hash }) =>
    expect(commentHash(comment)).toBe(comment_hash),
  )
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
