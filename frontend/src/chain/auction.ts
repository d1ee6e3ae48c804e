import type { Hex } from 'viem'
import type { AwardOut, AwardRecordOut, BidOut, CommitOut, NetworkOut, TaskOrderOut, TaskOut } from '@/api/types'
import { type AwardRecord, inputsHash, type OfferFields, rank, recompute, type Weights } from './awarding'
import { bidsRoot } from './bids'
import { canonicalJson, type Json } from './canonical'
import { FLOOR } from './reputation'
import { signedBy, signedByOperator } from './signatures'
import { isTaskType } from './specialties'
import { bidHash, bidMessage, commitMessage, digest, taskHash, taskOrderMessage } from './typedData'

/*
 * Whether an award follows from what was signed: every bid, its receipt, the root of all of them, and the rule or the
 * buyer's order. The same checks, in the same order, as `aicp award verify`.
 */

/** Everything that is public about how a task was awarded. `awards` are all of them, oldest first. */
export interface Auction {
  task: TaskOut
  bids: readonly BidOut[]
  /** The sealed bids; empty where bids are open. */
  commits: readonly CommitOut[]
  awards: readonly AwardOut[]
  /** Where the rule decided. */
  record: AwardRecordOut | null
  /** Where the buyer had signed a price at which a bid wins. */
  order: TaskOrderOut | null
}

/** What does not fit together, in a sentence. */
export class AwardMismatch extends Error {
  constructor(sentence: string) {
    super(sentence)
    this.name = 'AwardMismatch'
  }
}

