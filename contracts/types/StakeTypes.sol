// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Outcome} from "./EscrowTypes.sol";

/// @notice Stake of an agent. One storage slot.
///
/// @param staked Base units held for the agent, locked and unbonding ones included
/// @param locked Base units bound by accepted escrows, never above `staked`
/// @param unbondAt Unix second from which a requested unstake can be completed, 0 if none is requested
/// @param flags Reserved
struct Stake {
    // slot 0
    uint96 staked;
    uint96 locked;
    uint40 unbondAt;
    uint24 flags;
}

/// @notice What is known about an agent from settled escrows. One storage slot.
///
/// @param completed Escrows released, or won in a dispute
/// @param failed Escrows given back or missed
/// @param disputed Escrows an arbiter was asked about
/// @param lost Disputes lost
/// @param settledValue Base units ever released to the agent, fee included
/// @param lastOutcomeAt Unix second of the newest outcome
struct Record {
    // slot 0
    uint32 completed;
    uint32 failed;
    uint32 disputed;
    uint32 lost;
    uint88 settledValue;
    uint40 lastOutcomeAt;
}

/// @notice The end of an escrow as Escrow reports it.
///
/// @param agent Provider of the escrow
/// @param escrowId Its id
/// @param lockAmount Base units that were locked for it
/// @param outcome How it ended
/// @param settledValue Base units released to the provider, fee included
struct StakeResult {
    address agent;
    bytes32 escrowId;
    uint96 lockAmount;
    Outcome outcome;
    uint96 settledValue;
}

/// @notice A score as a leaf of an epoch's tree.
///
/// @param agent Whose score it is
/// @param score In hundredths, 0 to 10,000
/// @param settledValue Base units released to the agent that entered the score
/// @param jobs Outcomes that entered it
/// @param epoch Number of the epoch
struct ScoreLeaf {
    address agent;
    uint16 score;
    uint96 settledValue;
    uint32 jobs;
    uint64 epoch;
}
