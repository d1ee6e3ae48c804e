import { type Hex, zeroAddress, zeroHash } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type {
  BalancesOut,
  BidOut,
  DealOut,
  EstimateOut,
  IntentOut,
  LedgerName,
  NetworkOut,
  PoolOut,
  SessionOut,
  StatusOut,
  TaskOut,
  TimelineItem,
  TotalsOut,
} from '@/api/types'
import { bidsRoot } from '@/chain/bids'
import {
  bidHash,
  bidMessage,
  channelId,
  deliverableHash,
  escrowId,
  jobHash,
  type Message,
  type MessageName,
  poolId,
  signingRequest,
  taskHash,
} from '@/chain/typedData'

const account = (digit: string) => privateKeyToAccount(`0x${digit.repeat(64)}` as Hex)
export const buyer = account('1')
export const agent = account('2')
export const operator = account('3')
export const sessionKey = account('4')
export const rival = account('5')

const address = (digit: string) => `0x${digit.repeat(40)}`
export const NOW = Math.floor(Date.now() / 1000)
export const iso = (seconds: number) => new Date(seconds * 1000).toISOString()

export const network: NetworkOut = {
  chain_id: 31337,
  name: 'AICP local',
  currency: 'ETH',
  rpc_url: 'http://localhost:8545',
  voucher_urls: [],
  explorer: null,
  public: false,
  contracts: {
    escrow: address('a'),
    payment_channel: address('b'),
    reputation: address('c'),
    usdc: address('d'),
    erc3009_collector: address('e'),
    arbiter: zeroAddress,
    deploy_block: 1,
  },
  token: { symbol: 'USDC', name: 'USD Coin', version: '2', decimals: 6 },
  operators: [{ address: operator.address, from_time: iso(NOW - 1000), until: null }],
  constants: {
    threshold_units: '10000000',
    fee_bps: 250,
    minimum_price_units: '10000',
    accept_window_seconds: 900,
    authorization_lifetime_seconds: 900,
    agent_acceptance_seconds: 60,
    challenge_period_seconds: 60,
    min_challenge_period_seconds: 60,
    max_challenge_period_seconds: 1209600,
    max_accept_window_seconds: 604800,
    max_deliver_window_seconds: 15552000,
    dispute_timeout_seconds: 2592000,
    pool_withdraw_delay_seconds: 86400,
    channel_withdraw_delay_seconds: 86400,
    max_micro_seconds: 43200,
    evaluation_seconds: 21600,
    stake_bps: 2000,
    pool_default_units: '5000000',
    pool_cap_units: '50000000',
    marketplace_salt: zeroHash,
  },
  server_time: iso(NOW),
}

export const status: StatusOut = {
  state: 'ok',
  sentence: 'Everything works.',
  head_number: 1204,
  safe_number: 1203,
  finalized_number: 1202,
  head_age_seconds: 1,
  finalized_age_seconds: 3,
  open_intents: 0,
  off_chain_accepting: true,
  nodes: [],
  keys: { usable: 2, quarantined: 0, in_flight: 0 },
  alarms: [],
}

export const totals: TotalsOut = {
  escrow_locked_units: '184200000',
  escrow_released_units: '912000000',
  pools_units: '5000000',
  paid_off_chain_units: '3071200',
  settled_units: '1200000',
  tasks_open: 12,
  tasks_completed: 40,
  agents_available: 3,
  bids_last_hour: 41,
  block_number: 1204,
}

export const session: SessionOut = {
  address: buyer.address,
  chain_id: 31337,
  kind: 'cookie',
  scopes: ['bid', 'deliver', 'read'],
  expires_at: iso(NOW + 3600),
  token: null,
}

const document = {
  version: 1,
  id: '0197f3a0-0000-7000-8000-000000000001',
  title: 'Profile the sales of March',
  description: 'Column types, missing values, outliers.',
  deliver_within_seconds: 3600,
  salt: zeroHash,
}
const file = { sha256: `0x${'7'.repeat(64)}`, name: 'sales.csv', size: 18_240, media_type: 'text/csv' }

export const task: TaskOut = {
  id: document.id,
  buyer: buyer.address,
  task_hash: taskHash(document),
  title: document.title,
  capability: 'data_processing',
  complexity: 3,
  urgency: '1.0',
  budget_units: '25000000',
  currency: 'USDC',
  escrow_only: false,
  path_at_budget: 'escrow',
  deliver_within_seconds: 3600,
  auction_ends_at: iso(NOW + 300),
  state: 'open',
  public_state: 'open',
  state_since: iso(NOW - 30),
  bid_count: 2,
  best_bid_units: '24000000',
  deal_id: null,
  created_at: iso(NOW - 30),
  verifier: null,
  buy_now_signed: false,
  instant: false,
  input_summary: [file],
  description: document.description,
  document,
}

const sign = (signer: typeof buyer, name: MessageName, message: Message) =>
  signer.signTypedData(signingRequest(name, network, message) as unknown as Parameters<typeof buyer.signTypedData>[0])

