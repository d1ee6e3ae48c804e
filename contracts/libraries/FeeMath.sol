// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title FeeMath
/// @notice Fees as the difference of two cumulative fees: slicing a release into parts changes nothing.
library FeeMath {
    /// @notice One hundred percent in basis points.
    uint256 internal constant BPS = 10_000;

    /// @notice Fee on a cumulative amount, in base units, rounded down.
    function cumulative(uint256 amount, uint256 feeBps) internal pure returns (uint256) {
        return (amount * feeBps) / BPS;
    }

    /// @notice Fee of the step from `before` to `afterwards` base units released in total.
    function ofStep(uint256 before, uint256 afterwards, uint256 feeBps) internal pure returns (uint256) {
        return cumulative(afterwards, feeBps) - cumulative(before, feeBps);
    }
}
