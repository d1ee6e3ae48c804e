// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IScoreAnchor} from "../interfaces/IScoreAnchor.sol";
import {Errors} from "../libraries/Errors.sol";
import {ScoreLeaf} from "../types/StakeTypes.sol";
import {GuardedInflow} from "./GuardedInflow.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title ScoreAnchor
/// @notice Merkle roots of scores, one an epoch. See {IScoreAnchor}.
///
/// ```
///  none --anchorEpoch (anchorer)--> pending --activeAt--> active (final)
///                                      |
///                                      | vetoEpoch (guardian, before activeAt)
///                                      v
///                                   vetoed (final, the number is burnt)
/// ```
///
/// @dev At most one epoch is pending, and it is the newest one. So one time stamp serves all epochs: a root older than
/// the newest is active, and a guardian who vetoes once has vetoed everything in flight. No money depends on a score
/// in this contract.
abstract contract ScoreAnchor is
    IScoreAnchor, // 0 inherited components
    GuardedInflow // 1 inherited component
{
    /// @inheritdoc IScoreAnchor
    uint40 public immutable override anchorDelay;

    /// @inheritdoc IScoreAnchor
    // slot 0: who anchors, the newest epoch and its time, so that an anchoring writes this slot and a root.
    address public override anchorer;

    uint56 private _latestEpoch;

    /// @inheritdoc IScoreAnchor
    uint40 public override latestActiveAt;

    mapping(uint64 epoch => bytes32 root) private _roots;

    constructor(uint40 anchorDelay_) {
        anchorDelay = anchorDelay_;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreAnchor
    function anchorEpoch(bytes32 root, uint32 leafCount, bytes32 manifestHash, string calldata uri)
        external
        override
        returns (uint64 epoch)
    {
        // Check: the caller anchors.
        if (msg.sender != anchorer) revert Errors.Anchor_CallerNotAnchorer(msg.sender);
        // Check: there is something to prove against.
        if (root == bytes32(0) || leafCount == 0) revert Errors.Anchor_Empty();
        // Check: the epoch before is decided.
        if (block.timestamp < latestActiveAt) revert Errors.Anchor_EpochNotNext(_latestEpoch, latestActiveAt);
        // Effect: anchor the next one.
        epoch = _latestEpoch + 1;
        uint40 activeAt = uint40(block.timestamp) + anchorDelay;
        (_latestEpoch, latestActiveAt) = (uint56(epoch), activeAt);
        _roots[epoch] = root;
        emit EpochAnchored({
            epoch: epoch, root: root, leafCount: leafCount, manifestHash: manifestHash, activeAt: activeAt, uri: uri
        });
    }

    /// @inheritdoc IScoreAnchor
    function vetoEpoch(uint64 epoch) external override {
        // Check: the caller is the guardian.
        if (msg.sender != guardian) revert Errors.Guarded_CallerNotGuardian(msg.sender);
        // Check: the epoch is pending.
        if (epoch != _latestEpoch || block.timestamp >= latestActiveAt) revert Errors.Anchor_NotPending(epoch);
        // Effect: forget its root; a time of zero lets the next epoch come.
        delete _roots[epoch];
        latestActiveAt = 0;
        emit EpochVetoed({epoch: epoch});
    }

    /// @inheritdoc IScoreAnchor
    function setAnchorer(address anchorer_) external override {
        // Check: the caller is the admin.
        if (msg.sender != _inflowAdmin()) revert Errors.Anchor_CallerNotAdmin(msg.sender);
        // Effect: name him.
        anchorer = anchorer_;
        emit AnchorerChanged({anchorer: anchorer_});
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreAnchor
    function verifyScore(uint64 epoch, ScoreLeaf calldata leaf, bytes32[] calldata proof)
        external
        view
        override
        returns (uint16 score)
    {
        // Check: the epoch counts.
        if (!isActive(epoch)) revert Errors.Anchor_NotActive(epoch, epoch == _latestEpoch ? latestActiveAt : 0);
        // Check: the leaf is of this epoch and part of its tree. Hashing it twice keeps leaves and inner nodes apart.
        bytes32 hash = keccak256(bytes.concat(keccak256(abi.encode(leaf))));
        if (leaf.epoch != epoch || !MerkleProof.verifyCalldata(proof, _roots[epoch], hash)) {
            revert Errors.Anchor_InvalidProof(epoch, leaf.agent);
        }
        return leaf.score;
    }

    /// @inheritdoc IScoreAnchor
    function latestEpoch() external view override returns (uint64) {
        return _latestEpoch;
    }

    /// @inheritdoc IScoreAnchor
    function rootOf(uint64 epoch) external view override returns (bytes32) {
        return _roots[epoch];
    }

    /// @inheritdoc IScoreAnchor
    function isActive(uint64 epoch) public view override returns (bool) {
        return _roots[epoch] != bytes32(0) && (epoch != _latestEpoch || block.timestamp >= latestActiveAt);
    }
}
