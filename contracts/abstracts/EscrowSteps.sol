// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../interfaces/IReputation.sol";
import {Errors} from "../libraries/Errors.sol";
import {StakeMath} from "../libraries/StakeMath.sol";
import {TermsLib} from "../libraries/TermsLib.sol";
import {Acceptance, Outcome, Role, RoleSignature, Status, Terms} from "../types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "../types/EscrowWord.sol";
import {EscrowCore} from "./EscrowCore.sol";

/// @title EscrowSteps
/// @notice The steps of an undisputed escrow, as the functions of Escrow itself are made of them.
abstract contract EscrowSteps is
    EscrowCore // 5 inherited components
{
    using TermsLib for Terms;

    /// @dev Funded to Accepted. The stake is locked by the caller of this function in the same transaction.
    function _markAccepted(bytes32 id, Terms calldata terms, EscrowWord word) internal {
        // Check: funded, and in time.
        _requireStatus(id, word, Status.Funded);
        if (block.timestamp >= terms.acceptBy) revert Errors.Escrow_DeadlinePassed(id, terms.acceptBy);
        // Effect: accepted, with a stake to settle at the end.
        _words[id] = word.withStatus(Status.Accepted).withFlag(EscrowWordLib.ACCEPTED | EscrowWordLib.STAKE_LOCKED);
        emit EscrowAccepted({id: id, stake: StakeMath.required(terms.amount)});
    }

    /// @dev Accepted to Submitted.
    function _submit(bytes32 id, Terms calldata terms, EscrowWord word, bytes32 deliverableHash) internal {
        // Check: at work, and in time.
        _requireStatus(id, word, Status.Accepted);
        if (block.timestamp >= terms.deliverBy) revert Errors.Escrow_DeadlinePassed(id, terms.deliverBy);
        // Effect: start the clock.
        uint40 endsAt = uint40(block.timestamp + terms.challengePeriod);
        _words[id] = word.withStatus(Status.Submitted).withClock(endsAt);
        emit WorkSubmitted({id: id, deliverableHash: deliverableHash, challengeEndsAt: endsAt});
    }

    /// @dev How much a release to `cumulative` moves.
    function _releaseStep(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative)
        internal
        pure
        returns (uint96)
    {
        // Check: at work or submitted.
        Status status = word.status();
        if (status != Status.Accepted && status != Status.Submitted) revert Errors.Escrow_WrongStatus(id, status);
        return _step(id, word.released(), cumulative, terms.amount - word.refunded());
    }

    /// @dev Raises the released total.
    function _release(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) internal {
        _move(id, terms, word, _releaseStep(id, terms, word, cumulative), 0, Outcome.Completed);
    }

    /// @dev Raises the refunded total; the amount and the outcome if that was all.
    function _refundStep(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative)
        internal
        view
        returns (uint96 step, Outcome outcome)
    {
        _requireOpen(id, word);
        step = _step(id, word.refunded(), cumulative, terms.amount - word.released());
        Status status = word.status();
        outcome = Outcome.Returned;
        if (status == Status.Funded) outcome = Outcome.Cancelled;
        if (status == Status.Accepted && block.timestamp >= terms.deliverBy) outcome = Outcome.Missed;
        if (status == Status.Disputed) outcome = Outcome.Lost;
    }

    /// @dev Raises the refunded total.
    function _refund(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) internal {
        (uint96 step, Outcome outcome) = _refundStep(id, terms, word, cumulative);
        _move(id, terms, word, 0, step, outcome);
    }

    /// @dev Funded to Closed.
    function _cancel(bytes32 id, Terms calldata terms, EscrowWord word) internal {
        _requireStatus(id, word, Status.Funded);
        _move(id, terms, word, 0, _left(terms, word), Outcome.Cancelled);
    }

    /// @dev Interaction: lock the provider's stake, or revert with Reputation's reason.
    function _lockStake(bytes32 id, Terms calldata terms) internal {
        uint96 stake = StakeMath.required(terms.amount);
        IReputation(_reputation()).lock({agent: terms.provider, escrowId: id, amount: stake});
    }

    /*////////////////////////////////////////////////////////////////////////
                                INTERNALS: CHECKS
    ////////////////////////////////////////////////////////////////////////*/

    function _checkAcceptance(bytes32 id, Terms calldata terms, Acceptance calldata acceptance) internal view {
        uint40 validUntil = acceptance.validUntil;
        _checkSignature(terms.provider, TermsLib.acceptance(id, validUntil), validUntil, acceptance.signature);
    }

    /// @dev Enough different roles signed, one of them not the provider.
    function _checkQuorum(
        bytes32 id,
        Terms calldata terms,
        bytes32 structHash,
        uint40 validUntil,
        RoleSignature[] calldata signatures
    ) internal view {
        _checkNotExpired(validUntil);
        bytes32 digest = _digest(structHash);
        bool independent;
        Role former;
        for (uint256 i = 0; i < signatures.length; ++i) {
            RoleSignature calldata given = signatures[i];
            Role role = given.role;
            address signer = terms.signerOf(role);
            // Check: ascending roles, so that nobody counts twice; the parties of valid terms are all different.
            if (i > 0 && role <= former) revert Errors.Escrow_DuplicateSigner(id, signer);
            _checkSigner(signer, digest, given.signature);
            if (role != Role.Provider) independent = true;
            former = role;
        }
        // Check: enough of them, and never the provider for himself.
        if (terms.quorum == 0 || signatures.length < terms.quorum || !independent) {
            revert Errors.Escrow_QuorumNotMet(id, signatures.length, terms.quorum);
        }
    }
}
