import { type Address, encodeAbiParameters, type Hex, keccak256, recoverTypedDataAddress } from 'viem'
import { documentHash, type Json } from './canonical'
import { pairHash, treeRoot } from './merkle'
import { carried, forgivenBps, isBurden, type Vouch, validVouches } from './recovery'
import { creditOf, type Evidence, foreign } from './reputation'
import { type Deployment, digest, signingRequest } from './typedData'
import { type Deal, type RuleParameters, survey } from './witnesses'

/* An epoch of scores from chain events and its manifest, as Python computes it, and the proof of one score. */

export interface VouchFields {
  voucher: string
  agent: string
  at_risk_units: string
  valid_from: number
  valid_until: number
  salt: string
  signature: string
}

export interface Manifest {
  version: number
  rule: number
  epoch: string
  end: number
  chain_id: number
  escrow: string
  parameters: RuleParameters
  funders: readonly (readonly string[])[]
  common_funders: readonly string[]
  vouches: readonly VouchFields[]
  free_stake: readonly (readonly string[])[]
}

export const manifestHash = (manifest: Manifest): Hex => documentHash(manifest as unknown as Json)

export interface LeafFields {
  agent: string
  score: number
  settledValue: bigint
  jobs: number
  epoch: bigint
}

const LEAF = ['address', 'uint16', 'uint96', 'uint32', 'uint64'].map((type) => ({ type }))

/** Leaf of a score in its epoch's tree. */
export const scoreHash = (leaf: LeafFields): Hex =>
  keccak256(
    keccak256(encodeAbiParameters(LEAF, [leaf.agent as Address, leaf.score, leaf.settledValue, leaf.jobs, leaf.epoch])),
  )

/** Whether the proof leads from the score to the root. */
export const verifyScore = (root: Hex, leaf: LeafFields, proof: readonly Hex[]): boolean =>
  proof.reduce(pairHash, scoreHash(leaf)) === root

/** Root of an epoch's scores, given in any order. */
export const epochRoot = (leaves: readonly LeafFields[]): Hex => treeRoot(leaves.map(scoreHash).sort())

export const vouchMessage = (fields: Omit<VouchFields, 'signature'>) => ({
  voucher: fields.voucher,
  agent: fields.agent,
  atRisk: BigInt(fields.at_risk_units),
  validFrom: fields.valid_from,
  validUntil: fields.valid_until,
  salt: fields.salt,
})

/** Whether the party that a vouch binds has signed it. */
export async function isSignedVouch(fields: VouchFields, deployment: Deployment): Promise<boolean> {
  const request = signingRequest('Vouch', deployment, vouchMessage(fields))
  const signer = await recoverTypedDataAddress({
    ...(request as unknown as Parameters<typeof recoverTypedDataAddress>[0]),
    signature: fields.signature as Hex,
  }).catch(() => null)
  return signer?.toLowerCase() === fields.voucher.toLowerCase()
}

async function signedVouches(manifest: Manifest, deployment: Deployment): Promise<Vouch[]> {
  const found = new Map<Hex, Vouch>()
  for (const fields of manifest.vouches) {
    if (!(await isSignedVouch(fields, deployment))) continue
    const vouch = {
      ...vouchMessage(fields),
      voucher: fields.voucher.toLowerCase(),
      agent: fields.agent.toLowerCase(),
      salt: fields.salt.toLowerCase(),
    }
    found.set(digest('Vouch', deployment, vouchMessage(fields)), vouch)
  }
  return [...found.values()]
}

const lower = (pairs: readonly (readonly string[])[]) =>
  new Map(pairs.map(([key, value]) => [(key ?? '').toLowerCase(), (value ?? '').toLowerCase()]))

/** What speaks about each agent with a settled escrow at the end of an epoch, by address. */
export async function evidenceOf(
  manifest: Manifest,
  deployment: Deployment,
  deals: readonly Deal[],
): Promise<Evidence[]> {
  const known = deals.filter((deal) => deal.closedAt <= manifest.end)
  const market = survey(known, {
    funders: lower(manifest.funders),
    common: new Set(manifest.common_funders.map((account) => account.toLowerCase())),
    parameters: manifest.parameters,
  })
  const of = (agent: string): Evidence => {
    const own = known.filter((deal) => deal.provider === agent)
    return { agent, deals: own, market, forgiven: new Map(), carried: [] }
  }
  const signed = await signedVouches(manifest, deployment)
  const valid = validVouches(signed, market, {
    second: manifest.end,
    freeStake: new Map([...lower(manifest.free_stake)].map(([agent, units]) => [agent, BigInt(units)])),
    credit: (agent) => creditOf(of(agent), foreign(of(agent))),
  })
  return [...new Set(known.map((deal) => deal.provider))].sort().map((agent) => {
    const about = of(agent)
    const vouchers = valid.filter((vouch) => vouch.agent === agent).length
    const forgiven = about.deals
      .filter(isBurden)
      .map((deal) => [deal.escrowId, forgivenBps(deal, about.deals, market, manifest.end, vouchers)] as const)
    return { ...about, forgiven: new Map(forgiven), carried: carried(signed, agent, known) }
  })
}
