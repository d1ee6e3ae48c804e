// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Acceptance, RoleSignature, Terms} from "../types/EscrowTypes.sol";
import {IEscrowEvents} from "./IEscrowEvents.sol";
import {IGuardedInflow} from "./IGuardedInflow.sol";
import {ILedger} from "./ILedger.sol";

/// @title IEscrowMain
/// @notice The functions whose code is in Escrow itself: the daily ones, and the administration.
interface IEscrowMain is IEscrowEvents, ILedger, IGuardedInflow {
    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Funds an escrow from the caller's wallet (needs an allowance). Only the client.
    ///
    /// Requirements: valid terms (`Escrow_ZeroAddress`, `Escrow_SelfDeal`, `Escrow_AmountZero`, `Escrow_FeeMismatch`,
    /// `Escrow_QuorumOutOfRange`, `Escrow_InvalidWindow`), never funded (`Escrow_AlreadyExists`), inflows open
    /// (`Guarded_InflowsPaused`), caller is the client (`Escrow_CallerNotClient`).
    /// Emits {EscrowFunded}.
    function fund(Terms calldata terms) external returns (bytes32 id);

    /// @notice Funds an escrow from the client's balance here. Only the client.
    ///
    /// Requirements: as {fund}; enough balance (`Ledger_InsufficientBalance`).
    /// Emits {EscrowFunded} and {BalanceSpent}.
    function fundFromBalance(Terms calldata terms) external returns (bytes32 id);

    /// @notice Funds an escrow by the client's ERC-3009 `ReceiveWithAuthorization` with value = amount,
    /// validAfter = 0 and nonce = escrow id. Anyone may send it.
    ///
    /// With an acceptance it funds and accepts in one step, and if the acceptance or the stake lock fails, nothing
    /// happens at all.
    ///
    /// Requirements: as {fund} and, with an acceptance, as {acceptWithSignature}; the token's own checks.
    /// Emits {EscrowFunded}, and {EscrowAccepted} with an acceptance.
    ///
    /// @param terms The terms
    /// @param validBefore Unix second before which the authorization counts
    /// @param signature The client's signature for the token
    /// @param acceptance The provider's acceptance; an empty signature means none
    function fundWithAuthorization(
        Terms calldata terms,
        uint256 validBefore,
        bytes calldata signature,
        Acceptance calldata acceptance
    ) external returns (bytes32 id);

    /*////////////////////////////////////////////////////////////////////////
                                      WORK
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Accepts a funded escrow and locks the provider's stake. Only the provider.
    ///
    /// Requirements: Funded (`Escrow_WrongStatus`), now < acceptBy (`Escrow_DeadlinePassed`), caller is the provider
    /// (`Escrow_CallerNotProvider`), enough free stake (`Stake_Insufficient`).
    /// Emits {EscrowAccepted}.
    function accept(Terms calldata terms) external;

    /// @notice As {accept}, by the provider's signature of `Acceptance(escrowId,validUntil)`.
    function acceptWithSignature(Terms calldata terms, Acceptance calldata acceptance) external;

    /// @notice Submits a deliverable and starts the challenge clock. Only the provider.
    ///
    /// Requirements: Accepted (`Escrow_WrongStatus`), now < deliverBy (`Escrow_DeadlinePassed`), caller is the provider
    /// (`Escrow_CallerNotProvider`).
    /// Emits {WorkSubmitted}.
    function submit(Terms calldata terms, bytes32 deliverableHash) external;

    /// @notice As {submit}, by the provider's signature of `Submission(escrowId,deliverableHash,validUntil)`.
    function submitWithSignature(
        Terms calldata terms,
        bytes32 deliverableHash,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /*////////////////////////////////////////////////////////////////////////
                                     RELEASE
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Raises the released total to `cumulative` base units. Only the client.
    ///
    /// Requirements: Accepted or Submitted (`Escrow_WrongStatus`), above the released total (`Escrow_NotIncreasing`),
    /// not above what is left (`Escrow_ReleaseExceedsAmount`), caller is the client (`Escrow_CallerNotClient`).
    /// Emits {EscrowReleased}, and {EscrowClosed} when nothing is left.
    function release(Terms calldata terms, uint96 cumulative) external;

    /// @notice As {release}, by the client's signature of `Release(escrowId,cumulativeReleased,validUntil)`.
    function releaseWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external;

