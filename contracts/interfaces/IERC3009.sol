// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IERC3009
/// @notice The part of ERC-3009 (as USDC version 2 has it, with signatures as bytes) the protocol calls.
interface IERC3009 {
    /// @notice Moves `value` from `from` to the caller, who must be `to`, by the signature of `from`.
    ///
    /// @param from Payer and signer
    /// @param to Receiver and caller
    /// @param value Base units
    /// @param validAfter The call counts only after this unix second
    /// @param validBefore The call counts only before this unix second
    /// @param nonce Any unused 32 bytes
    /// @param signature 65 bytes r, s, v, or what an ERC-1271 account understands
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;

    /// @notice True once the nonce was used or cancelled.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}
