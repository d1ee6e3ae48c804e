// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Outcome} from "./EscrowTypes.sol";
import {Record} from "./StakeTypes.sol";

/// @notice Record of an agent in one slot.
///
/// ```
///  255              216 215              128 127       96 95        64 63        32 31         0
/// +--------------------+--------------------+------------+------------+------------+------------+
/// |    lastOutcomeAt   |    settledValue    |    lost    |  disputed  |   failed   |  completed |
/// +--------------------+--------------------+------------+------------+------------+------------+
/// ```
type RecordWord is uint256;

using RecordWordLib for RecordWord global;

/// @title RecordWordLib
/// @notice Reads and rewrites a `RecordWord`. Nothing here can revert: a record that is full must not keep a stake
/// locked, so every field stops at its maximum.
library RecordWordLib {
    uint256 private constant FAILED = 32;
    uint256 private constant DISPUTED = 64;
    uint256 private constant LOST = 96;
    uint256 private constant SETTLED_VALUE = 128;
    uint256 private constant LAST_OUTCOME_AT = 216;

    /// @notice The word after one more escrow.
    ///
    /// @param word The word before
    /// @param outcome How the escrow ended
    /// @param settledValue Base units released to the agent
    function withOutcome(RecordWord word, Outcome outcome, uint96 settledValue) internal view returns (RecordWord) {
        unchecked {
            uint256 raw = RecordWord.unwrap(word);
            if (outcome == Outcome.Completed) {
                raw = _increment(raw, 0);
            } else if (outcome == Outcome.Returned || outcome == Outcome.Missed) {
                raw = _increment(raw, FAILED);
            } else if (outcome >= Outcome.Lost && outcome <= Outcome.Stalled) {
                raw = _increment(raw, DISPUTED);
                if (outcome == Outcome.Lost) raw = _increment(raw, LOST);
                if (outcome == Outcome.Won) raw = _increment(raw, 0);
            }
            // Both terms are far below 2^256.
            uint256 value = uint88(raw >> SETTLED_VALUE) + uint256(settledValue);
            if (value > type(uint88).max) value = type(uint88).max;
            return RecordWord.wrap(
                uint128(raw) | (value << SETTLED_VALUE) | (uint256(uint40(block.timestamp)) << LAST_OUTCOME_AT)
            );
        }
    }

    /// @notice All fields.
    function decode(RecordWord word) internal pure returns (Record memory record) {
        uint256 raw = RecordWord.unwrap(word);
        record = Record({
            completed: uint32(raw),
            failed: uint32(raw >> FAILED),
            disputed: uint32(raw >> DISPUTED),
            lost: uint32(raw >> LOST),
            settledValue: uint88(raw >> SETTLED_VALUE),
            lastOutcomeAt: uint40(raw >> LAST_OUTCOME_AT)
        });
    }

    /// @dev Adds one to the 32-bit field at `shift`, or leaves it when it is full.
    function _increment(uint256 raw, uint256 shift) private pure returns (uint256) {
        unchecked {
            return uint32(raw >> shift) == type(uint32).max ? raw : raw + (uint256(1) << shift);
        }
    }
}
