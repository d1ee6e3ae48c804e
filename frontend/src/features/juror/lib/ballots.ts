import type { Hex } from 'viem'

/* The juror's memory of its votes, in this browser: without the salt a vote cannot be revealed and its stake is lost. */

/** What can be voted for, by the contract's number. */
export const CHOICES = ['neither', 'buyer', 'agent'] as const
export type Choice = (typeof CHOICES)[number]

export interface Ballot {
  choice: Choice
  salt: Hex
}

/** Which vote: a round of a dispute at an arbiter, by a juror. */
export interface Place {
  arbiter: string
  juror: string
  disputeId: bigint
  round: number
}

const keyOf = ({ arbiter, juror, disputeId, round }: Place) =>
  ['aicp.ballot', arbiter, juror, disputeId.toString(16), round].join('.').toLowerCase()

/** The vote of a round that was kept here, null if there is none. */
export function ballotAt(place: Place): Ballot | null {
  const text = localStorage.getItem(keyOf(place))
  return text === null ? null : (JSON.parse(text) as Ballot)
}

/**
 * Keeps a vote before it is sent and returns the one that stands, which is an earlier one if there is any: committing
 * again sends the same commitment. Throws where the browser keeps nothing.
 */
export function keepBallot(place: Place, ballot: Ballot): Ballot {
  const earlier = ballotAt(place)
  if (earlier) return earlier
  localStorage.setItem(keyOf(place), JSON.stringify(ballot))
  const kept = ballotAt(place)
  if (kept?.salt !== ballot.salt) throw new Error('This browser does not keep the vote. Nothing was sent.')
  return kept
}

/** Forgets a vote that was never sent: the juror has declined in the wallet. */
export const dropBallot = (place: Place): void => localStorage.removeItem(keyOf(place))
