// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "./IRandomness.sol";

/// @title ISeededRandomness
/// @notice Random numbers from a seed committed to before, and the hash of a block that did not exist then.
///
/// The producer of the block does not know the seed; the seeder does not know the hash. A seeder who stays silent is
/// replaced by the hash of a new future block, so silence buys a second draw but never a choice between two known ones.
interface ISeededRandomness is IRandomness {
    /// @notice The seeder committed to the seed of the next request.
    event SeedCommitted(bytes32 indexed commitment);

    /// @notice A number was asked for; the hash of block `target` will be part of it.
    event RandomnessRequested(uint256 indexed id, uint64 target, bytes32 commitment);

    /// @notice Another block was chosen because the hash of the earlier one is forgotten or the seeder was silent.
    event TargetMoved(uint256 indexed id, uint64 target);

    /// @notice The number is known.
    event RandomnessDelivered(uint256 indexed id, uint256 random);

    /// @notice Sets the commitment keccak256(abi.encode(seed)) for the next request.
    ///
    /// Requirements: caller is the seeder (`Randomness_CallerNotSeeder`).
    /// Emits {SeedCommitted}.
    function commitSeed(bytes32 commitment) external;

    /// @notice Opens the seed of the request under way. Anyone who has the seed may call.
    ///
    /// Requirements: a request under way with a commitment the seed fits (`Randomness_WrongSeed`); the hash of its
    /// block is known (`Randomness_BlockNotReady`).
    /// Emits {RandomnessDelivered}.
    function reveal(bytes32 seed) external;

    /// @notice Keeps a request alive without the seeder: names another block when the hash of the present one is
    /// forgotten; after the timeout drops the seed; delivers a request without seed from the block alone. Anyone may
    /// call.
    ///
    /// Requirements: there is something to do (`Randomness_BlockNotReady`).
    /// Emits {TargetMoved} or {RandomnessDelivered}.
    function poke() external;

    /// @notice The only account that may ask.
    function consumer() external view returns (address);

    /// @notice The account that commits to seeds.
    function seeder() external view returns (address);
}
