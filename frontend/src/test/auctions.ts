import { type Hex, zeroHash } from 'viem'
import type { AwardOut, BidOut, CommitOut, TaskOrderOut, TaskOut } from '@/api/types'
import type { Auction } from '@/chain/auction'
import { type AwardRecord, DEFAULT_WEIGHTS, inputsHash, type OfferFields, recompute } from '@/chain/awarding'
import { bidsRoot } from '@/chain/bids'
import {
  type BidFields,
  bidHash,
  bidMessage,
  commitHash,
  commitMessage,
  digest,
  type Message,
  type MessageName,
  signingRequest,
  taskHash,
  taskOrderMessage,
} from '@/chain/typedData'
import { agent, buyer, iso, NOW, network, operator, rival, task } from './fixtures'

type Signer = typeof buyer

const sign = (signer: Signer, name: MessageName, message: Message) =>
  signer.signTypedData(signingRequest(name, network, message) as unknown as Parameters<Signer['signTypedData']>[0])

const receipt = (hash: string, seq: number) => sign(operator, 'BidReceipt', { bidHash: hash, seq: BigInt(seq) })

/** A task whose document fixes its auction, so that its hash does. */
export function taskWith(changes: Partial<TaskOut>): TaskOut {
  const { award_weights, reserve_units, buy_now_units } = changes
  const fixed = Object.fromEntries(
    Object.entries({ award_weights, reserve_units, buy_now_units }).filter(([, value]) => value !== undefined),
  )
  const document = { ...task.document, budget_units: task.budget_units, ...fixed }
  return { ...task, ...changes, document, task_hash: taskHash(document) }
}

const fieldsOf = (signer: Signer, amount: string, eta: number): BidFields => ({
  agent: signer.address,
  amount_units: amount,
  eta_seconds: eta,
  escrow_only: false,
  valid_until: NOW + 90_000,
  salt: zeroHash,
})

interface Given {
  signer: Signer
  name: string
  amount: string
  eta?: number
  seq: number
}

/** An open bid, signed, with the operator's receipt. */
export async function openBid(of: TaskOut, { signer, name, amount, eta = 600, seq }: Given): Promise<BidOut> {
  const fields = fieldsOf(signer, amount, eta)
  const hash = bidHash(network, of.task_hash, fields)
  return {
    ...fields,
    bid_hash: hash,
    agent_name: name,
    signature: await sign(signer, 'Bid', bidMessage(of.task_hash, fields)),
    seq,
    receipt_signature: await receipt(hash, seq),
    operator: operator.address,
    received_at: iso(NOW - 20 + seq),
    withdrawn: false,
    withdrawal_signature: null,
    live: true,
    sealed: null,
  }
}

/** A sealed bid: its commit, and the bid as it is once shown. */
export async function sealedPair(of: TaskOut, given: Given): Promise<{ commit: CommitOut; bid: BidOut }> {
  const open = await openBid(of, given)
  const commitment = open.bid_hash
  const hash = commitHash(network, of.task_hash, open)
  const signature = await sign(given.signer, 'BidCommit', commitMessage(of.task_hash, commitment, open.valid_until))
  const receipted = await receipt(hash, given.seq)
  return {
    commit: {
      bid_hash: hash,
      agent: open.agent,
      agent_name: given.name,
      commitment,
      valid_until: open.valid_until,
      signature,
      seq: given.seq,
      receipt_signature: receipted,
      operator: operator.address,
      received_at: open.received_at,
      revealed: true,
      withdrawn: false,
      withdrawal_signature: null,
      live: true,
    },
    bid: {
      ...open,
      bid_hash: hash,
      receipt_signature: receipted,
      sealed: { commitment, signature, reveal_receipt_signature: open.receipt_signature },
    },
  }
}

/** The agent's withdrawal of a bid or a commit. */
export async function withdrawn<T extends BidOut | CommitOut>(bid: T, signer: Signer): Promise<T> {
  const withdrawal_signature = await sign(signer, 'BidWithdrawal', { bidHash: bid.bid_hash })
  return { ...bid, withdrawn: true, withdrawal_signature, live: false }
}

export async function awardOf(
  of: TaskOut,
  winner: string,
  receipted: readonly (BidOut | CommitOut)[],
  decided_by: AwardOut['decided_by'],
): Promise<AwardOut> {
  const root = bidsRoot(receipted.map(({ bid_hash }) => bid_hash as Hex))
  const message = { taskHash: of.task_hash, bidHash: winner, bidsRoot: root, bidCount: receipted.length }
  return {
    task_hash: of.task_hash,
    bid_hash: winner,
    bids_root: root,
    bid_count: receipted.length,
    operator: operator.address,
    signature: await sign(operator, 'Award', message),
    deal_id: '0197f3a0-0000-7000-8000-0000000000d1',
    decided_by,
  }
}

