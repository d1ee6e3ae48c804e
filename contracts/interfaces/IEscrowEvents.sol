// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "../types/EscrowTypes.sol";
import {IEvidence} from "./IEvidence.sol";

/// @title IEscrowEvents
/// @notice Events of Escrow. Together with the ledger's {Withdrawn} they tell every balance: {EscrowReleased},
/// {EscrowRefunded} and {BondReturned} add, {BalanceSpent} and {Withdrawn} take.
///
/// Those of ERC-1497 are for readers of arbitration: {MetaEvidence} 0 is emitted once, by the constructor, and says
/// what all disputes here are about; {Dispute} ties the arbiter's number to it. What the parties say goes to the
/// arbiter, which emits {Evidence} for the group with the number of the dispute.
interface IEscrowEvents is IEvidence {
    /// @notice An escrow came to life; its terms are emitted this once.
    event EscrowFunded(bytes32 indexed id, address indexed client, address indexed provider, Terms terms);

    /// @notice The provider accepted and `stake` base units of his are locked.
    event EscrowAccepted(bytes32 indexed id, uint96 stake);

    /// @notice A deliverable was submitted; the client may object before `challengeEndsAt` (unix seconds).
    event WorkSubmitted(bytes32 indexed id, bytes32 deliverableHash, uint40 challengeEndsAt);

    /// @notice `amount` base units were released: `amount - fee` to the provider, `fee` to the fee recipient.
    event EscrowReleased(bytes32 indexed id, uint96 amount, uint96 fee);

    /// @notice `amount` base units went back to the client.
    event EscrowRefunded(bytes32 indexed id, uint96 amount);

    /// @notice Both parties divided what was left; {EscrowReleased} and {EscrowRefunded} tell the movements.
    event EscrowSplit(bytes32 indexed id, uint96 toProvider, uint96 toClient);

    /// @notice The escrow is over.
    event EscrowClosed(bytes32 indexed id);

    /// @notice `amount` base units of the account's balance went into escrow `id`: as its price, or as a bond.
    event BalanceSpent(address indexed account, bytes32 indexed id, uint96 amount);

    /// @notice Reputation did not take the end of this escrow; {settleStake} is open to anyone.
    event StakeSettlementFailed(bytes32 indexed id);

    /// @notice Escrows funded from now on carry this fee, in basis points.
    event FeeChanged(uint16 feeBps);

    /// @notice Fees are credited to this account from now on.
    event FeeRecipientChanged(address indexed feeRecipient);

    /// @notice The client disputes the deliverable; the provider may answer before `respondBy` (unix seconds).
    event DisputeRaised(bytes32 indexed id, address indexed by, bytes32 evidenceHash, uint40 respondBy);

    /// @notice The provider answered: the arbiter has the dispute under this number, until `decideBy` at the most.
    event DisputeJoined(bytes32 indexed id, uint256 disputeId, uint40 decideBy);

    /// @notice The other side stayed silent.
    event DisputeDefaulted(bytes32 indexed id, address indexed winner);

    /// @notice A party put up `amount` base units; with {BalanceSpent} for the same id they came from its balance. The
    /// provider's are the arbiter's fee and leave with the dispute.
    event BondPosted(bytes32 indexed id, address indexed party, uint96 amount);

    /// @notice `amount` base units of the client's bond were credited to the account.
    event BondReturned(bytes32 indexed id, address indexed account, uint96 amount);

    /// @notice One side rates the other, 0 to 100, over an escrow in which `settledValue` base units were released.
    event Rated(
        bytes32 indexed id,
        address indexed rater,
        address indexed ratee,
        uint8 score,
        bytes32 commentHash,
        uint96 settledValue
    );

    /// @notice A row of a batch was left out; `reason` is the selector of the error a single call would have given.
    event RowSkipped(uint256 indexed index, bytes4 reason);

    /// @notice Tokens that are not the protocol's were sent on.
    event TokenRescued(address indexed token, address indexed to, uint256 amount);
}
