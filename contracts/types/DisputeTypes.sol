// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What a dispute waits for.
///
/// @custom:value None There is no such dispute.
/// @custom:value Evidence Evidence and related accounts are collected.
/// @custom:value Drawing The round waits for its jurors.
/// @custom:value Commit Jurors commit to a vote.
/// @custom:value Reveal Jurors reveal what they committed to.
/// @custom:value Appeal Both sides may fund another, larger round.
/// @custom:value Solved The ruling is final.
enum DisputePeriod {
    None,
    Evidence,
    Drawing,
    Commit,
    Reveal,
    Appeal,
    Solved
}

/// @notice What the session of drawings, which all disputes share, does.
///
/// @custom:value Staking Stakes may change their weight; rounds queue up.
/// @custom:value Generating A random number was asked for; weights are frozen.
/// @custom:value Drawing The random number is known; weights are frozen.
enum SessionPhase {
    Staking,
    Generating,
    Drawing
}

/// @notice What became of a juror's seats in a round.
///
/// @custom:value None Not drawn, or not yet committed.
/// @custom:value Committed The commitment is stored.
/// @custom:value Revealed The vote is counted.
/// @custom:value Leaked The vote was public too early; it is void and the stake is gone.
enum BallotState {
    None,
    Committed,
    Revealed,
    Leaked
}

/// @notice What a deployment fixes for ever. Times are seconds, amounts base units, shares basis points.
///
/// @param token USDC of the network
/// @param admin May unpause new stakes beside the guardian, and nothing else
/// @param guardian May pause new stakes
/// @param sink Gets what nobody earned: fees of rounds without a coherent juror, and rounding
/// @param randomness Source of random numbers; zero makes the constructor create the default one for `seeder`
/// @param seeder Commits to seeds of the default source
/// @param feePerSeat Fee of one seat
/// @param stakePerSeat What a seat puts at risk
/// @param minStake Least stake that can be drawn, not below `stakePerSeat`
/// @param incoherenceBps Share of the seat's stake a juror against the final round loses
/// @param leakBps Share of the seat's stake a reporter of a leaked vote gets, below `incoherenceBps`
/// @param evidencePeriod Length of Evidence
/// @param commitPeriod Longest Commit
/// @param revealPeriod Longest Reveal
/// @param appealPeriod Length of Appeal; the losing side has the first half
/// @param unbondingPeriod Wait of an unstake request
/// @param stakingPeriod Least time between two sessions of drawings
/// @param randomnessTimeout Time after which the source is given up
/// @param drawingPeriod Longest time weights stay frozen with a known random number
struct ArbiterConfig {
    address token;
    address admin;
    address guardian;
    address sink;
    address randomness;
    address seeder;
    uint96 feePerSeat;
    uint96 stakePerSeat;
    uint96 minStake;
    uint16 incoherenceBps;
    uint16 leakBps;
    uint32 evidencePeriod;
    uint32 commitPeriod;
    uint32 revealPeriod;
    uint32 appealPeriod;
    uint32 unbondingPeriod;
    uint32 stakingPeriod;
    uint32 randomnessTimeout;
    uint32 drawingPeriod;
}

/// @notice A dispute. One storage slot. Periods pass with time alone: what is stored may lag behind.
///
/// @param arbitrable Contract that asked
/// @param endsAt Unix second at which the period ends, 0 where no time ends it; in Drawing, until when a round with too
/// few jurors waits for the next session
/// @param period What the dispute waits for
/// @param round Number of the current round
/// @param verdict What the votes say: of the newest round in which anybody voted
/// @param ruling The verdict, unless one side did not answer a funded appeal
/// @param executed True once the ruling was handed to the arbitrable
struct DisputeState {
    // slot 0
    address arbitrable;
    uint40 endsAt;
    DisputePeriod period;
    uint8 round;
    uint8 verdict;
    uint8 ruling;
    bool executed;
}

/// @notice A round. One storage slot.
///
/// @param session Session of drawings from which the round may be drawn
/// @param seats Seats to fill, which the fee pays for
/// @param drawn Seats filled
/// @param committed Seats with a commitment
/// @param refused Seats that voted 0
/// @param first Seats that voted 1
/// @param second Seats that voted 2
/// @param leaked Seats whose vote leaked
/// @param swept True once what nobody earned went to the sink
struct RoundState {
    // slot 0
    uint32 session;
    uint8 seats;
    uint8 drawn;
    uint8 committed;
    uint8 refused;
    uint8 first;
    uint8 second;
    uint8 leaked;
    bool swept;
}

/// @notice What one juror does in one round. One storage slot.
///
/// @param commitment First 25 bytes of the EIP-712 digest of his vote
/// @param seats Seats he holds
/// @param choice Revealed choice
/// @param state What became of them
/// @param settled True once stake and reward were given out
struct Ballot {
    // slot 0
    bytes25 commitment;
    uint8 seats;
    uint8 choice;
    BallotState state;
    bool settled;
}

/// @notice A juror's stake. Two storage slots.
///
/// @param free Base units not at risk
/// @param locked Base units at risk in rounds that are not settled
/// @param leaf Place in the tree, 0 before the first stake
/// @param weight Base units the tree holds for him
/// @param requested Base units he asked back
/// @param unbondAt Unix second from which they can be had, 0 if none
struct Juror {
    // slot 0
    uint96 free;
    uint96 locked;
    uint32 leaf;
    // slot 1
    uint96 weight;
    uint96 requested;
    uint40 unbondAt;
}

/// @notice Funding of the round after a given one. Two storage slots.
///
/// @param first Base units raised for choice 1
/// @param second Base units raised for choice 2
/// @param settledContribution Contributions already paid out for
/// @param settledPot Base units already paid out
struct AppealState {
    // slot 0
    uint96 first;
    uint96 second;
    // slot 1
    uint96 settledContribution;
    uint96 settledPot;
}

/// @notice What one account paid towards the appeal against a round. One storage slot.
///
/// @param first Base units for choice 1
/// @param second Base units for choice 2
struct Contribution {
    // slot 0
    uint96 first;
    uint96 second;
}

/// @notice The session of drawings. One storage slot.
///
/// @param number Number of the session
/// @param phase What it does
/// @param since Unix second at which the phase began
/// @param waiting Rounds to be drawn in this session
/// @param coming Rounds that came too late for it
/// @param jurors Jurors with a weight
/// @param seated Seats, of all rounds that are not settled, whose stake is at risk
/// @param fallbackBlock Block whose hash replaces a silent source, 0 if none is chosen
struct Session {
    // slot 0
    uint32 number;
    SessionPhase phase;
    uint40 since;
    uint32 waiting;
    uint32 coming;
    uint32 jurors;
    uint32 seated;
    uint40 fallbackBlock;
}