async function makeBid(
  signer: typeof buyer,
  name: string,
  amount: string,
  seq: number,
  hash: string = task.task_hash,
): Promise<BidOut> {
  const fields = {
    agent: signer.address,
    amount_units: amount,
    eta_seconds: 600,
    escrow_only: false,
    valid_until: NOW + 3600,
    salt: zeroHash,
  }
  return {
    ...fields,
    bid_hash: bidHash(network, hash, fields),
    agent_name: name,
    signature: await sign(signer, 'Bid', bidMessage(hash, fields)),
    seq,
    receipt_signature: '0x',
    operator: operator.address,
    received_at: iso(NOW - 10),
    withdrawn: false,
    live: true,
  }
}

/** Two signed bids, the cheaper one first. */
export const makeBids = async () => [
  await makeBid(agent, 'Tabula', '24000000', 1),
  await makeBid(rival, 'Columnar', '24500000', 2),
]

/** A deal whose every hash and signature is real, so that the page's own checks pass. */
export async function makeDeal(
  path: 'escrow' | 'channel',
  price = path === 'escrow' ? '24000000' : '400000',
  judges: { verifier?: string; arbiter?: string } = {},
): Promise<DealOut> {
  const { verifier = zeroAddress, arbiter = zeroAddress } = judges
  const named = verifier === zeroAddress ? {} : { verifier }
  const agreed = { ...document, ...named }
  const hash = taskHash(agreed)
  const bid = await makeBid(agent, 'Tabula', price, 1, hash)
  const root = bidsRoot([bid.bid_hash as Hex])
  const award = { taskHash: hash, bidHash: bid.bid_hash, bidsRoot: root, bidCount: 1 }
  const job = jobHash(hash, bid.bid_hash as Hex, root)
  const terms = {
    client: buyer.address,
    provider: agent.address,
    verifier,
    arbiter,
    amount_units: price,
    fee_bps: 250,
    quorum: 2,
    accept_by: NOW + 600,
    deliver_by: NOW + 600 + 3600,
    challenge_period: 60,
    dispute_timeout: 2592000,
    job_hash: job,
    salt: zeroHash,
  }
  const parties = { payer: buyer.address, payerAuthorizer: sessionKey.address, operator: operator.address }
  return {
    id: '0197f3a0-0000-7000-8000-0000000000d1',
    task_id: task.id,
    task_hash: hash,
    title: task.title,
    path,
    state: 'awaiting_payment',
    public_state: 'awaiting_payment',
    buyer: buyer.address,
    agent: agent.address,
    agent_name: 'Tabula',
    verifier: judges.verifier ?? null,
    price_units: price,
    fee_units: path === 'escrow' ? '600000' : '0',
    currency: 'USDC',
    live: true,
    current: true,
    ended_reason: null,
    bid,
    award: {
      task_hash: hash,
      bid_hash: bid.bid_hash,
      bids_root: root,
      bid_count: 1,
      operator: operator.address,
      signature: await sign(operator, 'Award', award),
      deal_id: '0197f3a0-0000-7000-8000-0000000000d1',
      decided_by: 'buyer',
    },
    description: document.description,
    document: agreed,
    input_files: [file],
    escrow:
      path === 'escrow'
        ? {
            escrow_id: escrowId(network, terms),
            terms,
            acceptance_due: NOW + 60,
            acceptance_valid_until: NOW + 600,
            acceptance_signature: null,
            authorization_valid_before: null,
            payable_until: NOW + 600,
            chain_status: 'none',
            released_units: '0',
            refunded_units: '0',
            challenge_ends_at: null,
            deliverable_hash: null,
            outcome: null,
            quorum: 2,
            verifier: judges.verifier ?? null,
            dispute_fee_units: null,
            arbiter_can_rule: null,
            dispute: null,
            split_offers: [],
            release_signatures: [],
            ratings: [],
            chain: null,
          }
        : null,
    channel:
      path === 'channel'
        ? {
            pool_id: poolId(network, parties),
            channel_id: channelId(network, { ...parties, receiver: agent.address }),
            earned_units: '0',
            in_flight_units: '0',
            ceiling_units: '0',
            need_units: price,
            available_units: '5000000',
            order: null,
          }
        : null,
    deliverable: null,
    actions: [
      {
        name: path === 'escrow' ? 'pay' : 'order',
        who: 'buyer',
        allowed: true,
        reason: 'The agent has accepted; pay to start the work.',
        due: iso(NOW + 600),
        if_nobody_acts: 'the deal goes to the next bid.',
      },
    ],
    last_intent: null,
    created_at: iso(NOW - 5),
  }
}

const manifest = {
  files: [{ name: 'report.json', sha256: `0x${'8'.repeat(64)}`, size: 912, media_type: 'application/json' }],
  salt: zeroHash,
}

