// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title FeeMath
/// @notice Fees as the difference of two cumulative fees: slicing a release into parts changes nothing.
library FeeMath {
    /// @notice One hundred percent in basis points.
    uint256 internal constant BPS = 10_000;

    /// @notice Fee on a cumulative amount, in base units, rounded down.
    function cumulative(uint96 amount, uint16 feeBps) internal pure returns (uint256) {
        // 96 and 16 bits make 112.
        unchecked {
            return (uint256(amount) * feeBps) / BPS;
        }
    }

    /// @notice Fee of the step from `before` to `afterwards` base units released in total.
    ///
    /// @dev `before` is not above `afterwards`.
    function ofStep(uint96 before, uint96 afterwards, uint16 feeBps) internal pure returns (uint256) {
        // The cumulative fee never falls.
        unchecked {
            return cumulative(afterwards, feeBps) - cumulative(before, feeBps);
        }
    }
}
