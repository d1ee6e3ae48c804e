// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IRandomness
/// @notice A source of random numbers that nobody can know when he asks for one.
interface IRandomness {
    /// @notice Asks for a random number.
    ///
    /// @return id Under which {result} will give it
    function request() external returns (uint256 id);

    /// @notice The random number, 0 while it is not known. Once given it never changes.
    function result(uint256 id) external view returns (uint256 random);
}
