// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IDepositCollector
/// @notice Brings a payer's tokens to the payment channel that calls it.
interface IDepositCollector {
    /// @notice Moves exactly `amount` of `token` from `payer` to the channel contract, the only allowed caller.
    ///
    /// @param payer Owner and signer
    /// @param token Token to move
    /// @param amount Base units
    /// @param channelId Channel the payer's signature commits to
    /// @param collectorData What the funding method needs
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external;
}
