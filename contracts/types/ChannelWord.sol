// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice State of a channel in one slot: its totals, and the payer's pending withdrawal.
///
/// ```
///  255             216 215            144 143             72 71               0
/// +-------------------+------------------+------------------+------------------+
/// |    initiatedAt    |  withdrawAmount  |   totalClaimed   |     balance      |
/// +-------------------+------------------+------------------+------------------+
/// ```
///
/// @dev Amounts have 72 bits: 4.7e15 USDC, a hundred thousand times what there is. `totalClaimed <= balance` always.
type ChannelWord is uint256;

using ChannelWordLib for ChannelWord global;

/// @title ChannelWordLib
/// @notice Reads and rewrites the fields of a `ChannelWord`. Callers keep amounts at or below `MAX_UNITS`.
library ChannelWordLib {
    /// @notice Largest total of a channel, base units.
    uint256 internal constant MAX_UNITS = type(uint72).max;

    uint256 private constant TOTALS = type(uint144).max;

    function balance(ChannelWord word) internal pure returns (uint256) {
        return ChannelWord.unwrap(word) & MAX_UNITS;
    }

    function totalClaimed(ChannelWord word) internal pure returns (uint256) {
        return (ChannelWord.unwrap(word) >> 72) & MAX_UNITS;
    }

    function withdrawAmount(ChannelWord word) internal pure returns (uint256) {
        return (ChannelWord.unwrap(word) >> 144) & MAX_UNITS;
    }

    function initiatedAt(ChannelWord word) internal pure returns (uint40) {
        return uint40(ChannelWord.unwrap(word) >> 216);
    }

    /// @notice Base units that nobody has claimed.
    function available(ChannelWord word) internal pure returns (uint256) {
        unchecked {
            return word.balance() - word.totalClaimed();
        }
    }

    function withTotals(ChannelWord word, uint256 held, uint256 claimed) internal pure returns (ChannelWord) {
        return ChannelWord.wrap((ChannelWord.unwrap(word) & ~TOTALS) | (claimed << 72) | held);
    }

    /// @notice With another pending withdrawal; (0, 0) is none.
    function withWithdrawal(ChannelWord word, uint256 amount, uint256 time) internal pure returns (ChannelWord) {
        return ChannelWord.wrap((ChannelWord.unwrap(word) & TOTALS) | (amount << 144) | (time << 216));
    }
}
