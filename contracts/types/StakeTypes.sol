// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Stake of an agent, as views tell it.
///
/// @param staked Base units held for the agent, locked and unbonding ones included
/// @param locked Base units bound by accepted escrows, never above `staked`
/// @param unbondAt Unix second from which a requested unstake can be completed, 0 if none is requested
/// @param flags Reserved
struct Stake {
    uint96 staked;
    uint96 locked;
    uint40 unbondAt;
    uint24 flags;
}

/// @notice What is known about an agent from settled escrows, as views tell it.
///
/// @param completed Escrows released, or won in a dispute
/// @param failed Escrows given back or missed
/// @param disputed Escrows an arbiter was asked about
/// @param lost Disputes lost
/// @param settledValue Base units ever released to the agent, fee included
/// @param lastOutcomeAt Unix second of the newest outcome
struct Record {
    uint32 completed;
    uint32 failed;
    uint32 disputed;
    uint32 lost;
    uint88 settledValue;
    uint40 lastOutcomeAt;
}

/// @notice What few escrows of an agent touch. One storage slot, beside his `AgentWord`.
///
/// @param requested Base units asked back, 0 if none are
/// @param unbondAt Unix second from which they can be paid, 0 if none are asked back
/// @param disputed Escrows an arbiter was asked about
/// @param lost Disputes lost
struct AgentNotes {
    // slot 0
    uint96 requested;
    uint40 unbondAt;
    uint32 disputed;
    uint32 lost;
}

/// @notice What the end of an escrow did to the bonus pool.
///
/// @custom:value None It is as empty, or as open, as before.
/// @custom:value Filled Something came in.
/// @custom:value Emptied The last base unit went out.
enum PoolChange {
    None,
    Filled,
    Emptied
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
