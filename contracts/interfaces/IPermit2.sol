// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IPermit2
/// @notice The part of Permit2 the protocol calls. Its address is the same on every chain.
interface IPermit2 {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves tokens of `owner` by his signature, which names the caller as spender and commits to `witness`.
    ///
    /// @param permit Token, most base units, unordered nonce, last valid unix second
    /// @param transferDetails Where the tokens go and how many
    /// @param owner Payer and signer
    /// @param witness EIP-712 struct hash of what the money is for
    /// @param witnessTypeString Rest of the type string, from the name of the witness on
    /// @param signature 65 or 64 bytes, or what an ERC-1271 account understands
    function permitWitnessTransferFrom(
        PermitTransferFrom memory permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
