import { type Hex, zeroHash } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { Action, DealOut, DisputeOut, EscrowOut, EvidenceOut, NetworkOut, SessionOut } from '@/api/types'
import { disputeId } from '@/chain/appeal'
import { commentHash, type EvidenceParts, evidenceHash } from '@/chain/evidence'
import { escrowOf } from '@/features/deals/lib/escrow'
import { agent, buyer, chainRef, iso, makeDelivered, NOW, network, session } from './fixtures'

export const verifier = privateKeyToAccount(`0x${'6'.repeat(64)}` as Hex)
const ARBITER = `0x${'f'.repeat(40)}`
export const FEE = '3000000'

/** The network of the other fixtures with an arbiter. */
export const court: NetworkOut = { ...network, contracts: { ...network.contracts, arbiter: ARBITER } }

export const sessionFor = (address: string): SessionOut => ({ ...session, address })

const act = (name: Action['name'], who: Action['who'], reason: string, more: Partial<Action> = {}): Action => ({
  name,
  who,
  allowed: true,
  reason,
  due: null,
  if_nobody_acts: null,
  ...more,
})

const withEscrow = (deal: DealOut, changes: Partial<EscrowOut>): DealOut => ({
  ...deal,
  escrow: deal.escrow && { ...deal.escrow, ...changes },
})

/** A submitted result that the buyer can release, dispute or divide, and a verifier who can sign. */
export async function makeSubmitted(judges: { verifier?: string } = {}): Promise<DealOut> {
  const deal = await makeDelivered('escrow', { ...judges, arbiter: ARBITER })
  const actions = [
    act('release', 'buyer', 'The buyer checks the result and pays.', {
      due: iso(NOW + 600),
      if_nobody_acts: 'After that the money is released to the agent.',
    }),
    act('dispute', 'buyer', 'The buyer can dispute the result and puts up a bond.', { due: iso(NOW + 480) }),
    ...(judges.verifier
      ? [act('sign_release', 'verifier', 'The verifier checks.'), act('sign_release', 'agent', 'The verifier checks.')]
      : []),
    act('refund', 'agent', 'The agent can give the money back.'),
    act('split', 'buyer', 'Both sides can divide what is left as they like, if both sign.'),
    act('split', 'agent', 'Both sides can divide what is left as they like, if both sign.'),
  ]
  return withEscrow(
    { ...deal, actions },
    {
      chain_status: 'submitted',
      challenge_ends_at: NOW + 600,
      dispute_fee_units: FEE,
      arbiter_can_rule: true,
      chain: chainRef(1204, '6', 'safe'),
    },
  )
}

const fileOf = (name: string, digit: string) => ({
  name,
  sha256: `0x${digit.repeat(64)}`,
  size: 18_240,
  media_type: 'text/csv',
})

function evidence(deal: DealOut, role: 'buyer' | 'agent', claim: string, files: EvidenceParts['files']): EvidenceOut {
  const party = role === 'buyer' ? buyer.address : agent.address
  const parts = { escrowId: deal.escrow?.escrow_id ?? '', party, claim, files, salt: zeroHash }
  return {
    party,
    role,
    claim,
    files: [...files],
    salt: zeroHash,
    hash: evidenceHash(parts),
    created_at: iso(NOW - 60),
  }
}

const BUYER_CLAIM = 'The report leaves out the column "price".\nThe task asked for every column.'
const AGENT_CLAIM = 'The column has no values in rows 2 to 400, as the report says on page 1.'

/** The buyer has disputed, the agent has to answer. */
export async function makeChallenged(): Promise<DealOut> {
  const deal = await makeSubmitted()
  const said = evidence(deal, 'buyer', BUYER_CLAIM, [fileOf('missing.csv', 'b')])
  const dispute: DisputeOut = {
    arbiter: ARBITER,
    arbiter_fee_units: '0',
    bond_units: FEE,
    evidence_hash: said.hash,
    raised_at: NOW - 60,
    respond_by: NOW + 540,
    responded_at: null,
    dispute_id: null,
    arbiter_period: null,
    arbiter_period_at: null,
    arbiter_period_ends_at: null,
    arbiter_round: null,
    verdict: null,
    rounds: [],
    appeal: null,
    buyer_credit_units: '0',
    agent_credit_units: '0',
    ruling: null,
    decide_by: null,
    outcome: null,
    evidence: [said],
  }
  const actions = [
    act('respond', 'agent', 'The agent answers and pays the arbiter’s fee, or loses.', { due: iso(NOW + 420) }),
    act('refund', 'agent', 'Giving the money back now costs a tenth of the stake.'),
    act('split', 'buyer', 'Both sides can divide what is left as they like, if both sign.'),
    act('split', 'agent', 'Both sides can divide what is left as they like, if both sign.'),
    act('wait', 'buyer', 'Waiting for the agent to answer.', { allowed: false }),
  ]
  return withEscrow(
    { ...deal, state: 'disputed', public_state: 'disputed', actions },
    { chain_status: 'challenged', challenge_ends_at: null, dispute },
  )
}

