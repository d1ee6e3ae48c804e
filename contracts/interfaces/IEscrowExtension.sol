// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BondAuthorization, DisputeState, EscrowState, Terms} from "../types/EscrowTypes.sol";
import {IArbitrable} from "./IArbitrable.sol";
import {IBonusGate} from "./IBonusGate.sol";
import {IEscrowEvents} from "./IEscrowEvents.sol";

/// @title IEscrowExtension
/// @notice The functions of Escrow whose code is in its second body: disputes, rare ways of funding, settlement by both
/// parties, rating, views. Called on Escrow, which runs that code on its own storage; the body itself refuses them.
interface IEscrowExtension is IEscrowEvents, IArbitrable, IBonusGate {
    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice As {fundFromBalance}, by the client's signature of `Fund(escrowId,validUntil)`.
    function fundFromBalanceWithSignature(Terms calldata terms, uint40 validUntil, bytes calldata signature)
        external
        returns (bytes32 id);

    /// @notice Funds an escrow from the client's wallet after his EIP-2612 permit. The client, or anyone with the
    /// client's signature of `Fund(escrowId,validUntil)`.
    ///
    /// A permit that fails (somebody used it up before) is passed over; the allowance decides.
    ///
    /// Requirements: as {fund}.
    /// Emits {EscrowFunded}.
    ///
    /// @param terms The terms
    /// @param value Allowance of the permit, base units
    /// @param deadline Last unix second at which the permit counts
    /// @param permitSignature The client's signature for the token
    /// @param validUntil Last unix second at which the client's `Fund` counts
    /// @param fundSignature The client's `Fund`; not looked at when the client calls himself
    function fundWithPermit(
        Terms calldata terms,
        uint256 value,
        uint256 deadline,
        bytes calldata permitSignature,
        uint40 validUntil,
        bytes calldata fundSignature
    ) external returns (bytes32 id);

    /// @notice Funds an escrow by the client's Permit2 signature over exactly the price, with Escrow as spender and
    /// the witness `EscrowFundWitness(escrowId)`. Anyone may send it.
    ///
    /// Requirements: as {fund}; Permit2's own checks.
    /// Emits {EscrowFunded}.
    function fundWithPermit2(Terms calldata terms, uint256 nonce, uint256 deadline, bytes calldata signature)
        external
        returns (bytes32 id);

    /*////////////////////////////////////////////////////////////////////////
                                     RELEASE
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Releases all that is left of many escrows. Only the client of each; rows that cannot be released are
    /// left out.
    ///
    /// Emits, for each row, as {release}, or {RowSkipped}.
    function releaseBatch(Terms[] calldata rows) external;

    /*////////////////////////////////////////////////////////////////////////
                                     DISPUTES
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Disputes a deliverable. Only the client, who puts up a bond of the arbiter's present fee from his
    /// balance. The provider has the challenge period, counted from now, to answer.
    ///
    /// Requirements: Submitted (`Escrow_WrongStatus`), now < end of the challenge period (`Escrow_ChallengeOver`), an
    /// arbiter in the terms (`Escrow_NoArbiter`) who names a fee (`Escrow_ArbiterFailed`), caller is the client
    /// (`Escrow_CallerNotClient`), fee not above the price (`Escrow_BondAboveAmount`) nor the balance
    /// (`Ledger_InsufficientBalance`), gas for the question (`Escrow_InsufficientGas`).
    /// Emits {DisputeRaised}, {BondPosted} and {BalanceSpent}.
    function dispute(Terms calldata terms, bytes32 evidenceHash) external;

    /// @notice As {dispute}, by the client himself or his signature of `Dispute(escrowId,evidenceHash,validUntil)`,
    /// and with a bond from his wallet if `bond` has a signature.
    ///
    /// That is his ERC-3009 `ReceiveWithAuthorization` with value = the fee, validAfter = 0 and
    /// nonce = keccak256(abi.encode(escrowId, "bond", client)). As it signs the value, there is no upper bound then.
    function disputeWithSignature(
        Terms calldata terms,
        bytes32 evidenceHash,
        uint40 validUntil,
        bytes calldata signature,
        BondAuthorization calldata bond
    ) external;

    /// @notice Answers a dispute: pays the arbiter's present fee from the provider's balance and brings the dispute
    /// before him. Only the provider.
    ///
    /// The arbiter has max(disputeTimeout, what he says he needs, at most 180 days), counted from now.
    ///
    /// Requirements: Challenged (`Escrow_WrongStatus`), now < end of the response period (`Escrow_ChallengeOver`),
    /// caller is the provider (`Escrow_CallerNotProvider`), a bond as in {dispute}; the arbiter takes exactly the fee
    /// (`Escrow_ArbiterFeeMismatch`) and gives an unused number below 2^160 (`Escrow_DisputeIdTaken`).
    /// Emits {DisputeJoined}, {BondPosted} and {BalanceSpent}.
    function respond(Terms calldata terms) external;