function require(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new AwardMismatch(sentence)
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

async function checkReceipt(network: NetworkOut, bid: BidOut | CommitOut) {
  const receipt = { bidHash: bid.bid_hash, seq: BigInt(bid.seq) }
  const given = await signedByOperator('BidReceipt', network, receipt, bid.receipt_signature, bid.operator)
  require(given, "The bid's receipt is not the operator's.")
  if (!bid.withdrawn) return
  const withdrawal = { bidHash: bid.bid_hash }
  const signed = await signedBy('BidWithdrawal', network, withdrawal, bid.withdrawal_signature ?? '0x', bid.agent)
  require(signed, 'The bid is said to be withdrawn, and its agent has not signed that.')
}

async function checkSealed(
  network: NetworkOut,
  hash: string,
  sealed: Pick<CommitOut, 'bid_hash' | 'commitment' | 'valid_until' | 'signature' | 'agent'>,
) {
  const message = commitMessage(hash, sealed.commitment, sealed.valid_until)
  const matches = same(digest('BidCommit', network, message), sealed.bid_hash)
  require(matches, 'The sealed bid does not match its hash.')
  const signed = await signedBy('BidCommit', network, message, sealed.signature, sealed.agent)
  require(signed, 'The sealed bid is not signed by its agent.')
}

async function checkBid(network: NetworkOut, hash: string, bid: BidOut) {
  const { sealed } = bid
  const committed = sealed ? sealed.commitment : bid.bid_hash
  require(same(bidHash(network, hash, bid), committed), 'The bid does not match its hash.')
  const signed = await signedBy('Bid', network, bidMessage(hash, bid), bid.signature, bid.agent)
  require(signed, 'The bid is not signed by its agent.')
  if (sealed) {
    const { commitment, signature } = sealed
    await checkSealed(network, hash, { ...bid, commitment, signature })
    const shown = { bidHash: commitment, seq: BigInt(bid.seq) }
    const inTime = await signedByOperator('BidReceipt', network, shown, sealed.reveal_receipt_signature)
    require(inTime, "The receipt for showing the bid is not the operator's.")
  }
  await checkReceipt(network, bid)
}

async function checkCommit(network: NetworkOut, hash: string, commit: CommitOut) {
  await checkSealed(network, hash, commit)
  await checkReceipt(network, commit)
}

async function checkAward(network: NetworkOut, award: AwardOut) {
  const message = {
    taskHash: award.task_hash,
    bidHash: award.bid_hash,
    bidsRoot: award.bids_root,
    bidCount: award.bid_count,
  }
  const signed = await signedByOperator('Award', network, message, award.signature, award.operator)
  require(signed, "The award is not the operator's.")
}

/** Checks every bid, that none is missing under the award's root, and the award's signature. */
async function checkBids(network: NetworkOut, { task, bids, commits }: Auction, award: AwardOut) {
  for (const bid of bids) await checkBid(network, task.task_hash, bid)
  for (const commit of commits) await checkCommit(network, task.task_hash, commit)
  await checkAward(network, award)
  require(same(award.task_hash, task.task_hash), 'The award is of another task.')
  const sealed = commits.length > 0 || Boolean(task.reveal_ends_at)
  if (sealed) {
    const known = new Map(commits.map((commit) => [commit.bid_hash, commit]))
    for (const bid of bids) {
      const commit = known.get(bid.bid_hash)
      const isOne =
        commit?.seq === bid.seq && same(commit.agent, bid.agent) && commit.commitment === bid.sealed?.commitment
      require(isOne, 'A bid was shown that is none of the sealed ones.')
    }
  }
  const receipted: readonly (BidOut | CommitOut)[] = sealed ? commits : bids
  const numbers = receipted.map(({ seq }) => seq).sort((a, b) => a - b)
  const whole = numbers.every((seq, index) => seq === index + 1)
  require(whole, 'The numbers of the receipts have holes: a bid that was taken is not shown.')
  const counted = receipted.filter(({ seq }) => seq <= award.bid_count).map(({ bid_hash }) => bid_hash as Hex)
  const rooted = counted.length === award.bid_count && same(bidsRoot(counted), award.bids_root)
  require(rooted, 'The award was made over other bids than those shown.')
  const won = counted.includes(award.bid_hash as Hex) && bids.some(({ bid_hash }) => bid_hash === award.bid_hash)
  require(won, 'The bid that won is none of those shown.')
}

const sameWeights = (a: Weights, b: Weights) =>
  a.price === b.price && a.reputation === b.reputation && a.time === b.time && a.specialty === b.specialty

/** The most at which the rule awards, in base units. */
const limitOf = ({ reserve_units, budget_units }: Pick<TaskOut, 'reserve_units' | 'budget_units'>) =>
  reserve_units ?? budget_units

/** Checks that the task is awarded as its document says, where that is shown. */
function checkDocument(task: TaskOut) {
  const { award_weights: weights, document } = task
  if (!document) return
  require(same(taskHash(document), task.task_hash), 'The task document does not match its hash.')
  const named = document.award_weights as Weights | null | undefined
  const alike = named && weights ? sameWeights(named, weights) : !named && !weights
  const way = alike && Boolean(document.instant) === task.instant
  require(way, 'The service tells another way of awarding the task than its document.')
  const limit = String(document.reserve_units ?? document.budget_units)
  const limits = limit === limitOf(task) && document.deliver_within_seconds === task.deliver_within_seconds
  require(limits, 'The service tells other limits of the task than its document.')
}

function checkTask(task: TaskOut, record: AwardRecord) {
  checkDocument(task)
  require(same(record.task_hash, task.task_hash), 'The record is of another task.')
  const { award_weights: weights } = task
  require(Boolean(weights), 'The task names no weights: the rule does not award it.')
  require(!weights || sameWeights(weights, record.weights), 'The record weighs otherwise than the task says.')
  const limits = record.budget_units === limitOf(task) && record.allowed_seconds === task.deliver_within_seconds
  require(limits, "The record's limits are not those of the task.")
}

/** A buyer may ask for the award at any time, but not while sealed bids may come or be shown. */
function checkMoment(task: TaskOut, record: AwardRecord) {
  if (!task.reveal_ends_at) return
  const hidden = record.excluded.some(([, reason]) => reason === 'unrevealed')
  const earliest = seconds(hidden ? task.reveal_ends_at : task.auction_ends_at)
  require(record.decided_at >=
    earliest, 'The record says that the award was decided while sealed bids might come or be shown.')
}

type Signed = Pick<
  OfferFields,
  'bid_hash' | 'agent' | 'amount_units' | 'eta_seconds' | 'valid_until' | 'seq' | 'revealed'
>

const signedJson = (offers: Iterable<Signed>) =>
  [...offers]
    .sort((a, b) => a.seq - b.seq)
    .map((one) =>
      [
        one.bid_hash,
        one.agent.toLowerCase(),
        one.amount_units,
        one.eta_seconds,
        one.valid_until,
        one.seq,
        one.revealed,
      ].join(),
    )
    .join('\n')

function checkOffers({ bids, commits }: Auction, award: AwardOut, record: AwardRecord) {
  const signed = new Map<string, Signed>()
  for (const commit of commits)
    signed.set(commit.bid_hash, { ...commit, amount_units: '0', eta_seconds: 0, revealed: false })
  for (const bid of bids) signed.set(bid.bid_hash, { ...bid, revealed: true })
  const counted = [...signed.values()].filter(({ seq }) => seq <= award.bid_count)
  const equal = signedJson(counted) === signedJson(record.bids)
  require(equal, "The record's bids are not those that the agents signed.")
  const withdrawn = new Set([...bids, ...commits].filter((one) => one.withdrawn).map(({ bid_hash }) => bid_hash))
  const taken = record.bids.every((offer) => !offer.withdrawn || withdrawn.has(offer.bid_hash))
  require(taken, 'The record leaves out a bid as withdrawn that was not.')
}

/** The bids that awards of a task name, all of them signed. */
async function awardedIn(network: NetworkOut, awards: readonly AwardOut[], task: string): Promise<Set<string>> {
  for (const one of awards) await checkAward(network, one)
  return new Set(awards.filter((one) => same(one.task_hash, task)).map(({ bid_hash }) => bid_hash))
}

async function checkLapsed(network: NetworkOut, earlier: readonly AwardOut[], award: AwardOut, record: AwardRecord) {
  const awarded = await awardedIn(network, earlier, award.task_hash)
  const lapsed = record.bids.every((offer) => !offer.lapsed || awarded.has(offer.bid_hash))
  require(lapsed, 'The record passes over a bid as lapsed that was never awarded.')
}

/** Where no epoch counted nobody had a score, and where a task has no type nobody had one in it. */
function checkScores(task: TaskOut, record: AwardRecord) {
  const unscored = record.epoch === '0'
  const unspecial = unscored || !isTaskType(task.capability)
  const possible = record.bids.every(
    (offer) => (!unscored || offer.reputation === FLOOR) && (!unspecial || offer.specialty === FLOOR),
  )
  require(possible, 'The record gives an agent a score that nobody can have had.')
}

const json = (record: AwardRecord) => canonicalJson(record as unknown as Json)

function recomputed(record: AwardRecord): AwardRecord {
  try {
    return recompute(record)
  } catch {
    // what is no record, or has no winner, is not what the rule makes
    throw new AwardMismatch("The record's ranking does not follow from its own inputs.")
  }
}

/** The record as the operator published it. Its fields are compared before they are used. */
export const recordOf = (published: AwardRecordOut): AwardRecord => published.record as unknown as AwardRecord

async function checkRecord(network: NetworkOut, auction: Auction, award: AwardOut, published: AwardRecordOut) {
  const record = recordOf(published)
  require(record.rule === 1, 'The record follows a rule that is not known here.')
  const message = {
    taskHash: award.task_hash,
    bidHash: award.bid_hash,
    inputsHash: inputsHash(record),
    rule: record.rule,
  }
  const signed = await signedByOperator('AwardInputs', network, message, published.signature, published.operator)
  require(signed, 'The record is not signed by the operator for this award.')
  checkTask(auction.task, record)
  checkOffers(auction, award, record)
  await checkLapsed(network, auction.awards.slice(0, -1), award, record)
  const again = recomputed(record)
  require(json(again) === json(record), "The record's ranking does not follow from its own inputs.")
  require(again.winner === award.bid_hash, 'By the rule another bid has won.')
  checkScores(auction.task, record)
  checkMoment(auction.task, record)
}

const seconds = (time: string) => Date.parse(time) / 1000

/**
 * Checks that the task left the choice to its buyer: no scheduler assigns it, and no bid counted for its rule. When he
 * chose nobody has signed, but it was while the bid he chose was valid: one that runs out sooner may have run out by then.
 */
async function checkChoice(network: NetworkOut, { task, bids, commits, awards }: Auction, award: AwardOut) {
  checkDocument(task)
  require(!task.instant, 'The scheduler assigns this task, within the price its buyer has signed: nobody chooses.')
  const { award_weights: weights } = task
  const winner = bids.find(({ bid_hash }) => bid_hash === award.bid_hash)
  if (!weights || !winner) return
  const lapsed = await awardedIn(network, awards.slice(0, -1), task.task_hash)
  const shown = new Set(bids.map(({ bid_hash }) => bid_hash))
  const unscored = { reputation: FLOOR, specialty: FLOOR }
  const hidden = { ...unscored, amount_units: '0', eta_seconds: 0, revealed: false, lapsed: false }
  const offers: OfferFields[] = [
    ...bids.map((bid) => ({ ...bid, ...unscored, revealed: true, lapsed: lapsed.has(bid.bid_hash) })),
    ...commits.filter(({ bid_hash }) => !shown.has(bid_hash)).map((commit) => ({ ...commit, ...hidden })),
  ]
  const contest = {
    budget_units: limitOf(task),
    allowed_seconds: task.deliver_within_seconds,
    weights,
    decided_at: winner.valid_until - 1,
  }
  const counted = rank(
    contest,
    offers.filter(({ seq }) => seq <= award.bid_count),
  ).ranked
  const needed = "The rule awards this task, and a bid counted for it: the award needs the rule's record."
  require(counted.length === 0, needed)
}

/**
 * Unix seconds by which a bid within an order had won: at once, unless others had to give the work back before. The
 * service says when order and bid came; nobody has signed that.
 */
const latestAward = (order: TaskOrderOut, winner: BidOut, earlier: readonly AwardOut[]): number =>
  earlier.length > 0 ? order.valid_until : Math.max(seconds(order.created_at), seconds(winner.received_at))

/** The newest bid of each agent among those an award was made over. */
function newestOf(bids: readonly BidOut[], count: number): BidOut[] {
  const newest = new Map<string, BidOut>()
  for (const bid of [...bids].sort((a, b) => a.seq - b.seq)) if (bid.seq <= count) newest.set(bid.agent, bid)
  return [...newest.values()]
}

/** Checks that the buyer has signed the order, and that the bid that won was the first within its price. */
async function checkOrder(network: NetworkOut, { task, bids, awards }: Auction, award: AwardOut, order: TaskOrderOut) {
  const message = taskOrderMessage(task.task_hash, { ...order, buyer: task.buyer })
  const signed = await signedBy('TaskOrder', network, message, order.signature, task.buyer)
  require(signed, 'The order is not signed by the buyer of the task.')
  const limit = BigInt(order.max_units)
  const winner = bids.find(({ bid_hash }) => bid_hash === award.bid_hash)
  require(winner !== undefined &&
    BigInt(winner.amount_units) <= limit, 'The bid that won is above the price the buyer has signed.')
  const earlier = awards.slice(0, -1)
  const hadTurn = await awardedIn(network, earlier, task.task_hash)
  const by = latestAward(order, winner, earlier)
  const passedOver = newestOf(bids, award.bid_count).some(
    (bid) =>
      !bid.withdrawn &&
      bid.seq < winner.seq &&
      BigInt(bid.amount_units) <= limit &&
      !hadTurn.has(bid.bid_hash) &&
      bid.valid_until > by,
  )
  require(!passedOver, 'Another bid came earlier and was within the price.')
}

const countSentence = ({ bids, commits }: Auction) => {
  const count = commits.length || bids.length
  const shown = commits.length > 0 ? ` ${bids.length} of them shown as committed.` : ''
  const signed = 'signed by its agent and receipted'
  return count === 1 ? `One bid, ${signed}.${shown}` : `${count} bids, each ${signed}, numbers without a hole.${shown}`
}

async function verify(network: NetworkOut, auction: Auction): Promise<string[]> {
  const award = auction.awards.at(-1)
  require(award !== undefined, 'The task has not been awarded.')
  await checkBids(network, auction, award)
  const found = [countSentence(auction), "The award's root is over all of them, and the operator has signed it."]
  if (award.decided_by === 'order') {
    require(auction.order !== null, 'There is no order of the buyer.')
    await checkOrder(network, auction, award, auction.order)
    return [...found, 'The buyer has signed a price at which a bid wins at once, and this was the first within it.']
  }
  if (award.decided_by === 'buyer') {
    await checkChoice(network, auction, award)
    return [...found, 'The task left the choice to its buyer; that he made it is believed, as nobody signs a choice.']
  }
  require(auction.record !== null, 'There is no record of the award.')
  await checkRecord(network, auction, award, auction.record)
  return [...found, 'The operator has signed the record; the rule, applied to the signed bids, gives this winner.']
}

/**
 * Computes the newest award again from signatures; returns sentences about what was found the same. Throws
 * `AwardMismatch` at the first thing that differs.
 */
export const verifyAuction = (network: NetworkOut, auction: Auction): Promise<string[]> =>
  verify(network, auction).catch((error: unknown) => {
    if (error instanceof AwardMismatch) throw error
    // nothing is asked of anybody here, so what fails is what was given
    throw new AwardMismatch('What was published about the award is malformed.')
  })
