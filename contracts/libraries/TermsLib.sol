// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Role, Terms} from "../types/EscrowTypes.sol";
import {Errors} from "./Errors.sol";

/// @title TermsLib
/// @notice Typed-data hashes of the messages about an escrow, and what terms must obey whoever signs them.
library TermsLib {
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "EscrowTerms(address client,address provider,address verifier,address arbiter,uint96 amount,"
        "uint16 feeBps,uint8 quorum,uint40 acceptBy,uint40 deliverBy,uint32 challengePeriod,"
        "uint32 disputeTimeout,bytes32 jobHash,uint256 salt)"
    );
    bytes32 private constant ACCEPTANCE_TYPEHASH = keccak256("Acceptance(bytes32 escrowId,uint40 validUntil)");
    bytes32 private constant CANCELLATION_TYPEHASH = keccak256("Cancellation(bytes32 escrowId,uint40 validUntil)");
    bytes32 private constant FUND_TYPEHASH = keccak256("Fund(bytes32 escrowId,uint40 validUntil)");
    bytes32 private constant RESPONSE_TYPEHASH = keccak256("Response(bytes32 escrowId,uint40 validUntil)");
    bytes32 private constant DISPUTE_TYPEHASH =
        keccak256("Dispute(bytes32 escrowId,bytes32 evidenceHash,uint40 validUntil)");
    bytes32 private constant RATING_TYPEHASH =
        keccak256("Rating(bytes32 escrowId,uint8 score,bytes32 commentHash,uint40 validUntil)");
    bytes32 private constant WITNESS_TYPEHASH = keccak256("EscrowFundWitness(bytes32 escrowId)");
    bytes32 private constant SUBMISSION_TYPEHASH =
        keccak256("Submission(bytes32 escrowId,bytes32 deliverableHash,uint40 validUntil)");
    bytes32 private constant RELEASE_TYPEHASH =
        keccak256("Release(bytes32 escrowId,uint96 cumulativeReleased,uint40 validUntil)");
    bytes32 private constant REFUND_TYPEHASH =
        keccak256("Refund(bytes32 escrowId,uint96 cumulativeRefunded,uint40 validUntil)");
    bytes32 private constant SPLIT_TYPEHASH =
        keccak256("Split(bytes32 escrowId,uint96 toProvider,uint96 toClient,uint40 validUntil)");

    /// @dev What Permit2 needs to know of the witness type: the end of its own type string.
    string internal constant WITNESS_TYPE =
        "EscrowFundWitness witness)EscrowFundWitness(bytes32 escrowId)TokenPermissions(address token,uint256 amount)";

    /// @dev Bytes of `Terms` in calldata: 13 words.
    uint256 internal constant TERMS_SIZE = 13 * 32;

    /// @notice Struct hash of `EscrowTerms`, straight from calldata.
    ///
    /// @dev Words with dirty upper bits hash to an id that nothing can fund, as funding reads every field by its type.
    function hash(Terms calldata terms) internal pure returns (bytes32 result) {
        bytes32 typehash = TERMS_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            calldatacopy(add(free, 0x20), terms, TERMS_SIZE)
            result := keccak256(free, add(TERMS_SIZE, 0x20))
        }
    }

    /// @notice Struct hash of `Acceptance`.
    function acceptance(bytes32 id, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPTANCE_TYPEHASH, id, validUntil));
    }

    /// @notice Struct hash of `Fund`.
    function fund(bytes32 id, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(FUND_TYPEHASH, id, validUntil));
    }

    /// @notice Struct hash of `Response`.
    function response(bytes32 id, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESPONSE_TYPEHASH, id, validUntil));
    }

    /// @notice Struct hash of `Dispute`.
    function dispute(bytes32 id, bytes32 evidenceHash, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(DISPUTE_TYPEHASH, id, evidenceHash, validUntil));
    }

    /// @notice Struct hash of `Rating`.
    function rating(bytes32 id, uint8 score, bytes32 commentHash, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(RATING_TYPEHASH, id, score, commentHash, validUntil));
    }

    /// @notice Struct hash of `EscrowFundWitness`, which Permit2 puts into the client's signature.
    function witness(bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(WITNESS_TYPEHASH, id));
    }

    /// @notice ERC-3009 nonce of the bond of one party.
    function bondNonce(bytes32 id, address party) internal pure returns (bytes32) {
        return keccak256(abi.encode(id, "bond", party));
    }

    /// @notice Struct hash of `Cancellation`.
    function cancellation(bytes32 id, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(CANCELLATION_TYPEHASH, id, validUntil));
    }

    /// @notice Struct hash of `Submission`.
    function submission(bytes32 id, bytes32 deliverableHash, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUBMISSION_TYPEHASH, id, deliverableHash, validUntil));
    }

    /// @notice Struct hash of `Release`.
    function release(bytes32 id, uint96 cumulative, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(RELEASE_TYPEHASH, id, cumulative, validUntil));
    }

    /// @notice Struct hash of `Refund`.
    function refund(bytes32 id, uint96 cumulative, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(REFUND_TYPEHASH, id, cumulative, validUntil));
    }

    /// @notice Struct hash of `Split`.
    function split(bytes32 id, uint96 toProvider, uint96 toClient, uint40 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(SPLIT_TYPEHASH, id, toProvider, toClient, validUntil));
    }

    /// @notice Account that holds a role, zero if nobody does.
    function signerOf(Terms calldata terms, Role role) internal pure returns (address) {
        if (role == Role.Client) return terms.client;
        if (role == Role.Provider) return terms.provider;
        return terms.verifier;
    }

    /// @notice Reverts unless the parties are present and apart, the price is positive and the quorum can be reached.
    function checkParties(Terms calldata terms) internal pure {
        (address client, address provider, address verifier) = (terms.client, terms.provider, terms.verifier);
        // Check: both sides are named.
        if (client == address(0) || provider == address(0)) revert Errors.Escrow_ZeroAddress();
        // Check: nobody sits on two chairs.
        if (client == provider) revert Errors.Escrow_SelfDeal(client);
        if (verifier == client || verifier == provider) revert Errors.Escrow_SelfDeal(verifier);
        if (terms.arbiter == client || terms.arbiter == provider) revert Errors.Escrow_SelfDeal(terms.arbiter);
        // Check: there is a price.
        if (terms.amount == 0) revert Errors.Escrow_AmountZero();
        // Check: there are enough roles.
        uint8 roles = verifier == address(0) ? 2 : 3;
        if (terms.quorum > roles) revert Errors.Escrow_QuorumOutOfRange(terms.quorum, roles);
    }
}