/** The same deal after the agent handed in its result. */
export async function makeDelivered(
  path: 'escrow' | 'channel',
  judges: { verifier?: string; arbiter?: string } = {},
): Promise<DealOut> {
  const deal = await makeDeal(path, undefined, judges)
  return {
    ...deal,
    state: 'delivered',
    public_state: 'running',
    deliverable: {
      deliverable_hash: deliverableHash(manifest),
      manifest,
      signature: '0x',
      files: manifest.files,
      created_at: iso(NOW - 2),
    },
    actions: [
      {
        name: path === 'escrow' ? 'release' : 'verdict',
        who: 'buyer',
        allowed: true,
        reason: 'The result is there. Check it, then decide.',
        due: iso(NOW + 60),
        if_nobody_acts: 'the agent is paid.',
      },
    ],
  }
}

export const chainRef = (block: number, digit: string, finality: 'seen' | 'safe' | 'final') => ({
  block_number: block,
  block_hash: `0x${digit.repeat(64)}`,
  tx_hash: `0x${digit.repeat(64)}`,
  log_index: 0,
  finality,
})

export const timeline: TimelineItem[] = [
  {
    at: iso(NOW - 300),
    source: 'app',
    kind: 'awarded',
    sentence: 'The buyer chose the bid of Tabula.',
    fields: {},
    chain: null,
    finality: null,
  },
  {
    at: iso(NOW - 200),
    source: 'chain',
    kind: 'EscrowFunded',
    sentence: '24.00 USDC were locked in the escrow.',
    fields: {},
    chain: chainRef(1190, '5', 'final'),
    finality: 'final',
  },
  {
    at: iso(NOW - 20),
    source: 'chain',
    kind: 'WorkSubmitted',
    sentence: 'The agent handed in its result.',
    fields: {},
    chain: chainRef(1204, '6', 'safe'),
    finality: 'safe',
  },
]

export const pool: PoolOut = {
  pool_id: poolId(network, { payer: buyer.address, payerAuthorizer: sessionKey.address, operator: operator.address }),
  payer: buyer.address,
  payer_authorizer: sessionKey.address,
  operator: operator.address,
  balance_latest_units: '3800000',
  balance_final_units: '3800000',
  pending_withdraw_units: '0',
  finalize_at: null,
  nonce: 0,
  warn_below_units: null,
  operator_serves: true,
  reserved_units: '400000',
  earned_units: '2070000',
  claimed_units: '1200000',
  available_units: '2530000',
  channels: [
    {
      channel_id: `0x${'9'.repeat(64)}`,
      pool_id: zeroHash,
      receiver: agent.address,
      receiver_name: 'Tabula',
      ceiling_units: '2470000',
      in_flight_units: '400000',
      earned_units: '2070000',
      claimed_units: '1200000',
    },
  ],
  chain: chainRef(1200, '4', 'final'),
}

/** What the formula gives for the simplest task with a newcomer. */
export const estimate: EstimateOut = {
  currency: 'USDC',
  base_units: '1000000',
  price_units: '1500000',
  formula: 1,
  tier: 'new',
  factors: [
    { name: 'multiplier', bps: 10_000, because: 'no agent is named' },
    { name: 'complexity', bps: 15_000, because: '1 + 1/2' },
    { name: 'urgency', bps: 10_000, because: 'the buyer asked for 1.0' },
  ],
  tiers: [
    { tier: 'excellent', from_rate_bps: 9_500, multiplier_bps: 20_000, price_units: '3000000' },
    { tier: 'low', from_rate_bps: 0, multiplier_bps: 5_000, price_units: '750000' },
  ],
  agent: null,
  price_floor_units: null,
  quote: null,
}

export const intent: IntentOut = {
  id: '0197f3a0-0000-7000-8000-0000000000e1',
  kind: 'fund',
  state: 'mined',
  on_behalf_of: buyer.address,
  to: network.contracts.escrow,
  sender: operator.address,
  nonce: 4,
  tx_hash: `0x${'5'.repeat(64)}`,
  block_number: 1190,
  gas_used: 210_000,
  error_code: null,
  error_detail: null,
  expires_at: null,
  reference: {},
  attempts: [],
  transactions: [],
  budget_wei: null,
  cancel_asked_at: null,
  created_at: iso(NOW - 210),
  updated_at: iso(NOW - 200),
}

export const balances: BalancesOut = {
  address: buyer.address,
  usdc_units: '1000000000',
  collectable_units: '1500000',
  ledgers: [
    { ledger: 'escrow', units: '1500000', final_units: '1500000', withdrawal_nonce: 0 },
    { ledger: 'reputation', units: '0', final_units: '0', withdrawal_nonce: 0 },
  ],
  staked_units: '0',
  stake_locked_units: '0',
  stake_free_units: '0',
  channel_claimed_units: '0',
  channel_settled_units: '0',
  block_number: 1204,
}

/** The balances with so much in one ledger, and nothing in the others. */
export const withHeld = (ledger: LedgerName, units: string): BalancesOut => ({
  ...balances,
  collectable_units: units,
  ledgers: [{ ledger, units, final_units: units, withdrawal_nonce: 3 }],
})