    /// @notice As {release}, by `terms.quorum` signatures of `Release` from different roles, in ascending role order.
    ///
    /// Requirements: enough roles and never the provider alone (`Escrow_QuorumNotMet`), strictly ascending roles
    /// (`Escrow_DuplicateSigner`).
    function releaseWithQuorum(
        Terms calldata terms,
        uint96 cumulative,
        uint40 validUntil,
        RoleSignature[] calldata signatures
    ) external;

    /// @notice As {release}, and pays the provider's part to his wallet at once; if the token refuses, to his balance.
    ///
    /// Emits as {release}, and {Withdrawn} if the wallet was paid.
    function releaseAndPay(Terms calldata terms, uint96 cumulative) external;

    /// @notice Releases everything that is left once the challenge period is over. Anyone may call.
    ///
    /// Requirements: Submitted (`Escrow_WrongStatus`), now >= end of the period (`Escrow_ChallengeActive`).
    /// Emits {EscrowReleased} and {EscrowClosed}.
    function releaseAfterChallenge(Terms calldata terms) external;

    /*////////////////////////////////////////////////////////////////////////
                                 MONEY GOES BACK
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Raises the refunded total to `cumulative` base units. Only the provider, at any time before a ruling.
    ///
    /// Requirements: Funded to Disputed (`Escrow_WrongStatus`), above the refunded total
    /// (`Escrow_NotIncreasing`), not above what is left (`Escrow_ReleaseExceedsAmount`), caller is the provider
    /// (`Escrow_CallerNotProvider`).
    /// Emits {EscrowRefunded}, and {EscrowClosed} when nothing is left; a bond goes back to the client then.
    function refund(Terms calldata terms, uint96 cumulative) external;

    /// @notice As {refund}, by the provider's signature of `Refund(escrowId,cumulativeRefunded,validUntil)`.
    function refundWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external;

    /// @notice As {refund}, and pays the client's wallet at once; if the token refuses, his balance.
    ///
    /// Emits as {refund}, and {Withdrawn} if the wallet was paid.
    function refundAndPay(Terms calldata terms, uint96 cumulative) external;

    /// @notice Takes the money of an escrow that was not accepted back to the client. The client at once, anyone from
    /// `acceptBy` on.
    ///
    /// Requirements: Funded (`Escrow_WrongStatus`); before acceptBy the caller is the client
    /// (`Escrow_CallerNotClient`).
    /// Emits {EscrowRefunded} and {EscrowClosed}.
    function cancel(Terms calldata terms) external;

    /// @notice As {cancel}, by the client's signature of `Cancellation(escrowId,validUntil)`.
    function cancelWithSignature(Terms calldata terms, uint40 validUntil, bytes calldata signature) external;

    /// @notice Takes what is left back to the client when nothing was submitted by `deliverBy`. Anyone may call.
    ///
    /// Requirements: Accepted (`Escrow_WrongStatus`), now >= deliverBy (`Escrow_DeadlineNotReached`).
    /// Emits {EscrowRefunded} and {EscrowClosed}.
    function reclaim(Terms calldata terms) external;

    /*////////////////////////////////////////////////////////////////////////
                                 ADMINISTRATION
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Sets the fee of escrows funded from now on, in basis points. Only the admin.
    ///
    /// Requirements: not above {maxFeeBps} (`Escrow_FeeAboveCap`).
    /// Emits {FeeChanged}.
    function setFee(uint16 feeBps) external;

    /// @notice Sets the account fees are credited to. Only the admin.
    ///
    /// Requirements: not zero (`Escrow_ZeroAddress`).
    /// Emits {FeeRecipientChanged}.
    function setFeeRecipient(address feeRecipient) external;

    /// @notice Sends all of a token that came here by mistake to `to`. Only the admin, and never the protocol's token.
    ///
    /// Requirements: not {token} (`Escrow_TokenNotRescuable`), `to` is not zero (`Escrow_ZeroAddress`).
    /// Emits {TokenRescued}.
    function rescueToken(address token, address to) external;

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Highest fee the admin may set, basis points.
    function maxFeeBps() external view returns (uint16);

    /// @notice The contract that holds the agents' stakes.
    function reputation() external view returns (address);

    /// @notice The second code body of this contract, fixed at construction; see {IEscrowExtension}.
    function extension() external view returns (address);
}
