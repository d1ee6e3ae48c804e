// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../interfaces/IRandomness.sol";
import {ISeededRandomness} from "../interfaces/ISeededRandomness.sol";
import {Errors} from "../libraries/Errors.sol";
import {FutureBlock} from "./FutureBlock.sol";

/// @title SeededRandomness
/// @notice See `ISeededRandomness`.
///
/// ```
///  commitSeed --> request (block named) --> block mined --> reveal --> result
///                                            |  |
///                hash forgotten: poke names  |  | seeder silent until the timeout: poke drops the seed
///                another block               v  v and names another block, poke delivers its hash
/// ```
///
/// @dev One request at a time: a new one ends an unanswered old one. The seed is opened only when the hash is at hand,
/// in the same call, so nobody sees one without the other being fixed.
contract SeededRandomness is ISeededRandomness {
    using FutureBlock for uint64;

    /// @inheritdoc ISeededRandomness
    address public immutable override consumer;

    /// @inheritdoc ISeededRandomness
    address public immutable override seeder;

    /// @notice Seconds the seeder has to open a seed.
    uint40 public immutable timeout;

    /// @notice Commitment of the next request, 0 if there is none.
    bytes32 public nextCommitment;

    /// @notice Commitment of the request under way, 0 if it runs without a seed.
    bytes32 public commitment;

    /// @notice Number of the newest request.
    uint256 public requests;

    /// @notice Block of the request under way, 0 when none is.
    uint64 public target;

    /// @notice Unix second after which the seed is no longer waited for.
    uint40 public revealBy;

    /// @inheritdoc IRandomness
    mapping(uint256 id => uint256 random) public override result;

    /// @param consumer_ The only account that may ask
    /// @param seeder_ Commits to seeds
    /// @param timeout_ Seconds the seeder has to open one
    constructor(address consumer_, address seeder_, uint40 timeout_) {
        (consumer, seeder, timeout) = (consumer_, seeder_, timeout_);
    }

    /// @inheritdoc ISeededRandomness
    function commitSeed(bytes32 commitment_) external override {
        // Check: the caller is the seeder.
        if (msg.sender != seeder) revert Errors.Randomness_CallerNotSeeder(msg.sender);
        // Effect: for the next request; the one under way keeps its own.
        nextCommitment = commitment_;
        emit SeedCommitted({commitment: commitment_});
    }

    /// @inheritdoc IRandomness
    function request() external override returns (uint256 id) {
        // Check: the caller is the consumer.
        if (msg.sender != consumer) revert Errors.Randomness_CallerNotConsumer(msg.sender);
        // Effect: use the commitment up and name a block.
        id = ++requests;
        commitment = nextCommitment;
        nextCommitment = bytes32(0);
        target = FutureBlock.choose();
        revealBy = uint40(block.timestamp) + timeout;
        emit RandomnessRequested({id: id, target: target, commitment: commitment});
    }

    /// @inheritdoc ISeededRandomness
    function reveal(bytes32 seed) external override {
        // Check: it is the seed of the request under way.
        if (target == 0 || keccak256(abi.encode(seed)) != commitment) revert Errors.Randomness_WrongSeed();
        _deliver(seed);
    }

    /// @inheritdoc ISeededRandomness
    function poke() external override {
        // Check: a request is under way.
        if (target == 0) revert Errors.Randomness_BlockNotReady(0);
        bool silent = commitment != bytes32(0) && block.timestamp > revealBy;
        if (!silent && !target.missed()) {
            // Check: nobody has to be waited for.
            if (commitment != bytes32(0)) revert Errors.Randomness_BlockNotReady(target);
            _deliver(bytes32(0));
            return;
        }
        // Effect: start again, without the seeder if he was silent.
        if (silent) commitment = bytes32(0);
        target = FutureBlock.choose();
        emit TargetMoved({id: requests, target: target});
    }

    /// @dev Mixes seed and hash; the number is never 0.
    function _deliver(bytes32 seed) private {
        // Check: the hash is known.
        bytes32 hash = target.hashOf();
        if (hash == bytes32(0)) revert Errors.Randomness_BlockNotReady(target);
        // Effect: fix the number.
        uint256 id = requests;
        uint256 random = uint256(keccak256(abi.encode(seed, hash, address(this), id))) | 1;
        result[id] = random;
        target = 0;
        emit RandomnessDelivered({id: id, random: random});
    }
}