const offerOf = (bid: BidOut, lapsed: boolean): OfferFields => ({
  bid_hash: bid.bid_hash,
  agent: bid.agent,
  amount_units: bid.amount_units,
  eta_seconds: bid.eta_seconds,
  valid_until: bid.valid_until,
  seq: bid.seq,
  withdrawn: bid.withdrawn,
  revealed: true,
  lapsed,
  reputation: 2_000,
  specialty: 2_000,
})

const hiddenOffer = (commit: CommitOut): OfferFields => ({
  bid_hash: commit.bid_hash,
  agent: commit.agent,
  amount_units: '0',
  eta_seconds: 0,
  valid_until: commit.valid_until,
  seq: commit.seq,
  withdrawn: commit.withdrawn,
  revealed: false,
  lapsed: false,
  reputation: 2_000,
  specialty: 2_000,
})

/** The operator's signature of a record. */
export async function publish(record: AwardRecord) {
  const message = {
    taskHash: record.task_hash,
    bidHash: record.winner,
    inputsHash: inputsHash(record),
    rule: record.rule,
  }
  return {
    record: record as unknown as Record<string, unknown>,
    operator: operator.address,
    signature: await sign(operator, 'AwardInputs', message),
  }
}

const RULE: Partial<TaskOut> = { award_weights: DEFAULT_WEIGHTS, state: 'assigned', auction_ends_at: iso(NOW - 60) }

function recordOf(of: TaskOut, bids: OfferFields[]): AwardRecord {
  return recompute({
    rule: 1,
    task_hash: of.task_hash,
    budget_units: of.reserve_units ?? of.budget_units,
    allowed_seconds: of.deliver_within_seconds,
    weights: DEFAULT_WEIGHTS,
    epoch: '0',
    decided_at: NOW - 30,
    bids_root: '',
    bids,
    excluded: [],
    ranking: [],
    winner: '',
  })
}

/** An auction of three open bids awarded by the rule: the rival's cheap one lapsed, the third was withdrawn. */
export async function ruledAuction(): Promise<Auction> {
  const of = taskWith(RULE)
  const third = await openBid(of, { signer: operator, name: 'Third', amount: '9000000', seq: 3 })
  const bids = [
    await openBid(of, { signer: rival, name: 'Columnar', amount: '20000000', seq: 2 }),
    await openBid(of, { signer: agent, name: 'Tabula', amount: '24000000', seq: 1 }),
    await withdrawn(third, operator),
  ]
  const lapsed = bids[0]?.bid_hash ?? ''
  const record = recordOf(
    of,
    bids.map((bid) => offerOf(bid, bid.bid_hash === lapsed)),
  )
  const awards = [await awardOf(of, lapsed, bids, 'rule'), await awardOf(of, record.winner, bids, 'rule')]
  return { task: of, bids, commits: [], awards, record: await publish(record), order: null }
}

/** A sealed auction awarded by the rule: two bids were shown, a third was not. */
export async function sealedAuction(): Promise<Auction> {
  const of = taskWith({ ...RULE, reveal_ends_at: iso(NOW - 40) })
  const [first, second, third] = await Promise.all([
    sealedPair(of, { signer: agent, name: 'Tabula', amount: '24000000', seq: 1 }),
    sealedPair(of, { signer: rival, name: 'Columnar', amount: '20000000', eta: 1200, seq: 2 }),
    sealedPair(of, { signer: operator, name: 'Third', amount: '1000000', seq: 3 }),
  ])
  const commits = [first.commit, second.commit, { ...third.commit, revealed: false, live: false }]
  const bids = [second.bid, first.bid]
  const offers = [...bids.map((bid) => offerOf(bid, false)), ...commits.slice(2).map(hiddenOffer)]
  const record = recordOf(of, offers)
  const awards = [await awardOf(of, record.winner, commits, 'rule')]
  return { task: of, bids, commits, awards, record: await publish(record), order: null }
}

/** The buyer's order at the buy-now price of a task. */
export async function orderOf(of: TaskOut): Promise<TaskOrderOut> {
  const fields = { max_units: of.buy_now_units ?? '0', valid_until: NOW + 300, salt: zeroHash }
  const message = taskOrderMessage(of.task_hash, { ...fields, buyer: of.buyer })
  return {
    ...fields,
    order_hash: digest('TaskOrder', network, message),
    signature: await sign(buyer, 'TaskOrder', message),
    created_at: iso(NOW - 20),
  }
}

/** An auction that a bid at the buy-now price has won. */
export async function orderedAuction(): Promise<Auction> {
  const of = taskWith({ buy_now_units: '20000000', buy_now_signed: true, state: 'assigned' })
  const bids = [await openBid(of, { signer: rival, name: 'Columnar', amount: '20000000', seq: 1 })]
  const awards = [await awardOf(of, bids[0]?.bid_hash ?? '', bids, 'order')]
  return { task: of, bids, commits: [], awards, record: null, order: await orderOf(of) }
}
