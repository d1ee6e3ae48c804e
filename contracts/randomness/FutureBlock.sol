// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title FutureBlock
/// @notice The hash of a block that was named before it existed.
library FutureBlock {
    /// @notice Blocks between naming a block and having its hash.
    uint256 internal constant DELAY = 8;

    /// @dev Hashes the chain remembers.
    uint256 private constant MEMORY = 256;

    /// @notice A block whose hash nobody knows yet.
    function choose() internal view returns (uint64) {
        return uint64(block.number + DELAY);
    }

    /// @notice True once the hash of a chosen block is forgotten and another block must be chosen.
    function missed(uint64 chosen) internal view returns (bool) {
        return block.number > chosen + MEMORY;
    }

    /// @notice The hash, 0 while it is not known or when it is forgotten.
    function hashOf(uint64 chosen) internal view returns (bytes32) {
        return chosen < block.number ? blockhash(chosen) : bytes32(0);
    }
}
