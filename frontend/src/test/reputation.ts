import {
  type Address,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionResult,
  type Hex,
  numberToHex,
  zeroHash,
} from 'viem'
import { reputationAbi } from '@/abi/generated'
import type { AgentOut, EpochOut, HistoryOut, ReputationOut, ScoreFileOut } from '@/api/types'
import published from '../../../sdk/aicp/rules/vectors/reputation.json'
import { chainRef, iso, NOW, network } from './fixtures'

/* The agents of the published vectors as the service shows them, and a node that knows one of them. */

const EPOCH = 1
const DAY = 86_400

export const cards = published.agents
export const root = published.root as Hex

/** A scored agent as the service shows it. */
export const reputationOf = (card: (typeof cards)[number]): ReputationOut => ({
  agent: card.agent,
  score: card.score,
  tier: card.tier as ReputationOut['tier'],
  base: card.base,
  recent: card.recent,
  current: card.current,
  days_since_outcome: card.days,
  active_days: card.active_days,
  witnesses_ppm: Number(card.credit),
  jobs: card.jobs,
  settled_value_units: card.settled_value,
  ...card.qualities,
  specialties: Object.entries(card.specialties).map(([name, score]) => {
    const [dimension = '', value = ''] = name.split(':')
    return { dimension, value, score }
  }),
  recovery: null,
  forecast: [0, 7, 30].map((days, index) => ({ days, score: card.forecast[index] ?? 0 })),
  anchor: {
    epoch: EPOCH,
    ended_at: iso(NOW - DAY),
    root,
    manifest_hash: published.manifest_hash,
    uri: '',
    leaf: {
      agent: card.agent,
      score: card.score,
      settled_value_units: card.settled_value,
      jobs: card.jobs,
      epoch: EPOCH,
    },
    proof: card.proof,
    counts_from: iso(NOW - 60),
    counts: true,
    chain: chainRef(1100, '3', 'final'),
  },
})

export const epoch: EpochOut = {
  epoch: EPOCH,
  state: 'counts',
  ended_at: iso(NOW - DAY),
  block_number: 1000,
  root,
  leaf_count: cards.length,
  manifest_hash: published.manifest_hash,
  uri: '',
  counts_from: iso(NOW - 60),
  chain: chainRef(1100, '3', 'final'),
}

/** What the epoch says of an agent, as its history has it. */
export const historyOf = (card: (typeof cards)[number]): HistoryOut => ({
  epoch: EPOCH,
  state: 'counts',
  ended_at: iso(NOW - DAY),
  score: card.score,
  tier: card.tier as HistoryOut['tier'],
  ...card.qualities,
  jobs: card.jobs,
  settled_value_units: card.settled_value,
  root,
  manifest_hash: published.manifest_hash,
  counts_from: iso(NOW - 60),
  chain: chainRef(1100, '3', 'final'),
})

export const scoreFile: ScoreFileOut = {
  epoch: EPOCH,
  leaves: cards.map(({ agent, score, jobs, settled_value: settled_value_units }) => {
    return { agent, score, jobs, settled_value_units }
  }),
  measures: cards.map(({ agent, qualities }) => ({ agent, ...qualities })),
  manifest: {},
}

export const agentOf = (address: string): AgentOut => ({
  address,
  did: `did:pkh:eip155:31337:${address}`,
  slug: 'tabula',
  name: 'Tabula',
  description: 'Profiles tables.',
  capabilities: ['data_processing'],
  capacity: 10,
  available: true,
  running_tasks: 2,
  completed_tasks: 7,
  failed_tasks: 1,
  success_rate_bps: 8750,
  success_rate_measured: true,
  response_ms: 100,
  response_measured: false,
  decided_escrows: 8,
  multiplier_bps: 10_000,
  score: 2000,
  score_epoch: null,
  tier: 'new',
  endpoint: null,
  industry: 'finance',
  region: 'eu-west',
  task_types: ['data_processing'],
  price_floor_units: '250000',
  suspension: null,
  updated_at: NOW - DAY,
  staked_units: '50000000',
  stake_free_units: '45000000',
  last_heartbeat: iso(NOW - 5),
  registered_at: iso(NOW - DAY),
})

const ESCROW_ID = `0x${'6'.repeat(64)}` as Hex
const MISSED = 4

/** Logs of an escrow the agent missed 15 days ago, and of what that cost it. */
function logOf(agent: Address, eventName: 'OutcomeRecorded' | 'StakeSlashed') {
  const topics = encodeEventTopics({ abi: reputationAbi, eventName, args: { agent, escrowId: ESCROW_ID } })
  const uints = (...values: bigint[]) =>
    encodeAbiParameters(
      values.map(() => ({ type: 'uint256' })),
      values,
    )
  return {
    address: network.contracts.reputation,
    topics,
    data: eventName === 'OutcomeRecorded' ? uints(BigInt(MISSED), 0n) : uints(1_200_000n, 1_000_000n, 200_000n),
    blockNumber: numberToHex(900),
    blockHash: zeroHash,
    transactionHash: `0x${'8'.repeat(64)}`,
    transactionIndex: '0x0',
    logIndex: '0x0',
    removed: false,
  }
}

/** A node whose Reputation contract has this root, and one missed escrow of the agent. */
export function nodeOf(agent: Address, anchored: Hex) {
  const answers: Record<string, unknown> = {
    rootOf: anchored,
    stakeOf: { staked: 50_000_000n, locked: 5_000_000n, unbondAt: 0, flags: 0 },
    recordOf: { completed: 7, failed: 1, disputed: 0, lost: 0, settledValue: 91_000_000n, lastOutcomeAt: NOW - DAY },
    unstakeRequest: 0n,
  }
  return async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    const [first] = params as [{ data: Hex; topics: [Hex] }]
    switch (method) {
      case 'eth_call': {
        const { functionName } = decodeFunctionData({ abi: reputationAbi, data: first.data })
        // the answer is looked up by name, so its type is not known to be that function's
        const found = { abi: reputationAbi, functionName, result: answers[functionName] }
        return encodeFunctionResult(found as unknown as Parameters<typeof encodeFunctionResult>[0])
      }
      case 'eth_getLogs':
        return (['OutcomeRecorded', 'StakeSlashed'] as const)
          .map((name) => logOf(agent, name))
          .filter((log) => log.topics[0] === first.topics[0])
      case 'eth_getBlockByNumber':
        return { number: numberToHex(900), timestamp: numberToHex(NOW - 15 * DAY - 60), transactions: [] }
      default:
        return null
    }
  }
}
