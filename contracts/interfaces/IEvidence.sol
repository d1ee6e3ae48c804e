// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IEvidence
/// @notice ERC-1497: what a dispute is about and what was said, as events.
interface IEvidence {
    /// @notice What disputes of one kind are about.
    event MetaEvidence(uint256 indexed metaEvidenceID, string evidence);

    /// @notice A party handed in evidence.
    event Evidence(address indexed arbitrator, uint256 indexed evidenceGroupID, address indexed party, string evidence);

    /// @notice A dispute was created, with the meta-evidence it is judged by.
    event Dispute(
        address indexed arbitrator, uint256 indexed disputeID, uint256 metaEvidenceID, uint256 evidenceGroupID
    );
}
