// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EscrowCore} from "./abstracts/EscrowCore.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {Errors} from "./libraries/Errors.sol";
import {TermsLib} from "./libraries/TermsLib.sol";
import {Acceptance, EscrowConfig, EscrowState, Outcome, RoleSignature, Status, Terms} from "./types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "./types/EscrowWord.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Escrow
/// @notice See `IEscrow`.
///
/// ```
///  None --fund*--> Funded --accept (stake locked)--> Accepted --submit--> Submitted
///                    |                                  |                    |
///                    | cancel: client,                  | reclaim: anyone    | releaseAfterChallenge:
///                    | anyone from acceptBy             | from deliverBy     | anyone after the clock
///                    v                                  v                    v
///                  Closed <--- release, quorum (from Accepted or Submitted), refund, split (from any) ---
/// ```
///
/// @dev Money in this contract is the sum of what open escrows still hold and of the balances. Every exit writes its
/// word and its balances before it calls Reputation, and needs nothing of that call: a failing Reputation leaves the
/// STAKE_LOCKED flag set, `settleStake` repeats the report later. No upgrade, no rescue, no pause of exits.
///
/// The constructor creates Reputation (see there), so deploying this one contract deterministically fixes both.
contract Escrow is
    EscrowCore // 9 inherited components
{
    using TermsLib for Terms;

    /// @param config What this deployment fixes
    constructor(EscrowConfig memory config) EscrowCore(config) {}

    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function fund(Terms calldata terms) external override nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        _requireClient(id, terms);
        // Interaction: pull the price.
        _pull(terms.client, terms.amount);
    }

    /// @inheritdoc IEscrow
    function fundFromBalance(Terms calldata terms) external override nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        _requireClient(id, terms);
        // Effect: the price moves from the balance into the escrow.
        _debit(terms.client, terms.amount);
        emit BalanceSpent({account: terms.client, id: id, amount: terms.amount});
    }

    /// @inheritdoc IEscrow
    function fundWithAuthorization(
        Terms calldata terms,
        uint256 validBefore,
        bytes calldata signature,
        Acceptance calldata acceptance
    ) external override nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        bool accepted = acceptance.signature.length != 0;
        if (accepted) {
            _checkAcceptance(id, terms, acceptance);
            _markAccepted(id, terms, _words[id]);
        }
        // Interaction: pull the price; the nonce is the id, so the client has signed these terms and pays once.
        _pullWithAuthorization({
            from: terms.client,
            amount: terms.amount,
            validAfter: 0,
            validBefore: validBefore,
            nonce: id,
            signature: signature
        });
        if (accepted) _lockStake(id, terms);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      WORK
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function accept(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _markAccepted(id, terms, word);
        _lockStake(id, terms);
    }

    /// @inheritdoc IEscrow
    function acceptWithSignature(Terms calldata terms, Acceptance calldata acceptance) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkAcceptance(id, terms, acceptance);
        _markAccepted(id, terms, word);
        _lockStake(id, terms);
    }

    /// @inheritdoc IEscrow
    function submit(Terms calldata terms, bytes32 deliverableHash) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _submit(id, terms, word, deliverableHash);
    }

    /// @inheritdoc IEscrow
    function submitWithSignature(
        Terms calldata terms,
        bytes32 deliverableHash,
        uint40 validUntil,
        bytes calldata signature
    ) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.provider, TermsLib.submission(id, deliverableHash, validUntil), validUntil, signature);
        _submit(id, terms, word, deliverableHash);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     RELEASE
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function release(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireClient(id, terms);
        _release(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrow
    function releaseWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.client, TermsLib.release(id, cumulative, validUntil), validUntil, signature);
        _release(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrow
    function releaseWithQuorum(
        Terms calldata terms,
        uint96 cumulative,
        uint40 validUntil,
        RoleSignature[] calldata signatures
    ) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkQuorum(id, terms, TermsLib.release(id, cumulative, validUntil), validUntil, signatures);
        _release(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrow
    function releaseAfterChallenge(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: a deliverable is in and the client let the clock run out.
        _requireStatus(id, word, Status.Submitted);
        if (block.timestamp < word.clock()) revert Errors.Escrow_ChallengeActive(id, word.clock());
        _move(id, terms, word, _left(terms, word), 0, Outcome.Completed);
    }

    /*////////////////////////////////////////////////////////////////////////
                                 MONEY GOES BACK
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function refund(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _refund(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrow
    function refundWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.provider, TermsLib.refund(id, cumulative, validUntil), validUntil, signature);
        _refund(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrow
    function cancel(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: the client at any time, anyone once the provider can no longer accept.
        if (block.timestamp < terms.acceptBy) _requireClient(id, terms);
        _cancel(id, terms, word);
    }

    /// @inheritdoc IEscrow
    function cancelWithSignature(Terms calldata terms, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.client, TermsLib.cancellation(id, validUntil), validUntil, signature);
        _cancel(id, terms, word);
    }

    /// @inheritdoc IEscrow
    function reclaim(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: accepted, and nothing was submitted in time.
        _requireStatus(id, word, Status.Accepted);
        if (block.timestamp < terms.deliverBy) revert Errors.Escrow_DeadlineNotReached(id, terms.deliverBy);
        _move(id, terms, word, 0, _left(terms, word), Outcome.Missed);
    }

    /// @inheritdoc IEscrow
    function split(
        Terms calldata terms,
        uint96 toProvider,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: the escrow is open and the parts are exactly what is left.
        _requireOpen(id, word);
        uint96 left = _left(terms, word);
        uint256 requested = uint256(toProvider) + toClient;
        if (requested != left) revert Errors.Escrow_SplitMismatch(id, requested, left);
        // Check: both parties signed.
        bytes32 structHash = TermsLib.split(id, toProvider, toClient, validUntil);
        _checkSignature(terms.client, structHash, validUntil, clientSignature);
        _checkSignature(terms.provider, structHash, validUntil, providerSignature);
        emit EscrowSplit({id: id, toProvider: toProvider, toClient: toClient});
        _move(id, terms, word, toProvider, toClient, Outcome.Settled);
    }

    /// @inheritdoc IEscrow
    function settleStake(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: closed, and the report is still owed.
        if (word.status() != Status.Closed || !word.hasFlag(EscrowWordLib.STAKE_LOCKED)) {
            revert Errors.Escrow_StakeNotPending(id);
        }
        // Effect: the report is no longer owed.
        word = word.withoutFlag(EscrowWordLib.STAKE_LOCKED);
        _words[id] = word;
        // Interaction: report, or revert with Reputation's reason.
        Address.functionCall(reputation, _report(id, terms, word));
    }

    /*////////////////////////////////////////////////////////////////////////
                                 ADMINISTRATION
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function setFee(uint16 feeBps_) external override onlyOwner {
        // Check: below the cap.
        if (feeBps_ > maxFeeBps) revert Errors.Escrow_FeeAboveCap(feeBps_, maxFeeBps);
        // Effect: for escrows funded from now on.
        feeBps = feeBps_;
        emit FeeChanged({feeBps: feeBps_});
    }

    /// @inheritdoc IEscrow
    function setFeeRecipient(address feeRecipient_) external override onlyOwner {
        // Check: fees have somewhere to go.
        if (feeRecipient_ == address(0)) revert Errors.Escrow_ZeroAddress();
        // Effect: for all fees from now on.
        feeRecipient = feeRecipient_;
        emit FeeRecipientChanged({feeRecipient: feeRecipient_});
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrow
    function escrowId(Terms calldata terms) external view override returns (bytes32) {
        return _hashTypedDataV4(terms.hash());
    }

    /// @inheritdoc IEscrow
    function stateOf(bytes32 id) external view override returns (EscrowState memory) {
        return _words[id].decode();
    }
}
