// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrable} from "../interfaces/IArbitrable.sol";
import {IArbitrator} from "../interfaces/IArbitrator.sol";
import {IEscrowExtension} from "../interfaces/IEscrowExtension.sol";
import {ArbiterLib} from "../libraries/ArbiterLib.sol";
import {Errors} from "../libraries/Errors.sol";
import {TermsLib} from "../libraries/TermsLib.sol";
import {BondAuthorization, DisputeState, Outcome, Status, Terms} from "../types/EscrowTypes.sol";
import {EscrowWord} from "../types/EscrowWord.sol";
import {EscrowCore} from "./EscrowCore.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title EscrowDisputes
/// @notice From a dispute to its end. See {IEscrowExtension}.
///
/// @dev An arbiter is named by both parties and may be hostile code if both are. Of what he answers nothing is asked
/// twice, and nothing is needed: after the clock an escrow ends without him. He is called once with state at stake, in
/// `createDispute`: the guard keeps him out of this contract meanwhile, he gets an allowance of exactly his fee, and
/// the balance must have fallen by exactly that.
abstract contract EscrowDisputes is
    IEscrowExtension, // 2 inherited components
    EscrowCore // 5 inherited components
{
    /// @dev Longest time an arbiter can give himself, seconds.
    uint256 private constant MAX_ARBITER_TIME = 180 days;

    uint256 private constant RULING_CLIENT = 1;
    uint256 private constant RULING_PROVIDER = 2;

    address private immutable _self = address(this);

    /// @dev This code works on the storage of Escrow only.
    modifier delegated() {
        _requireDelegated();
        _;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function dispute(Terms calldata terms, bytes32 evidenceHash) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireClient(id, terms);
        uint96 bond = _challenge(id, terms, word, evidenceHash);
        _bondFromBalance(id, terms, terms.client, bond);
    }

    /// @inheritdoc IEscrowExtension
    function disputeWithSignature(
        Terms calldata terms,
        bytes32 evidenceHash,
        uint40 validUntil,
        bytes calldata signature,
        BondAuthorization calldata bond
    ) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkConsent(terms.client, TermsLib.dispute(id, evidenceHash, validUntil), validUntil, signature);
        uint96 amount = _challenge(id, terms, word, evidenceHash);
        _takeBond(id, terms, terms.client, amount, bond);
    }

    /// @inheritdoc IEscrowExtension
    function respond(Terms calldata terms) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        (uint96 fee, uint40 decideBy) = _join(id, terms, word);
        _bondFromBalance(id, terms, terms.provider, fee);
        _createDispute(id, terms, fee, decideBy);
    }

    /// @inheritdoc IEscrowExtension
    function respondWithSignature(
        Terms calldata terms,
        uint40 validUntil,
        bytes calldata signature,
        BondAuthorization calldata bond
    ) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkConsent(terms.provider, TermsLib.response(id, validUntil), validUntil, signature);
        (uint96 fee, uint40 decideBy) = _join(id, terms, word);
        _takeBond(id, terms, terms.provider, fee, bond);
        _createDispute(id, terms, fee, decideBy);
    }

    /// @inheritdoc IEscrowExtension
    function claimDefault(Terms calldata terms) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: the provider let the response period run out.
        _requireStatus(id, word, Status.Challenged);
        if (block.timestamp < word.clock()) revert Errors.Escrow_ChallengeActive(id, word.clock());
        emit DisputeDefaulted({id: id, winner: terms.client});
        _move(id, terms, word, 0, _left(terms, word), Outcome.Lost);
    }

    /// @inheritdoc IArbitrable
    function rule(uint256 disputeID, uint256 ruling) external override delegated nonReentrant {
        // Check: a dispute of the caller.
        bytes32 id = _escrowOf[msg.sender][disputeID];
        if (id == 0) revert Errors.Escrow_CallerNotArbiter(id, msg.sender);
        EscrowWord word = _words[id];
        // Check: still open; a late ruling changes nothing and is no error.
        if (word.status() != Status.Disputed) return;
        if (ruling > RULING_PROVIDER) revert Errors.Escrow_InvalidRuling(ruling);
        // Effect: record it.
        _words[id] = word.withStatus(Status.Ruled).withRuling(uint8(ruling));
        emit Ruling({arbitrator: msg.sender, disputeID: disputeID, ruling: ruling});
    }

    /// @inheritdoc IEscrowExtension
    function execute(Terms calldata terms) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        if (word.status() == Status.Ruled) {
            _carryOut(id, terms, word, word.ruling());
            return;
        }
        // Check: the arbiter is done but did not deliver.
        _requireStatus(id, word, Status.Disputed);
        uint256 disputeId = _disputes[id].disputeId;
        (bool solved, uint256 ruling) = ArbiterLib.finalRuling(terms.arbiter, disputeId);
        if (!solved) revert Errors.Escrow_NotRuled(id);
        if (ruling > RULING_PROVIDER) revert Errors.Escrow_InvalidRuling(ruling);
        emit Ruling({arbitrator: terms.arbiter, disputeID: disputeId, ruling: ruling});
        _carryOut(id, terms, word, ruling);
    }

    /// @inheritdoc IEscrowExtension
    function resolveStalled(Terms calldata terms) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: the arbiter's time is over.
        _requireStatus(id, word, Status.Disputed);
        if (block.timestamp < word.clock()) revert Errors.Escrow_DeadlineNotReached(id, word.clock());
        uint256 disputeId = _disputes[id].disputeId;
        (bool solved, uint256 ruling) = ArbiterLib.finalRuling(terms.arbiter, disputeId);
        if (solved && ruling <= RULING_PROVIDER) {
            emit Ruling({arbitrator: terms.arbiter, disputeID: disputeId, ruling: ruling});
            _carryOut(id, terms, word, ruling);
        } else {
            _halve(id, terms, word, Outcome.Stalled);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function disputes(bytes32 id) external view override returns (DisputeState memory) {
        return _disputes[id];
    }

    /// @inheritdoc IEscrowExtension
    function escrowOfDispute(address arbiter, uint256 disputeId) external view override returns (bytes32) {
        return _escrowOf[arbiter][disputeId];
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev The account called, or signed the struct in this contract's domain.
    function _checkConsent(address account, bytes32 structHash, uint40 validUntil, bytes calldata signature)
        internal
        view
    {
        if (msg.sender != account) _checkSignature(account, structHash, validUntil, signature);
    }

    /// @dev Submitted to Challenged. The caller of this function takes the bond in the same transaction.
    function _challenge(bytes32 id, Terms calldata terms, EscrowWord word, bytes32 evidenceHash)
        private
        returns (uint96 bond)
    {
        // Check: a deliverable can be disputed, before an arbiter, in time.
        _requireStatus(id, word, Status.Submitted);
        if (block.timestamp >= word.clock()) revert Errors.Escrow_ChallengeOver(id, word.clock());
        if (terms.arbiter == address(0)) revert Errors.Escrow_NoArbiter(id);
        bond = ArbiterLib.cost(id, terms, _token);
        // Effect: the provider's time to answer starts.
        uint40 respondBy = uint40(block.timestamp + terms.challengePeriod);
        _words[id] = word.withStatus(Status.Challenged).withClock(respondBy);
        _disputes[id].clientBond = bond;
        emit DisputeRaised({id: id, by: terms.client, evidenceHash: evidenceHash, respondBy: respondBy});
    }

    /// @dev Challenged to Disputed. The caller of this function takes the fee and creates the dispute in the same
    /// transaction.
    function _join(bytes32 id, Terms calldata terms, EscrowWord word) private returns (uint96 fee, uint40 decideBy) {
        // Check: asked for an answer, and in time.
        _requireStatus(id, word, Status.Challenged);
        if (block.timestamp >= word.clock()) revert Errors.Escrow_ChallengeOver(id, word.clock());
        fee = ArbiterLib.cost(id, terms, _token);
        uint256 time = ArbiterLib.maxDuration(terms.arbiter, MAX_ARBITER_TIME);
        if (time < terms.disputeTimeout) time = terms.disputeTimeout;
        // Effect: the arbiter's time starts.
        decideBy = uint40(block.timestamp + time);
        _words[id] = word.withStatus(Status.Disputed).withClock(decideBy);
    }

    /// @dev Brings the dispute before the arbiter, for exactly his fee.
    function _createDispute(bytes32 id, Terms calldata terms, uint96 fee, uint40 decideBy) private {
        address arbiter = terms.arbiter;
        uint256 expected = IERC20(_token).balanceOf(address(this)) - fee;
        // Interaction: the arbiter takes his fee. What he does not take is not left to him.
        if (fee > 0) SafeTransferLib.safeApprove(_token, arbiter, fee);
        uint256 disputeId = IArbitrator(arbiter).createDispute(2, ArbiterLib.extraData(id, terms), IERC20(_token), fee);
        if (fee > 0) SafeTransferLib.safeApprove(_token, arbiter, 0);
        // Check: the fee, no more and no less.
        uint256 balance = IERC20(_token).balanceOf(address(this));
        if (balance != expected) revert Errors.Escrow_ArbiterFeeMismatch(id, balance, expected);
        // Check: a number of its own.
        if (disputeId > type(uint160).max || _escrowOf[arbiter][disputeId] != 0) {
            revert Errors.Escrow_DisputeIdTaken(arbiter, disputeId);
        }
        // Effect: remember it both ways. It is known only now; the guard has kept everybody out meanwhile.
        _escrowOf[arbiter][disputeId] = id;
        _disputes[id].disputeId = uint160(disputeId);
        emit Dispute({
            arbitrator: arbiter, disputeID: disputeId, metaEvidenceID: META_EVIDENCE_ID, evidenceGroupID: disputeId
        });
        emit DisputeJoined({id: id, disputeId: disputeId, decideBy: decideBy});
    }

    /// @dev A bond from wherever its owner wants.
    function _takeBond(
        bytes32 id,
        Terms calldata terms,
        address party,
        uint96 bond,
        BondAuthorization calldata authorization
    ) private {
        if (authorization.signature.length == 0) {
            _bondFromBalance(id, terms, party, bond);
            return;
        }
        emit BondPosted({id: id, party: party, amount: bond});
        // Interaction: pull it; value and nonce are signed, so it is this bond and this amount.
        _pullWithAuthorization({
            from: party,
            amount: bond,
            validAfter: 0,
            validBefore: authorization.validBefore,
            nonce: TermsLib.bondNonce(id, party),
            signature: authorization.signature
        });
    }

    /// @dev A bond from the balance of a party.
    function _bondFromBalance(bytes32 id, Terms calldata terms, address party, uint96 bond) private {
        // Check: not above the one amount the party has signed, whatever the arbiter asks for.
        if (bond > terms.amount) revert Errors.Escrow_BondAboveAmount(id, bond, terms.amount);
        emit BondPosted({id: id, party: party, amount: bond});
        if (bond == 0) return;
        // Effect: take it.
        _debit(party, bond);
        emit BalanceSpent({account: party, id: id, amount: bond});
    }

    /// @dev A valid ruling becomes money.
    function _carryOut(bytes32 id, Terms calldata terms, EscrowWord word, uint256 ruling) private {
        uint96 left = _left(terms, word);
        if (ruling == RULING_CLIENT) _move(id, terms, word, 0, left, Outcome.Lost);
        else if (ruling == RULING_PROVIDER) _move(id, terms, word, left, 0, Outcome.Won);
        else _halve(id, terms, word, Outcome.Tie);
    }

    /// @dev Half for each, an odd unit for the client.
    function _halve(bytes32 id, Terms calldata terms, EscrowWord word, Outcome outcome) private {
        uint96 left = _left(terms, word);
        _move(id, terms, word, left / 2, left - left / 2, outcome);
    }

    function _requireDelegated() private view {
        if (address(this) == _self) revert Errors.Escrow_DirectCall();
    }
}
