// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ScoreLeaf} from "../types/StakeTypes.sol";

/// @title IScoreAnchor
/// @notice Scores are computed off chain and anchored as one Merkle root an epoch. Anybody can prove a score of an
/// active epoch against its root; the scores themselves take no storage.
interface IScoreAnchor {
    /// @notice The root of `leafCount` scores was anchored and counts from `activeAt`. `manifestHash` is the hash of
    /// the document that lists what went into them, `uri` says where it is.
    event EpochAnchored(
        uint64 indexed epoch, bytes32 root, uint32 leafCount, bytes32 manifestHash, uint40 activeAt, string uri
    );

    /// @notice The epoch never becomes active. Its number is not used again.
    event EpochVetoed(uint64 indexed epoch);

    /// @notice `anchorer` anchors from now on; nobody does if it is zero.
    event AnchorerChanged(address anchorer);

    /// @notice Anchors the next epoch.
    ///
    /// Leaves are those of OpenZeppelin's `StandardMerkleTree` over (address agent, uint16 score, uint96 settledValue,
    /// uint32 jobs, uint64 epoch); each names the epoch, so a root of one epoch proves nothing in another.
    ///
    /// Requirements: caller is the anchorer (`Anchor_CallerNotAnchorer`); root not zero and leafCount > 0
    /// (`Anchor_Empty`); the epoch before is active or vetoed (`Anchor_EpochNotNext`).
    /// Emits {EpochAnchored}.
    ///
    /// @param root Root of the tree
    /// @param leafCount Number of its leaves
    /// @param manifestHash Hash of the manifest
    /// @param uri Where the manifest is
    /// @return epoch Its number: one more than the last one's, vetoed ones included
    function anchorEpoch(bytes32 root, uint32 leafCount, bytes32 manifestHash, string calldata uri)
        external
        returns (uint64 epoch);

    /// @notice Stops an epoch that is not active yet.
    ///
    /// Requirements: caller is the guardian (`Guarded_CallerNotGuardian`); the epoch is the pending one
    /// (`Anchor_NotPending`).
    /// Emits {EpochVetoed}.
    function vetoEpoch(uint64 epoch) external;

    /// @notice Names the account that anchors; zero names nobody. Takes effect at once and touches no epoch.
    ///
    /// Requirements: caller is the admin of Escrow (`Anchor_CallerNotAdmin`).
    /// Emits {AnchorerChanged}.
    function setAnchorer(address anchorer_) external;

    /// @notice The score in `leaf`, if it is proven to be part of an active epoch. Reverts if not.
    ///
    /// Requirements: the epoch is active (`Anchor_NotActive`); leaf.epoch is `epoch` and the proof leads to its root
    /// (`Anchor_InvalidProof`).
    ///
    /// @param epoch Number of the epoch
    /// @param leaf What is claimed
    /// @param proof Siblings from the leaf up
    /// @return score In hundredths, 0 to 10,000
    function verifyScore(uint64 epoch, ScoreLeaf calldata leaf, bytes32[] calldata proof)
        external
        view
        returns (uint16 score);

    /// @notice Number of the newest epoch, active, pending or vetoed; 0 before the first one.
    function latestEpoch() external view returns (uint64);

    /// @notice Root of an epoch, also of a pending one; zero if it was vetoed or never anchored.
    function rootOf(uint64 epoch) external view returns (bytes32);

    /// @notice True if scores can be proven against the epoch. Never becomes false again.
    function isActive(uint64 epoch) external view returns (bool);

    /// @notice Unix second from which the newest epoch counts; 0 if it was vetoed or there is none.
    function latestActiveAt() external view returns (uint40);

    /// @notice The account that anchors.
    function anchorer() external view returns (address);

    /// @notice Seconds from anchoring to activation.
    function anchorDelay() external view returns (uint40);
}
