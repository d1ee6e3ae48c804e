import { ProblemError, UnreachableError } from '@/api/client'
import { formatUsdc } from './amount'
import { PROBLEMS } from './problems'

/** What went wrong, for people: `detail` says what to do where there is something to do. */
export interface Explained {
  kind: 'rejected' | 'revert' | 'funds' | 'network' | 'refused' | 'wallet' | 'unknown'
  title: string
  detail: string
  retryable: boolean
}

type Sentence = (args: readonly unknown[]) => string

const amount = (value: unknown) => (typeof value === 'bigint' ? `${formatUsdc(value)} USDC` : 'the amount')
const when = (value: unknown) => {
  const seconds = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'the given time' : date.toLocaleString()
}
const who = (value: unknown) =>
  typeof value === 'string' && value.length === 42 ? `${value.slice(0, 6)}…${value.slice(-4)}` : 'this account'

const until = (value: unknown) => `The signature was valid until ${when(value)}; sign again.`
const notBy = (value: unknown) =>
  value === undefined ? 'The signature is not by the expected account.' : `The signature is not by ${who(value)}.`
const short = (have: unknown, need: unknown) => `The balance is ${amount(have)}, ${amount(need)} is needed.`

const ESCROW: Record<string, Sentence> = {
  Escrow_AlreadyExists: () => 'This escrow was funded before; nothing is paid twice.',
  Escrow_WrongStatus: () => 'The escrow is in another state by now; reload to see where it stands.',
  Escrow_CallerNotClient: ([, caller]) => `Only the buyer of this escrow may do that, not ${who(caller)}.`,
  Escrow_CallerNotProvider: ([, caller]) => `Only the agent of this escrow may do that, not ${who(caller)}.`,
  Escrow_AmountZero: () => 'The amount is zero.',
  Escrow_ReleaseExceedsAmount: ([, requested, available]) =>
    `${amount(requested)} is more than the ${amount(available)} left in the escrow.`,
  Escrow_NotIncreasing: ([, current, requested]) =>
    `${amount(requested)} is not above the ${amount(current)} already paid out.`,
  Escrow_SplitMismatch: ([, requested, available]) =>
    `The two shares make ${amount(requested)}, but ${amount(available)} is left in the escrow.`,
  Escrow_QuorumNotMet: ([, have, need]) => `${have} of the ${need} needed signatures are there.`,
  Escrow_QuorumOutOfRange: ([, max]) => `At most ${max} signatures can be asked for.`,
  Escrow_DuplicateSigner: ([, signer]) => `${who(signer)} signed twice; each role counts once.`,
  Escrow_SignatureExpired: ([time]) => until(time),
  Escrow_InvalidSignature: ([expected]) => notBy(expected),
  Escrow_ChallengeActive: ([, endsAt]) => `The time to check the result runs until ${when(endsAt)}.`,
  Escrow_DeadlineNotReached: ([, deadline]) => `This is possible only after ${when(deadline)}.`,
  Escrow_DeadlinePassed: ([, deadline]) => `The deadline was ${when(deadline)}.`,
  Escrow_FeeMismatch: () => 'The fee changed since these terms were written; new terms are needed.',
  Escrow_FeeAboveCap: () => 'The fee is above what the contract ever allows.',
  Escrow_SelfDeal: () => 'Buyer, agent, verifier and arbiter must be different accounts.',
  Escrow_ZeroAddress: () => 'An address of the terms is missing.',
  Escrow_InvalidWindow: () => 'A deadline of the terms lies outside the bounds of the contract.',
  Escrow_NoArbiter: () => 'The terms name no arbiter, so this escrow cannot be disputed.',
  Escrow_ArbiterFailed: ([arbiter]) => `The arbiter ${who(arbiter)} does not say what a dispute costs.`,
  Escrow_ArbiterFeeMismatch: () => 'The arbiter did not take exactly its fee; nothing was paid.',
  Escrow_BondAboveAmount: ([, bond, price]) =>
    `The bond of ${amount(bond)} is above the price of ${amount(price)}; pay it from the wallet instead.`,
  Escrow_CallerNotArbiter: () => 'Only the arbiter named in the terms may rule.',
  Escrow_CallerNotParty: ([, caller]) => `Only buyer and agent may do that, not ${who(caller)}.`,
  Escrow_ChallengeOver: ([, endedAt]) => `The time to check the result ended ${when(endedAt)}.`,
  Escrow_DisputeIdTaken: () => 'The arbiter gave a number that another dispute has; nothing was paid.',
  Escrow_InvalidRuling: () => 'The arbiter gave a ruling that does not exist.',
  Escrow_NotRuled: () => 'The arbiter has not decided yet.',
  Escrow_NotAccepted: () => 'The agent never accepted this escrow, so there is nothing to rate.',
  Escrow_AlreadyRated: () => 'You have rated this deal before.',
  Escrow_ScoreOutOfRange: () => 'A rating is between 0 and 100.',
  Escrow_TokenNotRescuable: () => 'The token of the escrows cannot be taken out.',
  Escrow_WrongExtension: () => 'The second part of the contract was made for other settings.',
  Escrow_DirectCall: () => 'This part of the contract is called through the escrow only.',
  Escrow_StakeNotPending: () => 'No stake waits to be given back for this escrow.',
  Escrow_InsufficientGas: () => 'The transaction was sent with too little gas; send it again with more.',
  Ledger_InsufficientBalance: ([, have, need]) => short(have, need),
  Ledger_AmountZero: () => 'There is nothing to collect.',
  Ledger_ZeroAddress: () => 'The receiving address is missing.',
  Ledger_SignatureExpired: ([time]) => until(time),
  Ledger_InvalidSignature: ([expected]) => notBy(expected),
  Guarded_InflowsPaused: () => 'New payments are paused by the guardian; money already inside can still leave.',
  Guarded_CallerNotGuardian: ([caller]) => `Only the guardian may do that, not ${who(caller)}.`,
  Guarded_ZeroAddress: () => 'The guardian address is missing.',
}