/** The agent has signed its answer, with words, and the chain does not have it yet. */
export async function makeAnswering(): Promise<DealOut> {
  const deal = await makeChallenged()
  const before = deal.escrow?.dispute
  if (!before) throw new Error('no dispute')
  const dispute = { ...before, evidence: [...before.evidence, evidence(deal, 'agent', AGENT_CLAIM, [])] }
  const last_intent = { id: deal.id, kind: 'respond', state: 'sent', tx_hash: null, error_code: null }
  return withEscrow({ ...deal, last_intent }, { dispute })
}

const PANEL = { committed: 3, neither_votes: 0, buyer_appeal_units: '0', agent_appeal_units: '0' }

/** The first panel has voted for the agent; the buyer may appeal until `NOW + 300`. */
export async function makeAppealable(changes: Partial<NonNullable<DisputeOut['appeal']>> = {}): Promise<DealOut> {
  const deal = await makeDisputed()
  const before = deal.escrow?.dispute
  if (!before) throw new Error('no dispute')
  const side = (role: 'buyer' | 'agent', required_units: string) => ({
    role,
    required_units,
    paid_units: '0',
    missing_units: required_units,
    payable_until: NOW + 300,
  })
  const dispute: DisputeOut = {
    ...before,
    arbiter_period: 'appeal',
    arbiter_period_ends_at: NOW + 600,
    arbiter_round: 0,
    verdict: 'agent',
    rounds: [{ ...PANEL, number: 0, seats: 3, drawn: 3, buyer_votes: 1, agent_votes: 2 }],
    appeal: {
      round: 0,
      verdict: 'agent',
      cost_units: '7000000',
      challenge_by: NOW + 300,
      ends_at: NOW + 600,
      challenged: false,
      sides: [side('buyer', '14000000'), side('agent', '7000000')],
      ...changes,
    },
  }
  // the number the arbiter gives a dispute about this escrow
  return withEscrow(deal, { dispute: { ...dispute, dispute_id: disputeId(court, escrowOf(deal)).toString() } })
}

/** The agent has answered; jurors vote in a second round. */
export async function makeDisputed(): Promise<DealOut> {
  const deal = await makeChallenged()
  const before = deal.escrow?.dispute
  if (!before) throw new Error('no dispute')
  const actions = [
    act('split', 'agent', 'The other side offers to divide what is left.'),
    act('split', 'buyer', 'Both sides can divide what is left as they like, if both sign.'),
    act('wait', 'buyer', 'The arbiter decides.', { allowed: false }),
    act('wait', 'agent', 'The arbiter decides.', { allowed: false }),
  ]
  const dispute: DisputeOut = {
    ...before,
    arbiter_fee_units: FEE,
    dispute_id: '7',
    responded_at: NOW - 30,
    decide_by: NOW + 2_592_000,
    arbiter_period: 'commit',
    arbiter_period_at: NOW - 10,
    arbiter_period_ends_at: NOW + 200,
    arbiter_round: 1,
    verdict: 'agent',
    evidence: [...before.evidence, evidence(deal, 'agent', AGENT_CLAIM, [])],
  }
  return withEscrow({ ...deal, actions }, { chain_status: 'disputed', dispute })
}

/** The arbiter ruled for the buyer, the money went back, the agent has rated. */
export async function makeRuled(): Promise<DealOut> {
  const deal = await makeDisputed()
  const before = deal.escrow?.dispute
  if (!before) throw new Error('no dispute')
  const comment = 'Hard to please.'
  return withEscrow(
    {
      ...deal,
      state: 'refunded',
      public_state: 'refunded',
      live: false,
      ended_reason: 'the arbiter ruled for the buyer',
      actions: [act('rate', 'buyer', 'Each side can rate the other once; the rating counts by what was paid.')],
    },
    {
      chain_status: 'closed',
      refunded_units: deal.price_units,
      outcome: 'lost',
      dispute: { ...before, arbiter_period: 'solved', ruling: 'buyer', outcome: 'lost' },
      ratings: [
        {
          rater: agent.address,
          ratee: buyer.address,
          role: 'agent',
          score: 35,
          comment,
          comment_hash: commentHash(comment),
          settled_units: '0',
          chain: chainRef(1240, '7', 'final'),
        },
      ],
    },
  )
}

/** An offer of the agent to divide: a third for himself. */
export const offerOfAgent = {
  id: '0197f3a0-0000-7000-8000-0000000000a1',
  offered_by: agent.address,
  role: 'agent' as const,
  to_provider_units: '8000000',
  to_client_units: '16000000',
  valid_until: NOW + 86_400,
  state: 'open' as const,
  signature: `0x${'1'.repeat(130)}`,
  created_at: iso(NOW - 20),
}