    /// @notice As {respond}, by the provider himself or his signature of `Response(escrowId,validUntil)`, with a bond
    /// as in {disputeWithSignature}.
    function respondWithSignature(
        Terms calldata terms,
        uint40 validUntil,
        bytes calldata signature,
        BondAuthorization calldata bond
    ) external;

    /// @notice Ends a dispute the provider did not answer in time: all that is left goes to the client. Anyone.
    ///
    /// Requirements: Challenged (`Escrow_WrongStatus`), now >= end of the response period (`Escrow_ChallengeActive`).
    /// Emits {DisputeDefaulted}, {EscrowRefunded}, {BondReturned} and {EscrowClosed}.
    function claimDefault(Terms calldata terms) external;

    /// @notice Carries out the ruling: 1 all to the client, 2 all to the provider, 0 halves, an odd unit to the client.
    /// Anyone. The client's bond goes the same way.
    ///
    /// In Disputed the ruling is read from the arbiter, in case he never delivers it.
    ///
    /// Requirements: Ruled, or Disputed (`Escrow_WrongStatus`) with a final ruling (`Escrow_NotRuled`) of 0 to 2
    /// (`Escrow_InvalidRuling`), gas for the questions (`Escrow_InsufficientGas`).
    /// Emits {EscrowReleased}, {EscrowRefunded}, {BondReturned} and {EscrowClosed}; {Ruling} if it was read.
    function execute(Terms calldata terms) external;

    /// @notice Ends a dispute whose time is over: by the arbiter's final ruling if he has one, in halves otherwise.
    /// Anyone.
    ///
    /// Requirements: Disputed (`Escrow_WrongStatus`), now >= its end (`Escrow_DeadlineNotReached`), gas for the
    /// questions (`Escrow_InsufficientGas`).
    /// Emits as {execute}.
    function resolveStalled(Terms calldata terms) external;

    /// @notice What is kept of a dispute.
    function disputes(bytes32 id) external view returns (DisputeState memory);

    /// @notice The escrow behind a dispute of an arbiter, 0 if there is none.
    function escrowOfDispute(address arbiter, uint256 disputeId) external view returns (bytes32 id);

    /*////////////////////////////////////////////////////////////////////////
                                  SETTLEMENT, RATING
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Divides all that is left by both parties' signatures of
    /// `Split(escrowId,toProvider,toClient,validUntil)`.
    /// Anyone may send it.
    ///
    /// Requirements: Funded to Disputed (`Escrow_WrongStatus`), the parts are what is left
    /// (`Escrow_SplitMismatch`).
    /// Emits {EscrowSplit}, {EscrowReleased} and {EscrowRefunded} for parts above zero, {EscrowClosed}, and
    /// {BondReturned}: of a dispute before the arbiter each side gets half of the bond, an odd unit the client.
    function split(
        Terms calldata terms,
        uint96 toProvider,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) external;

    /// @notice Reports the end of a closed escrow to Reputation if that failed when it closed. Anyone may call, once.
    ///
    /// Requirements: Closed with its stake still locked (`Escrow_StakeNotPending`).
    function settleStake(Terms calldata terms) external;

    /// @notice Rates the other side, 0 to 100. Client and provider, once each.
    ///
    /// Requirements: Closed (`Escrow_WrongStatus`), once accepted (`Escrow_NotAccepted`), caller is client or provider
    /// (`Escrow_CallerNotParty`), not rated before (`Escrow_AlreadyRated`), `Escrow_ScoreOutOfRange`.
    /// Emits {Rated}.
    function rate(Terms calldata terms, uint8 score, bytes32 commentHash) external;

    /// @notice As {rate}, by the rater's signature of `Rating(escrowId,score,commentHash,validUntil)`.
    function rateWithSignature(
        Terms calldata terms,
        address rater,
        uint8 score,
        bytes32 commentHash,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Hash of the configuration this code was made for.
    function configHash() external view returns (bytes32);

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The EIP-712 digest of the terms.
    function escrowId(Terms calldata terms) external view returns (bytes32);

    /// @notice The state word of an escrow, decoded.
    function stateOf(bytes32 id) external view returns (EscrowState memory);

    /// @notice Fee in force for new escrows, basis points.
    function feeBps() external view returns (uint16);

    /// @notice Account the fees are credited to.
    function feeRecipient() external view returns (address);

    /// @notice Shortest challenge period, seconds.
    function minChallengePeriod() external view returns (uint32);

    /// @notice Longest challenge period, seconds.
    function maxChallengePeriod() external view returns (uint32);

    /// @notice Longest time from funding to `acceptBy`, seconds.
    function maxAcceptWindow() external view returns (uint32);

    /// @notice Longest time from funding to `deliverBy`, seconds.
    function maxDeliverWindow() external view returns (uint32);

    /// @notice Longest dispute timeout, seconds.
    function maxDisputeTimeout() external view returns (uint32);
}