const CHANNEL: Record<string, Sentence> = {
  PoolInsufficient: ([, have, need]) => `The pool has ${amount(have)}, ${amount(need)} is needed.`,
  NotPoolOperator: ([, caller]) => `${who(caller)} is not the operator of this pool.`,
  PoolWithdrawalAlreadyPending: ([, time]) => `A withdrawal is under way; it ends ${when(time)}.`,
  PoolWithdrawalNotPending: () => 'No withdrawal is under way in this pool.',
  PoolWithdrawDelayNotElapsed: ([, time]) => `The withdrawal can be finished after ${when(time)}.`,
  PoolNonceMismatch: () => 'The pool changed since this was signed; reload and sign again.',
  PoolAmountZero: () => 'The amount is zero.',
  UnsupportedToken: () => 'Only USDC is accepted.',
  UnsupportedCollector: () => 'This way of paying in is not supported.',
  AuthorizationExpired: ([time]) => `The payment authorization was valid until ${when(time)}; sign again.`,
  InvalidSignature: ([expected]) => notBy(expected),
  InvalidChannel: () => 'The channel is incomplete.',
  ZeroDeposit: () => 'The deposit is zero.',
  DepositOverflow: () => 'The deposit is too large for the contract.',
  NotReceiverAuthorizer: () => "Only the receiver's authorizer may do that.",
  NotAuthorizedToClaim: () => 'This account may not claim from the channel.',
  NotAuthorizedToRefund: () => 'This account may not refund the channel.',
  NotAuthorizedToFinalizeWithdraw: () => 'Only the payer may finish this withdrawal.',
  ClaimExceedsCeiling: () => 'The claim is above what the voucher allows.',
  ClaimExceedsBalance: () => 'The claim is above what the channel holds.',
  WithdrawalAlreadyPending: () => 'A withdrawal is already under way.',
  WithdrawalNotPending: () => 'No withdrawal is under way.',
  WithdrawDelayNotElapsed: () => 'The waiting time of the withdrawal is not over.',
  WithdrawDelayOutOfRange: () => 'The waiting time lies outside the bounds of the contract.',
  WithdrawAmountExceedsAvailable: () => 'The withdrawal is more than the channel holds.',
  NothingToWithdraw: () => 'There is nothing to withdraw.',
  EmptyBatch: () => 'The batch is empty.',
  InvalidCollector: () => 'This way of paying in is unknown.',
  InvalidRefundNonce: () => 'This refund was made before or comes out of order.',
  ZeroRefund: () => 'The refund is zero.',
}

