// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IArbitrable
/// @notice ERC-792: a contract whose disputes an arbitrator rules.
interface IArbitrable {
    /// @notice The arbitrator gave its ruling.
    event Ruling(address indexed arbitrator, uint256 indexed disputeID, uint256 ruling);

    /// @notice Takes the ruling of the calling arbitrator. Only records it; money moves in a later call.
    function rule(uint256 disputeID, uint256 ruling) external;
}
