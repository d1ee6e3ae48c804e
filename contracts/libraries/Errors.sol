// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DisputePeriod, SessionPhase} from "../types/DisputeTypes.sol";
import {Status} from "../types/EscrowTypes.sol";

/// @title Errors
/// @notice Every error of the protocol. Names of the payment channel carry no prefix because x402 clients know them so.
library Errors {
    /*////////////////////////////////////////////////////////////////////////
                                      ESCROW
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The id was funded before.
    error Escrow_AlreadyExists(bytes32 id);
    /// @notice The escrow is not in a state that allows the call.
    error Escrow_WrongStatus(bytes32 id, Status actual);
    /// @notice Only the client may call this.
    error Escrow_CallerNotClient(bytes32 id, address caller);
    /// @notice Only the provider may call this.
    error Escrow_CallerNotProvider(bytes32 id, address caller);
    /// @notice The price is zero.
    error Escrow_AmountZero();
    /// @notice More is asked for than is left.
    error Escrow_ReleaseExceedsAmount(bytes32 id, uint96 requested, uint96 available);
    /// @notice The cumulative amount is not above the current one.
    error Escrow_NotIncreasing(bytes32 id, uint96 current, uint96 requested);
    /// @notice The two parts of a split are not what is left.
    error Escrow_SplitMismatch(bytes32 id, uint256 requested, uint96 available);
    /// @notice Too few roles signed, or the provider alone.
    error Escrow_QuorumNotMet(bytes32 id, uint256 have, uint256 need);
    /// @notice Terms ask for more signatures than there are roles.
    error Escrow_QuorumOutOfRange(uint8 quorum, uint8 max);
    /// @notice Quorum signatures are not in strictly ascending role order.
    error Escrow_DuplicateSigner(bytes32 id, address signer);
    /// @notice The signed message is no longer valid.
    error Escrow_SignatureExpired(uint40 validUntil);
    /// @notice Not a signature of the expected account.
    error Escrow_InvalidSignature(address expected);
    /// @notice The challenge period still runs.
    error Escrow_ChallengeActive(bytes32 id, uint40 endsAt);
    /// @notice The period in which this was possible is over.
    error Escrow_ChallengeOver(bytes32 id, uint40 endedAt);
    /// @notice The deadline that opens this exit is not reached.
    error Escrow_DeadlineNotReached(bytes32 id, uint40 deadline);
    /// @notice The deadline for this step has passed.
    error Escrow_DeadlinePassed(bytes32 id, uint40 deadline);
    /// @notice Terms carry another fee than the one in force.
    error Escrow_FeeMismatch(uint16 terms, uint16 current);
    /// @notice The fee is above the cap of this deployment.
    error Escrow_FeeAboveCap(uint16 feeBps, uint16 cap);
    /// @notice One account holds two parts that must be apart.
    error Escrow_SelfDeal(address party);
    /// @notice A required address is zero.
    error Escrow_ZeroAddress();
    /// @notice A deadline or period is outside the bounds of this deployment.
    error Escrow_InvalidWindow();
    /// @notice No stake of this escrow waits to be settled.
    error Escrow_StakeNotPending(bytes32 id);
    /// @notice Less gas is left than the call that follows is entitled to.
    error Escrow_InsufficientGas(uint256 have, uint256 need);
    /// @notice Only the arbiter of a dispute may call this.
    error Escrow_CallerNotArbiter(bytes32 id, address caller);
    /// @notice Only client or provider may do this.
    error Escrow_CallerNotParty(bytes32 id, address caller);
    /// @notice The terms name no arbiter.
    error Escrow_NoArbiter(bytes32 id);
    /// @notice The arbiter gives no usable answer.
    error Escrow_ArbiterFailed(address arbiter);
    /// @notice A bond dearer than the price is not taken from a balance; its owner signs an authorization for it.
    error Escrow_BondAboveAmount(bytes32 id, uint96 bond, uint96 amount);
    /// @notice The arbiter took something else than its fee.
    error Escrow_ArbiterFeeMismatch(bytes32 id, uint256 balance, uint256 expected);
    /// @notice The arbiter's number of the dispute is too large, or in use.
    error Escrow_DisputeIdTaken(address arbiter, uint256 disputeId);
    /// @notice There is no final ruling yet.
    error Escrow_NotRuled(bytes32 id);
    /// @notice Rulings are 0, 1 and 2.
    error Escrow_InvalidRuling(uint256 ruling);
    /// @notice This side has rated before.
    error Escrow_AlreadyRated(bytes32 id, address by);
    /// @notice Nobody can rate what was never accepted.
    error Escrow_NotAccepted(bytes32 id);
    /// @notice Scores are 0 to 100.
    error Escrow_ScoreOutOfRange(uint8 score);
    /// @notice This token is never taken out by the admin.
    error Escrow_TokenNotRescuable(address token);
    /// @notice The extension was made for another configuration, or is none.
    error Escrow_WrongExtension(address extension);
    /// @notice The extension works on the storage of Escrow only.
    error Escrow_DirectCall();

    /*////////////////////////////////////////////////////////////////////////
                               LEDGER AND INFLOWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The account holds less than asked for.
    error Ledger_InsufficientBalance(address account, uint256 have, uint256 need);
    /// @notice Nothing to withdraw.
    error Ledger_AmountZero();
    /// @notice Money cannot go to the zero address.
    error Ledger_ZeroAddress();
    /// @notice The signed withdrawal is no longer valid.
    error Ledger_SignatureExpired(uint40 validUntil);
    /// @notice Not a signature of the account for its current nonce.
    error Ledger_InvalidSignature(address expected);
    /// @notice New money is not taken in at the moment.
    error Guarded_InflowsPaused();
    /// @notice Only the guardian may pause.
    error Guarded_CallerNotGuardian(address caller);
    /// @notice The guardian is the zero address.
    error Guarded_ZeroAddress();

    /*////////////////////////////////////////////////////////////////////////
                                      STAKE
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The agent has less free stake than needed.
    error Stake_Insufficient(address agent, uint256 free, uint256 need);
    /// @notice Only Escrow may lock, unlock and slash.
    error Stake_CallerNotEscrow(address caller);
    /// @notice The stake would be more than the agent's slot holds.
    error Stake_AboveMaximum(address agent, uint256 staked, uint256 maximum);
    /// @notice The stake cannot be taken out before this second.
    error Stake_Unbonding(uint40 until);
    /// @notice The amount is zero.
    error Stake_AmountZero();
    /// @notice No unstake was requested.
    error Stake_NotRequested(address agent);
    /// @notice More would be slashed than is locked for the escrow.
    error Stake_SlashExceedsLock(bytes32 escrowId, uint256 requested, uint256 lock);
    /// @notice The signed request is no longer valid.
    error Stake_SignatureExpired(uint40 validUntil);
    /// @notice Not a signature of the agent for his current nonce.
    error Stake_InvalidSignature(address expected);

    /*////////////////////////////////////////////////////////////////////////
                                 SCORES AND RESCUE
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Only the anchorer may anchor.
    error Anchor_CallerNotAnchorer(address caller);
    /// @notice Only the admin of Escrow names the anchorer.
    error Anchor_CallerNotAdmin(address caller);
    /// @notice A root of zero, or a tree without leaves.
    error Anchor_Empty();
    /// @notice The epoch before is pending until `activeAt`, or until it is vetoed.
    error Anchor_EpochNotNext(uint64 pending, uint40 activeAt);
    /// @notice The epoch is active, vetoed or unknown.
    error Anchor_NotPending(uint64 epoch);
    /// @notice Scores of the epoch cannot be used: before `activeAt`, or never if that is zero.
    error Anchor_NotActive(uint64 epoch, uint40 activeAt);
    /// @notice The leaf is of another epoch, or the proof does not lead to the root.
    error Anchor_InvalidProof(uint64 epoch, address agent);
    /// @notice Only the admin of Escrow rescues tokens.
    error Rescue_CallerNotAdmin(address caller);
    /// @notice The contract holds this token for others.
    error Rescue_TokenInUse(address token);

    /*////////////////////////////////////////////////////////////////////////
                       PAYMENT CHANNEL (names known to x402)
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice A required address of the config is zero, or the caller is no party of the channel.
    error InvalidChannel();
    /// @notice The deposit is zero.
    error ZeroDeposit();
    /// @notice The balance would not fit.
    error DepositOverflow();
    /// @notice The signature is not of the expected key.
    error InvalidSignature();
    /// @notice Rows of one signed batch have different receiver authorizers.
    error NotReceiverAuthorizer();
    /// @notice The caller is neither receiver nor receiver authorizer.
    error NotAuthorizedToClaim();
    /// @notice The caller is neither receiver nor receiver authorizer.
    error NotAuthorizedToRefund();
    /// @notice More claimed than the voucher allows.
    error ClaimExceedsCeiling();
    /// @notice More claimed than the channel holds, and no pool may be drawn.
    error ClaimExceedsBalance();
    /// @notice A withdrawal is pending.
    error WithdrawalAlreadyPending();
    /// @notice No withdrawal is pending.
    error WithdrawalNotPending();
    /// @notice The caller is neither payer nor payer authorizer.
    error NotAuthorizedToFinalizeWithdraw();
    /// @notice The delay has not passed.
    error WithdrawDelayNotElapsed();
    /// @notice The amount is zero.
    error NothingToWithdraw();
    /// @notice More is asked back than is unclaimed.
    error WithdrawAmountExceedsAvailable();
    /// @notice The delay is outside 15 minutes to 30 days.
    error WithdrawDelayOutOfRange();
    /// @notice No rows.
    error EmptyBatch();
    /// @notice A plain deposit can only be made by the payer.
    error InvalidCollector();
    /// @notice The refund nonce is not the current one.
    error InvalidRefundNonce();
    /// @notice The refund is zero.
    error ZeroRefund();

    /*////////////////////////////////////////////////////////////////////////
                               PAYMENT CHANNEL (ours)
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The pool holds less than the claim is short of.
    error PoolInsufficient(bytes32 poolId, uint256 have, uint256 need);
    /// @notice Only the operator of the pool may call this.
    error NotPoolOperator(bytes32 poolId, address caller);
    /// @notice Only USDC is taken.
    error UnsupportedToken(address token);
    /// @notice The collector is not one of this deployment.
    error UnsupportedCollector(address collector);
    /// @notice The signed message is no longer valid.
    error AuthorizationExpired(uint40 validUntil);
    /// @notice A withdrawal from the pool is pending.
    error PoolWithdrawalAlreadyPending(bytes32 poolId, uint40 finalizeAt);
    /// @notice No withdrawal from the pool is pending.
    error PoolWithdrawalNotPending(bytes32 poolId);
    /// @notice The pool's delay has not passed.
    error PoolWithdrawDelayNotElapsed(bytes32 poolId, uint40 finalizeAt);
    /// @notice The nonce is not the pool's current one.
    error PoolNonceMismatch(bytes32 poolId, uint24 current, uint24 given);
    /// @notice The amount is zero.
    error PoolAmountZero(bytes32 poolId);
    /// @notice Only the channel contract may collect.
    error CallerNotChannel(address caller);

    /*////////////////////////////////////////////////////////////////////////
                              ARBITER AND RANDOMNESS
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice A parameter of the deployment is outside its bounds, or a required address is zero.
    error Arbiter_InvalidConfig();
    /// @notice Fees are taken in USDC only.
    error Arbiter_NativeTokenNotTaken();
    /// @notice The fee is in another token or of another size.
    error Arbiter_FeeMismatch(uint256 given, uint256 cost);
    /// @notice Only disputes between two choices are taken.
    error Arbiter_ChoicesNotSupported(uint256 choices);
    /// @notice Extra data is not a word and up to four addresses, or not that of the dispute.
    error Arbiter_InvalidExtraData();
    /// @notice The caller asked about the same thing before.
    error Arbiter_AlreadyExists(uint256 disputeID);
    /// @notice The dispute does not exist or is in another period.
    error Arbiter_WrongPeriod(uint256 disputeID, DisputePeriod actual);
    /// @notice The account is no party of the dispute.
    error Arbiter_NotParty(uint256 disputeID, address account);
    /// @notice The account was disclosed before, or too many were.
    error Arbiter_CannotDisclose(uint256 disputeID, address account);
    /// @notice Not a signature of the expected account.
    error Arbiter_InvalidSignature(address expected);
    /// @notice The signed message is no longer valid.
    error Arbiter_SignatureExpired(uint40 validUntil);
    /// @notice The session of drawings is not where the call needs it, or its time has not come.
    error Arbiter_SessionNotReady(SessionPhase phase);
    /// @notice The juror holds no seat in the round, or used it already.
    error Arbiter_NoBallot(uint256 disputeID, address juror);
    /// @notice The commitment is zero, or choice and salt are not what it was made of.
    error Arbiter_InvalidVote(uint256 disputeID, address juror);
    /// @notice The side cannot be funded now, or needs nothing more.
    error Arbiter_NotFundable(uint256 disputeID, uint8 side);
    /// @notice Nothing is due, or it was given out already.
    error Arbiter_NothingDue(uint256 disputeID);
    /// @notice The ruling was handed over already.
    error Arbiter_AlreadyExecuted(uint256 disputeID);
    /// @notice Less gas is left than the called contract is entitled to.
    error Arbiter_InsufficientGas(uint256 have, uint256 need);
    /// @notice The juror has less stake than asked for.
    error Arbiter_InsufficientStake(address juror, uint256 have, uint256 need);
    /// @notice The amount is zero.
    error Arbiter_AmountZero();
    /// @notice No stake was asked back, or the wait is not over.
    error Arbiter_Unbonding(address juror, uint40 until);
    /// @notice Only the seeder may commit to seeds.
    error Randomness_CallerNotSeeder(address caller);
    /// @notice Only the consumer may ask for numbers.
    error Randomness_CallerNotConsumer(address caller);
    /// @notice The seed does not fit the commitment, or no request is under way.
    error Randomness_WrongSeed();
    /// @notice The hash of the block is not known, or the seeder still has time.
    error Randomness_BlockNotReady(uint64 target);
}