const STAKE: Record<string, Sentence> = {
  Stake_Insufficient: ([, free, need]) => `The agent has ${amount(free)} of free stake, ${amount(need)} is needed.`,
  Stake_AboveMaximum: ([, , most]) => `An agent can stake at most ${amount(most)}.`,
  Stake_CallerNotEscrow: () => 'Only the escrow contract may lock or take stake.',
  Stake_Unbonding: ([time]) => `The stake can be taken out after ${when(time)}.`,
  Stake_AmountZero: () => 'The stake is zero.',
  Stake_NotRequested: () => 'Ask for the stake back first.',
  Stake_SlashExceedsLock: () => 'More than the locked stake cannot be taken.',
  Stake_SignatureExpired: ([time]) => until(time),
  Stake_InvalidSignature: ([expected]) => notBy(expected),
}

const SCORES: Record<string, Sentence> = {
  Anchor_CallerNotAdmin: ([caller]) => `Only the administrator may do that, not ${who(caller)}.`,
  Anchor_CallerNotAnchorer: ([caller]) => `Only the account that publishes scores may do that, not ${who(caller)}.`,
  Anchor_Empty: () => 'There are no scores to publish.',
  Anchor_EpochNotNext: ([, activeAt]) => `The scores before these wait until ${when(activeAt)}.`,
  Anchor_InvalidProof: ([, agent]) => `The proof does not show this score of ${who(agent)}.`,
  Anchor_NotActive: () => 'The scores of that day are not in force.',
  Anchor_NotPending: () => 'The scores of that day can no longer be stopped.',
  Rescue_CallerNotAdmin: ([caller]) => `Only the administrator may do that, not ${who(caller)}.`,
  Rescue_TokenInUse: () => 'The token of the stakes cannot be taken out.',
}

const ARBITER: Record<string, Sentence> = {
  Arbiter_AlreadyExecuted: () => 'The ruling was carried out before.',
  Arbiter_AlreadyExists: () => 'The arbiter was asked about this before.',
  Arbiter_AmountZero: () => 'The amount is zero.',
  Arbiter_CannotDisclose: ([, account]) => `${who(account)} has said already that it is related, or too many have.`,
  Arbiter_ChoicesNotSupported: () => 'The arbiter decides between two sides only.',
  Arbiter_FeeMismatch: ([given, cost]) => `The arbiter asks for ${amount(cost)}, not for ${amount(given)}.`,
  Arbiter_InsufficientGas: () => 'The transaction was sent with too little gas; send it again with more.',
  Arbiter_InsufficientStake: ([, have, need]) => `The juror has ${amount(have)} of stake, ${amount(need)} is needed.`,
  Arbiter_InvalidConfig: () => 'The settings of the arbiter contradict each other.',
  Arbiter_InvalidExtraData: () => 'The description of the dispute is not the one the arbiter was asked about.',
  Arbiter_InvalidSignature: ([expected]) => notBy(expected),
  Arbiter_InvalidVote: () => 'Vote and secret are not those that were committed to.',
  Arbiter_NativeTokenNotTaken: () => 'The arbiter is paid in USDC only.',
  Arbiter_NoBallot: ([, juror]) => `${who(juror)} has no vote in this round, or has used it.`,
  Arbiter_NotFundable: () => 'This side of the appeal cannot be paid for now, or is paid already.',
  Arbiter_NotParty: ([, account]) => `${who(account)} is no party of this dispute.`,
  Arbiter_NothingDue: () => 'Nothing is due, or it was paid out before.',
  Arbiter_SessionNotReady: () => 'The drawing of jurors is at another step; try again in a while.',
  Arbiter_SignatureExpired: ([time]) => until(time),
  Arbiter_Unbonding: ([, time]) => `The stake can be taken out after ${when(time)}.`,
  Arbiter_WrongPeriod: () => 'The dispute is in another period by now; reload to see where it stands.',
}

