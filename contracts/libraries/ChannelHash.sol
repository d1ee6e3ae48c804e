// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig} from "../types/ChannelTypes.sol";

/// @title ChannelHash
/// @notice EIP-712 struct hashes of the payment channel; the first five are those of x402.
library ChannelHash {
    bytes32 internal constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,"
        "address token,uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 internal constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    bytes32 internal constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );
    bytes32 internal constant REFUND_TYPEHASH = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 internal constant POOL_KEY_TYPEHASH =
        keccak256("PoolKey(address payer,address payerAuthorizer,address operator)");
    bytes32 internal constant POOL_WITHDRAW_TYPEHASH =
        keccak256("PoolWithdraw(bytes32 poolId,uint96 amount,bool cancel,uint24 nonce,uint40 validUntil)");
    bytes32 internal constant POOL_RELEASE_TYPEHASH =
        keccak256("PoolRelease(bytes32 poolId,uint24 nonce,uint40 validUntil)");
    bytes32 internal constant POOL_DEPOSIT_WITNESS_TYPEHASH = keccak256("PoolDepositWitness(bytes32 poolId)");

    /// @dev What Permit2 appends to its own type string.
    string internal constant POOL_DEPOSIT_WITNESS_TYPE =
        "PoolDepositWitness witness)PoolDepositWitness(bytes32 poolId)TokenPermissions(address token,uint256 amount)";

    /// @notice Struct hash of a config in calldata: its seven words as they are, in memory that is left free. Reverts
    /// if a word is wider than its type, as decoding it would.
    function config(ChannelConfig calldata value) internal pure returns (bytes32 result) {
        bytes32 typehash = CHANNEL_CONFIG_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            calldatacopy(add(pointer, 0x20), value, 0xe0)
            let accounts := or(mload(add(pointer, 0x20)), mload(add(pointer, 0x40)))
            accounts := or(accounts, or(mload(add(pointer, 0x60)), mload(add(pointer, 0x80))))
            accounts := or(accounts, mload(add(pointer, 0xa0)))
            if or(shr(160, accounts), shr(40, mload(add(pointer, 0xc0)))) { revert(0, 0) }
            result := keccak256(pointer, 0x100)
        }
    }

    /// @notice Struct hash of `Voucher`. Leaves no memory behind, as a batch calls it for every row.
    function voucher(bytes32 channelId, uint256 maxClaimableAmount) internal pure returns (bytes32 result) {
        bytes32 typehash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            mstore(add(pointer, 0x20), channelId)
            mstore(add(pointer, 0x40), maxClaimableAmount)
            result := keccak256(pointer, 0x60)
        }
    }

    /// @notice Struct hash of `ClaimEntry`.
    function claimEntry(bytes32 channelId, uint256 maxClaimableAmount, uint256 totalClaimed)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CLAIM_ENTRY_TYPEHASH, channelId, maxClaimableAmount, totalClaimed));
    }

    /// @notice Struct hash of `ClaimBatch` from its entries' hashes.
    function claimBatch(bytes32[] memory entries) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries))));
    }

    /// @notice Struct hash of `Refund`.
    function refund(bytes32 channelId, uint256 nonce, uint128 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(REFUND_TYPEHASH, channelId, nonce, amount));
    }

    /// @notice Struct hash of `PoolKey`.
    function poolKey(address payer, address payerAuthorizer, address operator) internal pure returns (bytes32) {
        return keccak256(abi.encode(POOL_KEY_TYPEHASH, payer, payerAuthorizer, operator));
    }

    /// @notice Struct hash of `PoolWithdraw`.
    function poolWithdraw(bytes32 poolId, uint96 amount, bool cancel, uint24 nonce, uint40 validUntil)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(POOL_WITHDRAW_TYPEHASH, poolId, amount, cancel, nonce, validUntil));
    }

    /// @notice Struct hash of `PoolRelease`.
    function poolRelease(bytes32 poolId, uint24 nonce, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(POOL_RELEASE_TYPEHASH, poolId, nonce, validUntil));
    }

    /// @notice Struct hash of `PoolDepositWitness`.
    function poolDepositWitness(bytes32 poolId) internal pure returns (bytes32) {
        return keccak256(abi.encode(POOL_DEPOSIT_WITNESS_TYPEHASH, poolId));
    }

    /// @notice EIP-712 digest of a struct hash. Cheaper than asking for the separator anew for every row.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, hex"1901")
            mstore(add(pointer, 0x02), separator)
            mstore(add(pointer, 0x22), structHash)
            result := keccak256(pointer, 0x42)
        }
    }
}
