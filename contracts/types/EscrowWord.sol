// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EscrowState, Outcome, Status} from "./EscrowTypes.sol";

/// @notice State of an escrow in one slot.
///
/// ```
///  255   248 247    240 239    232 231         192 191                 96 95                   0
/// +---------+----------+----------+---------------+----------------------+----------------------+
/// |  flags  |  ruling  |  status  |     clock     |       refunded       |       released       |
/// +---------+----------+----------+---------------+----------------------+----------------------+
/// ```
type EscrowWord is uint256;

using EscrowWordLib for EscrowWord global;

/// @title EscrowWordLib
/// @notice Reads and rewrites the fields of an `EscrowWord`.
library EscrowWordLib {
    uint8 internal constant RATED_BY_CLIENT = 1;
    uint8 internal constant RATED_BY_PROVIDER = 2;
    uint8 internal constant STAKE_LOCKED = 4;
    uint8 internal constant ACCEPTED = 8;

    uint256 private constant MASK_96 = type(uint96).max;
    uint256 private constant MASK_40 = type(uint40).max;

    function released(EscrowWord word) internal pure returns (uint96) {
        return uint96(EscrowWord.unwrap(word));
    }

    function refunded(EscrowWord word) internal pure returns (uint96) {
        return uint96(EscrowWord.unwrap(word) >> 96);
    }

    function clock(EscrowWord word) internal pure returns (uint40) {
        return uint40(EscrowWord.unwrap(word) >> 192);
    }

    function status(EscrowWord word) internal pure returns (Status) {
        return Status(uint8(EscrowWord.unwrap(word) >> 232));
    }

    function ruling(EscrowWord word) internal pure returns (uint8) {
        return uint8(EscrowWord.unwrap(word) >> 240);
    }

    function flags(EscrowWord word) internal pure returns (uint8) {
        return uint8(EscrowWord.unwrap(word) >> 248);
    }

    function hasFlag(EscrowWord word, uint8 flag) internal pure returns (bool) {
        return word.flags() & flag != 0;
    }

    function withReleased(EscrowWord word, uint96 value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~MASK_96) | value);
    }

    function withRefunded(EscrowWord word, uint96 value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~(MASK_96 << 96)) | (uint256(value) << 96));
    }

    function withClock(EscrowWord word, uint40 value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~(MASK_40 << 192)) | (uint256(value) << 192));
    }

    function withStatus(EscrowWord word, Status value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~(uint256(0xff) << 232)) | (uint256(value) << 232));
    }

    function withOutcome(EscrowWord word, Outcome value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~(uint256(0xff) << 240)) | (uint256(value) << 240));
    }

    function withRuling(EscrowWord word, uint8 value) internal pure returns (EscrowWord) {
        return EscrowWord.wrap((EscrowWord.unwrap(word) & ~(uint256(0xff) << 240)) | (uint256(value) << 240));
    }

    function withFlag(EscrowWord word, uint8 flag) internal pure returns (EscrowWord) {
        return EscrowWord.wrap(EscrowWord.unwrap(word) | (uint256(flag) << 248));
    }

    function withoutFlag(EscrowWord word, uint8 flag) internal pure returns (EscrowWord) {
        return EscrowWord.wrap(EscrowWord.unwrap(word) & ~(uint256(flag) << 248));
    }

    /// @notice All fields and the word itself.
    function decode(EscrowWord word) internal pure returns (EscrowState memory state) {
        state = EscrowState({
            released: word.released(),
            refunded: word.refunded(),
            clock: word.clock(),
            status: word.status(),
            ruling: word.ruling(),
            flags: word.flags(),
            word: bytes32(EscrowWord.unwrap(word))
        });
    }
}