const TOKEN: Record<string, Sentence> = {
  ERC20InsufficientBalance: ([, have, need]) => short(have, need),
  ERC20InsufficientAllowance: ([, have, need]) => `You allowed ${amount(have)}, ${amount(need)} is needed.`,
  ERC20InvalidApprover: () => 'This account cannot give an allowance.',
  ERC20InvalidReceiver: () => 'USDC cannot be sent to this address.',
  ERC20InvalidSender: () => 'USDC cannot be sent from this address.',
  ERC20InvalidSpender: () => 'This address cannot be given an allowance.',
  AccountBlacklisted: ([account]) => `USDC has blocked ${who(account)}.`,
  EnforcedPause: () => 'USDC is paused by its issuer.',
  AuthorizationNotYetValid: ([time]) => `The payment authorization is valid from ${when(time)} on.`,
  AuthorizationUsedOrCanceled: () => 'This payment authorization was used or cancelled before; nothing is paid twice.',
  CallerNotOwner: () => 'Only the owner of the token may do that.',
  CallerNotPayee: () => 'Only the receiver named in the authorization may use it.',
  PermitExpired: ([time]) => `The allowance was valid until ${when(time)}; sign again.`,
  FaucetCapExceeded: ([, cap]) => `The faucet gives at most ${amount(cap)} at a time.`,
}

const LIBRARIES: Record<string, Sentence> = {
  OwnableUnauthorizedAccount: ([account]) => `Only the administrator may do that, not ${who(account)}.`,
  OwnableInvalidOwner: () => 'This address cannot be the administrator.',
  Reentrancy: () => 'The contract is busy with another call of the same transaction.',
  FailedCall: () => 'A call to another contract failed.',
  AddressEmptyCode: () => 'There is no contract at that address.',
  InsufficientBalance: () => 'The contract holds too little for this.',
  SafeCastOverflowedUintDowncast: () => 'A number is too large for the contract.',
  InvalidShortString: () => 'A text of the contract is malformed.',
  StringTooLong: () => 'A text of the contract is too long.',
}

/** One sentence for every custom error of the contracts. A test fails when the generated ABI has one that is missing here. */
export const ERROR_SENTENCES: Record<string, Sentence> = {
  ...ESCROW,
  ...CHANNEL,
  ...STAKE,
  ...SCORES,
  ...ARBITER,
  ...TOKEN,
  ...LIBRARIES,
}

/** The sentence of a custom error, or null when its name is unknown. */
export const sentenceOf = (name: string, args: readonly unknown[] = []): string | null =>
  Object.hasOwn(ERROR_SENTENCES, name) ? (ERROR_SENTENCES[name]?.(args) ?? null) : null

interface Link {
  name?: string
  message?: string
  shortMessage?: string
  details?: string
  code?: unknown
  data?: unknown
  reason?: string
  cause?: unknown
}

function chainOfCauses(error: unknown): Link[] {
  const links: Link[] = []
  const seen = new Set<unknown>()
  for (let link = error; typeof link === 'object' && link !== null && !seen.has(link); link = (link as Link).cause) {
    seen.add(link)
    links.push(link as Link)
  }
  return links
}

const codeOf = (link: Link): number | undefined => {
  if (typeof link.code === 'number') return link.code
  const inner = (link.data as { originalError?: { code?: unknown } } | undefined)?.originalError?.code
  return typeof inner === 'number' ? inner : undefined
}

