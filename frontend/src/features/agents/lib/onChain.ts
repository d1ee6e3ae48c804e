import { useQuery } from '@tanstack/react-query'
import type { Address, Hex } from 'viem'
import { type Config, useConfig } from 'wagmi'
import { getPublicClient, readContract } from 'wagmi/actions'
import { reputationAbi } from '@/abi/generated'
import { keys } from '@/api/keys'
import type { NetworkOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { OUTCOMES, type Outcome, severityBps } from '@/chain/stakes'

/* What the Reputation contract says of an agent, read by the page from a node: the service is not asked. */

export interface Slash {
  units: bigint
  toBuyer: bigint
  toPool: bigint
}

/** How one escrow of the agent ended. `closedAt` is in unix seconds, null for one that is not among the newest. */
export interface Decided {
  escrowId: Hex
  outcome: Outcome
  settledUnits: bigint
  slash: Slash | null
  blockNumber: bigint
  txHash: Hex
  closedAt: number | null
}

/** Outcomes whose time is read; each time is a block to ask for. */
const DATED = 10

const failed = ({ outcome }: Decided) => severityBps(outcome) > 0

function contractOf(network: NetworkOut) {
  return { abi: reputationAbi, address: network.contracts.reputation as Address }
}

/** The stake, the counts and a requested unstake of an agent, in the newest block. */
async function readStanding(config: Config, network: NetworkOut, agent: Address) {
  const to = { ...contractOf(network), chainId: network.chain_id, args: [agent] } as const
  const [stake, record, asked] = await Promise.all([
    readContract(config, { ...to, functionName: 'stakeOf' }),
    readContract(config, { ...to, functionName: 'recordOf' }),
    readContract(config, { ...to, functionName: 'unstakeRequest' }),
  ])
  return { stake, record, asked }
}

/** Every outcome of an agent with what it cost, newest first. */
async function readDecided(config: Config, network: NetworkOut, agent: Address): Promise<Decided[]> {
  const chain = getPublicClient(config, { chainId: network.chain_id })
  if (!chain) throw new Error('There is no node for this chain.')
  const about = {
    ...contractOf(network),
    args: { agent },
    fromBlock: BigInt(network.contracts.deploy_block),
    strict: true,
  } as const
  const [outcomes, slashes] = await Promise.all([
    chain.getContractEvents({ ...about, eventName: 'OutcomeRecorded' }),
    chain.getContractEvents({ ...about, eventName: 'StakeSlashed' }),
  ])
  const slashOf = new Map(
    slashes.map(({ args }) => [
      args.escrowId,
      { units: args.amount, toBuyer: args.toClient, toPool: args.toPool } satisfies Slash,
    ]),
  )
  const decided = outcomes
    .map(
      ({ args, blockNumber, transactionHash }): Decided => ({
        escrowId: args.escrowId,
        outcome: OUTCOMES[args.outcome] ?? 'none',
        settledUnits: args.settledValue,
        slash: slashOf.get(args.escrowId) ?? null,
        blockNumber,
        txHash: transactionHash,
        closedAt: null,
      }),
    )
    .reverse()
  // the last failure is dated however long ago it was: recovery counts from it
  const dated = new Set([...decided.slice(0, DATED), ...decided.filter(failed).slice(0, 1)])
  return Promise.all(
    decided.map(async (one) => {
      if (!dated.has(one)) return one
      const { timestamp } = await chain.getBlock({ blockNumber: one.blockNumber })
      return { ...one, closedAt: Number(timestamp) }
    }),
  )
}

/** Stake and counts of an agent from the contract. */
export function useStanding(agent: Address) {
  const config = useConfig()
  const network = useNetwork()
  return useQuery({
    queryKey: keys.chain('standing', agent),
    queryFn: () => readStanding(config, network, agent),
    retry: 1,
  })
}

/** The decided escrows of an agent from the contract's events. */
export function useDecided(agent: Address) {
  const config = useConfig()
  const network = useNetwork()
  return useQuery({
    queryKey: keys.chain('decided', agent),
    queryFn: () => readDecided(config, network, agent),
    staleTime: 30_000,
    retry: 1,
  })
}

/** The newest failure, null for who has none. */
export const lastFailure = (decided: readonly Decided[]): Decided | null => decided.find(failed) ?? null
