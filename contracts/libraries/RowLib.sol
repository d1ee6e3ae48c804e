// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Group} from "../types/ChannelTypes.sol";
import {ChannelHash} from "./ChannelHash.sol";

/// @notice One packed row of a group, with the id of its channel.
struct Row {
    bytes32 channelId;
    address receiver;
    uint256 totalClaimed;
    uint256 maxClaimable;
    bytes32 r;
    bytes32 vs;
}

/// @title RowLib
/// @notice Reads the packed rows of `claimBatch`.
///
/// ```
///  0         20             32             44        76        108
///  +---------+--------------+--------------+---------+---------+
///  | receiver| totalClaimed | maxClaimable |    r    |   vs    |
///  +---------+--------------+--------------+---------+---------+
/// ```
library RowLib {
    /// @notice Bytes of a row.
    uint256 internal constant SIZE = 108;

    /// @notice Whole rows in a group.
    function count(Group calldata group) internal pure returns (uint256) {
        return group.rows.length / SIZE;
    }

    /// @notice True if bytes are left after the last whole row.
    function hasTail(Group calldata group) internal pure returns (bool) {
        return group.rows.length % SIZE != 0;
    }

    /// @notice The struct hash preimage of the channels of a group; only the receiver differs from row to row.
    ///
    /// @dev 8 words: typehash, payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt.
    function template(Group calldata group, address operator, address token)
        internal
        pure
        returns (bytes memory preimage)
    {
        preimage = abi.encode(
            ChannelHash.CHANNEL_CONFIG_TYPEHASH,
            group.payer,
            group.payerAuthorizer,
            address(0),
            operator,
            token,
            group.withdrawDelay,
            group.salt
        );
    }

    /// @notice Reads row `index` into `row`, and writes its receiver into `preimage`.
    function read(Group calldata group, uint256 index, bytes memory preimage, bytes32 separator, Row memory row)
        internal
        pure
    {
        bytes calldata rows = group.rows;
        bytes32 structHash;
        assembly ("memory-safe") {
            let at := add(rows.offset, mul(index, 108))
            let first := calldataload(at)
            let receiver := shr(96, first)
            // The fourth word of the preimage is the receiver.
            mstore(add(preimage, 0x80), receiver)
            structHash := keccak256(add(preimage, 0x20), 0x100)
            mstore(add(row, 0x20), receiver)
            mstore(add(row, 0x40), and(first, 0xffffffffffffffffffffffff))
            mstore(add(row, 0x60), shr(160, calldataload(add(at, 32))))
            mstore(add(row, 0x80), calldataload(add(at, 44)))
            mstore(add(row, 0xa0), calldataload(add(at, 76)))
        }
        row.channelId = ChannelHash.digest(separator, structHash);
    }

    /// @notice Struct hash of the `ClaimBatch` of all whole rows of all groups, in order.
    function batchHash(address operator, Group[] calldata groups, address token, bytes32 separator)
        internal
        pure
        returns (bytes32)
    {
        uint256 total;
        for (uint256 g = 0; g < groups.length; ++g) {
            total += count(groups[g]);
        }
        bytes32[] memory entries = new bytes32[](total);
        Row memory row;
        uint256 next;
        for (uint256 g = 0; g < groups.length; ++g) {
            bytes memory preimage = template(groups[g], operator, token);
            uint256 rows = count(groups[g]);
            for (uint256 i = 0; i < rows; ++i) {
                read(groups[g], i, preimage, separator, row);
                entries[next++] = claimEntry(row);
            }
        }
        return ChannelHash.claimBatch(entries);
    }

    /// @dev The struct hash of a row's `ClaimEntry`, in scratch memory that is left free.
    function claimEntry(Row memory row) private pure returns (bytes32 result) {
        bytes32 typehash = ChannelHash.CLAIM_ENTRY_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            mstore(add(pointer, 0x20), mload(row))
            mstore(add(pointer, 0x40), mload(add(row, 0x60)))
            mstore(add(pointer, 0x60), mload(add(row, 0x40)))
            result := keccak256(pointer, 0x80)
        }
    }
}