const NETWORK_NAMES = new Set([
  'HttpRequestError',
  'TimeoutError',
  'WebSocketRequestError',
  'SocketClosedError',
  'TypeError',
])
/** Codes that say "the node or the wallet is busy or away", never "the contract refused". */
const NETWORK_CODES = new Set([-32005, -32002, 4900, 4901])

function explainRevert(links: Link[]): Explained | null {
  const reverted = links.find((link) => link.name === 'ContractFunctionRevertedError')
  if (!reverted) return null
  const data = reverted.data as { errorName?: string; args?: readonly unknown[] } | undefined
  const name = data?.errorName ?? ''
  const sentence = sentenceOf(name, data?.args)
  const reason =
    sentence ?? reverted.reason ?? (name ? `The contract refused: ${name}.` : 'The contract refused without a reason.')
  return { kind: 'revert', title: 'This would fail on chain, so it was not sent.', detail: reason, retryable: false }
}

function explainWallet(links: Link[]): Explained | null {
  if (links.some((link) => codeOf(link) === 4001 || link.name === 'UserRejectedRequestError')) {
    // wallets answer 4001 also for what they cannot do; the inner text tells the two apart
    const unsupported = links.some((link) => /unsupported|not support|unrecognized chain/i.test(link.details ?? ''))
    return unsupported
      ? {
          kind: 'wallet',
          title: 'Your wallet cannot do this.',
          detail: 'Add the network by hand in the wallet, then try again.',
          retryable: true,
        }
      : {
          kind: 'rejected',
          title: 'You declined in the wallet.',
          detail: 'Nothing was signed or sent.',
          retryable: true,
        }
  }
  if (links.some((link) => codeOf(link) === -32002))
    return {
      kind: 'wallet',
      title: 'Your wallet is waiting.',
      detail: 'Open it: an earlier request is still unanswered.',
      retryable: true,
    }
  if (links.some((link) => codeOf(link) === 4902))
    return {
      kind: 'wallet',
      title: 'Your wallet does not know this network.',
      detail: 'Add it in the wallet with the details shown under the network badge.',
      retryable: true,
    }
  if (links.some((link) => link.name === 'InsufficientFundsError' || /insufficient funds/i.test(link.details ?? '')))
    return {
      kind: 'funds',
      title: 'The account cannot pay the network fee.',
      detail: 'Sign instead of sending: the relayer pays the fee.',
      retryable: false,
    }
  if (links.some((link) => link.name === 'ConnectorNotConnectedError' || link.name === 'ConnectorNotFoundError'))
    return {
      kind: 'wallet',
      title: 'The wallet is not connected.',
      detail: 'Connect it and try again.',
      retryable: true,
    }
  return null
}

/** The service's own words come first: they name amounts and times. */
function explainProblem({ code, detail, message, whatToDo, retryable }: ProblemError): Explained {
  const known = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : undefined
  const title = detail || (known?.sentence ?? message)
  return { kind: 'refused', title, detail: whatToDo || (known?.todo ?? ''), retryable }
}

/** Turns anything thrown on the way to the chain or the service into one sentence and what to do. */
export function explain(error: unknown): Explained {
  const links = chainOfCauses(error)
  if (error instanceof ProblemError) return explainProblem(error)
  if (links.some((link) => link instanceof UnreachableError))
    return {
      kind: 'network',
      title: 'The service does not answer.',
      detail: 'Check your connection; nothing was lost.',
      retryable: true,
    }
  const known = explainWallet(links) ?? explainRevert(links)
  if (known) return known
  const away = links.some((link) => NETWORK_NAMES.has(link.name ?? '') || NETWORK_CODES.has(codeOf(link) ?? 0))
  if (away)
    return {
      kind: 'network',
      title: 'The network node does not answer.',
      detail: 'Nothing is known to have failed; try again in a moment.',
      retryable: true,
    }
  const last = links[0]
  const text = last?.shortMessage ?? last?.message ?? 'Something went wrong.'
  return { kind: 'unknown', title: text.split('\n')[0] ?? text, detail: '', retryable: true }
}
