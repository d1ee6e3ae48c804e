// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IPermit2
/// @notice The one function of Uniswap's Permit2 the protocol calls.
interface IPermit2 {
    /// @notice Token and most of it a signature gives away.
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// @notice What is signed, beside the witness and the spender.
    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    /// @notice What the spender asks for.
    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves tokens of `owner`, who signed `permit` together with a witness for the caller as spender.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
