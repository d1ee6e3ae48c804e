// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IERC2612
/// @notice EIP-2612 `permit` as USDC version 2.2 has it: with v, r, s, and with the signature as bytes.
interface IERC2612 {
    /// @notice Lets `spender` spend `value` base units of `owner` by his signature.
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice As the other form; understands ERC-1271 accounts as well.
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes calldata signature) external;
}
