// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Outcome} from "./EscrowTypes.sol";

/// @notice What every escrow of an agent touches, in one slot: his stake, and the record of what is not disputed.
///
/// ```
///  255      236 235         208 207             176 175            116 115       58 57        0
/// +------------+---------------+-------------------+------------------+-----------+-----------+
/// |   failed   |   completed   |   lastOutcomeAt   |   settledValue   |  locked   |  staked   |
/// +------------+---------------+-------------------+------------------+-----------+-----------+
/// ```
///
/// `locked` is never above `staked`, and `staked` never above `MAX_STAKE`, which is more than there is of the token.
type AgentWord is uint256;

using AgentWordLib for AgentWord global;

/// @title AgentWordLib
/// @notice Reads and rewrites an `AgentWord`. Nothing about the record can revert: a record that is full must not keep
/// a stake locked, so its fields stop at their maximum.
library AgentWordLib {
    /// @notice Highest stake of one agent, in base units.
    uint256 internal constant MAX_STAKE = 2 ** 58 - 1;

    uint256 private constant LOCKED = 58;
    uint256 private constant SETTLED_VALUE = 116;
    uint256 private constant LAST_OUTCOME_AT = 176;
    uint256 private constant COMPLETED = 208;
    uint256 private constant FAILED = 236;

    uint256 private constant MAX_VALUE = 2 ** 60 - 1;
    uint256 private constant MAX_COMPLETED = 2 ** 28 - 1;
    uint256 private constant MAX_FAILED = 2 ** 20 - 1;

    /// @dev All of the record: what is above the stake.
    uint256 private constant STAKE_MASK = 2 ** SETTLED_VALUE - 1;

    /// @notice Base units held for the agent, locked and unbonding ones included.
    function staked(AgentWord word) internal pure returns (uint96) {
        return uint96(AgentWord.unwrap(word) & MAX_STAKE);
    }

    /// @notice Base units bound by accepted escrows.
    function locked(AgentWord word) internal pure returns (uint96) {
        return uint96((AgentWord.unwrap(word) >> LOCKED) & MAX_STAKE);
    }

    /// @notice Base units ever released to the agent, fee included.
    function settledValue(AgentWord word) internal pure returns (uint88) {
        return uint88((AgentWord.unwrap(word) >> SETTLED_VALUE) & MAX_VALUE);
    }

    /// @notice Unix second of the newest outcome.
    function lastOutcomeAt(AgentWord word) internal pure returns (uint40) {
        return uint32(AgentWord.unwrap(word) >> LAST_OUTCOME_AT);
    }

    /// @notice Escrows released, or won in a dispute.
    function completed(AgentWord word) internal pure returns (uint32) {
        return uint32((AgentWord.unwrap(word) >> COMPLETED) & MAX_COMPLETED);
    }

    /// @notice Escrows given back or missed.
    function failed(AgentWord word) internal pure returns (uint32) {
        return uint32(AgentWord.unwrap(word) >> FAILED);
    }

    /// @notice The word with another stake and lock.
    ///
    /// @dev `locked_ <= staked_ <= MAX_STAKE`.
    function withStake(AgentWord word, uint256 staked_, uint256 locked_) internal pure returns (AgentWord) {
        return AgentWord.wrap((AgentWord.unwrap(word) & ~STAKE_MASK) | (locked_ << LOCKED) | staked_);
    }

    /// @notice The word after one more escrow.
    ///
    /// @param word The word before
    /// @param outcome How the escrow ended
    /// @param value Base units released to the agent
    function withOutcome(AgentWord word, Outcome outcome, uint96 value) internal view returns (AgentWord) {
        unchecked {
            uint256 raw = AgentWord.unwrap(word);
            if (outcome == Outcome.Completed || outcome == Outcome.Won) {
                if ((raw >> COMPLETED) & MAX_COMPLETED != MAX_COMPLETED) raw += 1 << COMPLETED;
            } else if (outcome == Outcome.Returned || outcome == Outcome.Missed) {
                if (raw >> FAILED != MAX_FAILED) raw += 1 << FAILED;
            }
            // Both terms are far below 2^256.
            uint256 sum = ((raw >> SETTLED_VALUE) & MAX_VALUE) + value;
            if (sum > MAX_VALUE) sum = MAX_VALUE;
            raw &= ~((MAX_VALUE << SETTLED_VALUE) | (uint256(type(uint32).max) << LAST_OUTCOME_AT));
            return AgentWord.wrap(raw | (sum << SETTLED_VALUE) | (uint256(uint32(block.timestamp)) << LAST_OUTCOME_AT));
        }
    }
}
