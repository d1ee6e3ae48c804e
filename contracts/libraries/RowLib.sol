// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Group} from "../types/ChannelTypes.sol";
import {ChannelHash} from "./ChannelHash.sol";

/// @notice What the rows of a group share; `available` is what is left in the pool.
struct GroupTerms {
    bytes32 separator;
    address signer;
    bool isDelayInRange;
    uint256 available;
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

    /// @notice Where the rows of a group begin in calldata.
    function start(Group calldata group) internal pure returns (uint256 offset) {
        bytes calldata rows = group.rows;
        assembly {
            offset := rows.offset
        }
    }

    /// @notice Account that is paid by the row at `offset` of the calldata.
    function receiver(uint256 offset) internal pure returns (address result) {
        assembly {
            result := shr(96, calldataload(offset))
        }
    }

    /// @notice Cumulative amounts of the row at `offset` of the calldata: earned, and the voucher's ceiling.
    function amounts(uint256 offset) internal pure returns (uint256 totalClaimed, uint256 maxClaimable) {
        assembly {
            totalClaimed := and(calldataload(offset), 0xffffffffffffffffffffffff)
            maxClaimable := shr(160, calldataload(add(offset, 32)))
        }
    }

    /// @notice EIP-2098 signature of the row at `offset` of the calldata.
    function signature(uint256 offset) internal pure returns (bytes32 r, bytes32 vs) {
        assembly {
            r := calldataload(add(offset, 44))
            vs := calldataload(add(offset, 76))
        }
    }

    /// @notice Ids of the channels of all whole rows of all groups, in order.
    function channelIds(address operator, Group[] calldata groups, address token, bytes32 separator)
        internal
        pure
        returns (bytes32[] memory ids)
    {
        ids = new bytes32[](total(groups));
        uint256 cursor = cursorOf(ids);
        for (uint256 g = 0; g < groups.length; ++g) {
            bytes memory preimage = template(groups[g], operator, token);
            uint256 offset = start(groups[g]);
            for (uint256 left = count(groups[g]); left > 0;) {
                bytes32 id = ChannelHash.digest(separator, _configHash(preimage, offset));
                assembly ("memory-safe") {
                    mstore(cursor, id)
                }
                unchecked {
                    (cursor, offset, left) = (cursor + 32, offset + SIZE, left - 1);
                }
            }
        }
    }

    /// @notice Struct hash of the `ClaimBatch` of all whole rows of all groups, in order.
    function batchHash(Group[] calldata groups, bytes32[] memory ids) internal pure returns (bytes32) {
        bytes32[] memory entries = new bytes32[](ids.length);
        uint256 distance = cursorOf(entries) - cursorOf(ids);
        uint256 cursor = cursorOf(ids);
        for (uint256 g = 0; g < groups.length; ++g) {
            uint256 offset = start(groups[g]);
            for (uint256 left = count(groups[g]); left > 0;) {
                bytes32 entry = _entryHash(idAt(cursor), offset);
                assembly ("memory-safe") {
                    mstore(add(cursor, distance), entry)
                }
                unchecked {
                    (cursor, offset, left) = (cursor + 32, offset + SIZE, left - 1);
                }
            }
        }
        return ChannelHash.claimBatch(entries);
    }

    /// @notice Whole rows in all groups.
    function total(Group[] calldata groups) internal pure returns (uint256 rows) {
        for (uint256 g = 0; g < groups.length; ++g) {
            rows += count(groups[g]);
        }
    }

    /// @notice Where the first element of an array is in memory; the callers go on by 32 as long as there are rows.
    function cursorOf(bytes32[] memory ids) internal pure returns (uint256 cursor) {
        assembly ("memory-safe") {
            cursor := add(ids, 0x20)
        }
    }

    /// @notice The element under a cursor.
    function idAt(uint256 cursor) internal pure returns (bytes32 id) {
        assembly ("memory-safe") {
            id := mload(cursor)
        }
    }

    /// @dev The struct hash of a row's config. The receiver is the fourth word of the preimage.
    function _configHash(bytes memory preimage, uint256 offset) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(add(preimage, 0x80), shr(96, calldataload(offset)))
            result := keccak256(add(preimage, 0x20), 0x100)
        }
    }

    /// @dev The struct hash of a row's `ClaimEntry`, in scratch memory that is left free.
    function _entryHash(bytes32 channelId, uint256 offset) private pure returns (bytes32 result) {
        bytes32 typehash = ChannelHash.CLAIM_ENTRY_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            mstore(add(pointer, 0x20), channelId)
            mstore(add(pointer, 0x40), shr(160, calldataload(add(offset, 32))))
            mstore(add(pointer, 0x60), and(calldataload(offset), 0xffffffffffffffffffffffff))
            result := keccak256(pointer, 0x80)
        }
    }
}
