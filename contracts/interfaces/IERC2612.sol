// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IERC2612
/// @notice The form of EIP-2612 (as USDC version 2 has it, with the signature as bytes) the protocol calls.
interface IERC2612 {
    /// @notice Allows `spender` to spend `value` base units of `owner` by the owner's signature.
    ///
    /// @param owner Signer
    /// @param spender Who may spend
    /// @param value Base units
    /// @param deadline Last unix second at which the signature counts
    /// @param signature 65 bytes r, s, v, or what an ERC-1271 account understands
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes calldata signature) external;
}
