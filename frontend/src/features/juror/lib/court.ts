import { useQuery } from '@tanstack/react-query'
import type { Address, Hex } from 'viem'
import { type Config, useConfig } from 'wagmi'
import { getPublicClient, readContract } from 'wagmi/actions'
import { arbiterAbi, ballotState, disputePeriod, usdcAbi } from '@/abi/generated'
import { keys } from '@/api/keys'
import { usePolling } from '@/api/live'
import type { NetworkOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { digest } from '@/chain/typedData'
import type { Call } from '@/chain/useTx'
import { type Ballot, CHOICES, type Choice } from './ballots'

/* A juror at the arbiter, read from a node; what is sent is sent by the juror's own wallet. */

export type Period = keyof typeof disputePeriod
export type BallotState = keyof typeof ballotState

/** A juror's place in one round of a dispute. */
export interface Seat {
  disputeId: bigint
  round: number
  seats: number
  period: Period
  /** Whether the dispute is still in this round. */
  current: boolean
  /** When the dispute's present period ends, unix seconds. */
  endsAt: number
  state: BallotState
  ruling: Choice | null
}

export type Duty = 'vote' | 'reveal' | 'settle'

const nameIn = <Name extends string>(names: Record<Name, number>, value: number): Name => {
  const found = (Object.keys(names) as Name[]).find((name) => names[name] === value)
  if (found === undefined) throw new Error(`The arbiter answered ${value}, which this page does not know.`)
  return found
}

/** What a juror has to do at a seat, null while there is nothing. */
export function dutyOf({ period, current, state }: Seat): Duty | null {
  if (period === 'Solved') return 'settle'
  if (current && period === 'Commit' && state === 'None') return 'vote'
  if (current && period === 'Reveal' && state === 'Committed') return 'reveal'
  return null
}

const arbiterOf = (network: NetworkOut) => ({ abi: arbiterAbi, address: network.contracts.arbiter as Address })

async function readSeat(
  config: Config,
  network: NetworkOut,
  juror: Address,
  place: { disputeId: bigint; round: number },
): Promise<Seat & { settled: boolean }> {
  const to = { ...arbiterOf(network), chainId: network.chain_id } as const
  const { disputeId, round } = place
  const [dispute, [, seats, , state, settled]] = await Promise.all([
    readContract(config, { ...to, functionName: 'disputeOf', args: [disputeId] }),
    readContract(config, { ...to, functionName: 'ballotOf', args: [disputeId, round, juror] }),
  ])
  const period = nameIn(disputePeriod, dispute.period)
  return {
    disputeId,
    round,
    seats,
    period,
    current: dispute.round === round,
    endsAt: dispute.endsAt,
    state: nameIn(ballotState, state),
    ruling: period === 'Solved' ? (CHOICES[dispute.ruling] ?? null) : null,
    settled,
  }
}

/** The seats a juror was drawn for and that are not settled, newest first. */
async function readSeats(config: Config, network: NetworkOut, juror: Address): Promise<Seat[]> {
  const chain = getPublicClient(config, { chainId: network.chain_id })
  if (!chain) throw new Error('There is no node for this chain.')
  const drawn = await chain.getContractEvents({
    ...arbiterOf(network),
    eventName: 'JurorDrawn',
    args: { juror },
    fromBlock: BigInt(network.contracts.deploy_block),
    strict: true,
  })
  const places = new Map(
    drawn.map(({ args }) => [`${args.disputeID}-${args.round}`, { disputeId: args.disputeID, round: args.round }]),
  )
  const found = await Promise.all(
    [...places.values()].reverse().map((place) => readSeat(config, network, juror, place)),
  )
  // no seat: its draw was reorganised away
  return found.filter(({ seats, settled }) => seats > 0 && !settled)
}

/** Stake, weight and rewards of a juror. */
async function readStanding(config: Config, network: NetworkOut, juror: Address) {
  const to = { ...arbiterOf(network), chainId: network.chain_id } as const
  const [[free, locked, , weight, requested, unbondAt], balance, perSeat, penalty, fee] = await Promise.all([
    readContract(config, { ...to, functionName: 'jurorOf', args: [juror] }),
    readContract(config, { ...to, functionName: 'balanceOf', args: [juror] }),
    readContract(config, { ...to, functionName: 'stakePerSeat' }),
    readContract(config, { ...to, functionName: 'incoherencePenalty' }),
    readContract(config, { ...to, functionName: 'feePerSeat' }),
  ])
  return { free, locked, weight, requested, unbondAt, balance, perSeat, penalty, fee }
}

export type Standing = Awaited<ReturnType<typeof readStanding>>

/** What a juror has at the arbiter. */
export function useStanding(juror: Address) {
  const config = useConfig()
  const network = useNetwork()
  const polling = usePolling()
  return useQuery({
    queryKey: keys.chain('juror', juror),
    queryFn: () => readStanding(config, network, juror),
    refetchInterval: polling,
    retry: 1,
  })
}

/** The seats of a juror. */
export function useSeats(juror: Address) {
  const config = useConfig()
  const network = useNetwork()
  const polling = usePolling()
  return useQuery({
    queryKey: keys.chain('seats', juror),
    queryFn: () => readSeats(config, network, juror),
    refetchInterval: polling,
    retry: 1,
  })
}

/** Whether a final block is in the reveal period of a seat's round: a salt that is seen earlier costs its stake. */
export async function mayReveal(config: Config, network: NetworkOut, seat: Seat): Promise<boolean> {
  const final = await readContract(config, {
    ...arbiterOf(network),
    chainId: network.chain_id,
    functionName: 'disputeOf',
    args: [seat.disputeId],
    blockTag: 'finalized',
  })
  return final.period === disputePeriod.Reveal && final.round === seat.round
}

const numberOf = (choice: Choice) => CHOICES.indexOf(choice)

/** The commitment to a vote: the digest of it with its salt. */
export const commitmentOf = (network: NetworkOut, juror: Address, seat: Seat, ballot: Ballot): Hex =>
  digest('Vote', network, {
    disputeId: seat.disputeId,
    round: seat.round,
    juror,
    choice: numberOf(ballot.choice),
    salt: ballot.salt,
  })

const call = (network: NetworkOut, functionName: string, ...args: readonly unknown[]): Call => ({
  ...arbiterOf(network),
  functionName,
  args,
})

/** The two transactions that stake: the arbiter is allowed exactly that, then takes it. */
export const stakeCalls = (network: NetworkOut, units: bigint): Call[] => [
  {
    abi: usdcAbi,
    address: network.contracts.usdc as Address,
    functionName: 'approve',
    args: [network.contracts.arbiter, units],
  },
  call(network, 'stake', units),
]

export const unstakeCall = (network: NetworkOut, units: bigint) => call(network, 'requestUnstake', units)
export const completeUnstakeCall = (network: NetworkOut, juror: Address) => call(network, 'completeUnstake', juror)
export const settleCall = (network: NetworkOut, juror: Address, seat: Seat) =>
  call(network, 'claim', seat.disputeId, seat.round, juror)
export const commitCall = (network: NetworkOut, juror: Address, seat: Seat, ballot: Ballot) =>
  call(network, 'commit', seat.disputeId, commitmentOf(network, juror, seat, ballot))
export const revealCall = (network: NetworkOut, juror: Address, seat: Seat, ballot: Ballot) =>
  call(network, 'reveal', seat.disputeId, juror, numberOf(ballot.choice), ballot.salt)
