// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EscrowCore} from "./abstracts/EscrowCore.sol";
import {EscrowDisputes} from "./abstracts/EscrowDisputes.sol";
import {IBonusGate} from "./interfaces/IBonusGate.sol";
import {IEscrowExtension} from "./interfaces/IEscrowExtension.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {Errors} from "./libraries/Errors.sol";
import {TermsLib} from "./libraries/TermsLib.sol";
import {EscrowConfig, EscrowState, Outcome, Status, Terms} from "./types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "./types/EscrowWord.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title EscrowExtension
/// @notice Second code body of Escrow, see `IEscrowExtension`.
///
/// @dev Escrow runs this code on its own storage and for its own address; called directly it refuses. It holds no money
/// and its own storage stays empty. What it has as immutables comes from the same configuration as Escrow's, which
/// Escrow checks when it is made; the signing domain and Reputation follow the address it runs for.
contract EscrowExtension is
    EscrowDisputes // 8 inherited components
{
    using TermsLib for Terms;

    uint8 private constant MAX_SCORE = 100;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @inheritdoc IEscrowExtension
    bytes32 public immutable override configHash;

    /// @param config What the Escrow fixes that will run this code
    constructor(EscrowConfig memory config) EscrowCore(config) {
        configHash = keccak256(abi.encode(config));
    }

    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function fundFromBalanceWithSignature(Terms calldata terms, uint40 validUntil, bytes calldata signature)
        external
        override
        delegated
        nonReentrant
        whenInflowsOpen
        returns (bytes32 id)
    {
        id = _open(terms);
        _checkSignature(terms.client, TermsLib.fund(id, validUntil), validUntil, signature);
        // Effect: the price moves from the balance into the escrow.
        _debit(terms.client, terms.amount);
        emit BalanceSpent({account: terms.client, id: id, amount: terms.amount});
    }

    /// @inheritdoc IEscrowExtension
    function fundWithPermit(
        Terms calldata terms,
        uint256 value,
        uint256 deadline,
        bytes calldata permitSignature,
        uint40 validUntil,
        bytes calldata fundSignature
    ) external override delegated nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        // Check: the client wants this escrow; a permit alone does not say so.
        _checkConsent(terms.client, TermsLib.fund(id, validUntil), validUntil, fundSignature);
        // Interaction: the permit, and pull the price.
        _pullWithPermit({
            from: terms.client, amount: terms.amount, value: value, deadline: deadline, signature: permitSignature
        });
    }

    /// @inheritdoc IEscrowExtension
    function fundWithPermit2(Terms calldata terms, uint256 nonce, uint256 deadline, bytes calldata signature)
        external
        override
        delegated
        nonReentrant
        whenInflowsOpen
        returns (bytes32 id)
    {
        id = _open(terms);
        // Interaction: pull the price; the witness is the id, so the client has signed these terms.
        _pullWithPermit2({
            from: terms.client,
            amount: terms.amount,
            nonce: nonce,
            deadline: deadline,
            witness: TermsLib.witness(id),
            witnessTypeString: TermsLib.WITNESS_TYPE,
            signature: signature
        });
    }

    /*////////////////////////////////////////////////////////////////////////
                                     RELEASE
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function releaseBatch(Terms[] calldata rows) external override delegated nonReentrant {
        bytes32[] memory ids = new bytes32[](rows.length);
        EscrowWord[] memory words = new EscrowWord[](rows.length);
        address provider;
        uint256 earned;
        uint96 fees;
        // Effect: every row, then one write for each run of rows with the same provider, and one for the fees.
        for (uint256 i = 0; i < rows.length; ++i) {
            Terms calldata terms = rows[i];
            (bytes32 id, EscrowWord word) = _load(terms);
            bytes4 reason = _refusal(terms, word);
            if (reason != 0) {
                emit RowSkipped({index: i, reason: reason});
                continue;
            }
            uint96 net;
            uint96 fee;
            (word, net, fee) = _bookRelease(id, terms, word, _left(terms, word));
            fees += fee;
            if (terms.provider != provider) {
                if (earned > 0) _credit(provider, earned);
                provider = terms.provider;
                earned = 0;
            }
            earned += net;
            bool owed = word.hasFlag(EscrowWordLib.STAKE_LOCKED);
            words[i] = _close(id, word, Outcome.Completed);
            if (owed) ids[i] = id;
        }
        if (earned > 0) _credit(provider, earned);
        if (fees > 0) _accrue(fees);
        // Interaction: report to Reputation.
        for (uint256 i = 0; i < rows.length; ++i) {
            if (ids[i] != 0) _tryReport(ids[i], rows[i], words[i]);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                  SETTLEMENT, RATING
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function split(
        Terms calldata terms,
        uint96 toProvider,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) external override delegated nonReentrant {
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

    /// @inheritdoc IEscrowExtension
    function settleStake(Terms calldata terms) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: closed, and the report is still owed.
        if (word.status() != Status.Closed || !word.hasFlag(EscrowWordLib.STAKE_LOCKED)) {
            revert Errors.Escrow_StakeNotPending(id);
        }
        // Effect: the report is no longer owed.
        word = word.withoutFlag(EscrowWordLib.STAKE_LOCKED);
        _words[id] = word;
        // Interaction: report, or revert with Reputation's reason.
        bytes memory answer = Address.functionCall(_reputation(), _report(id, terms, word));
        _followPool(abi.decode(answer, (uint256)));
    }

    /// @inheritdoc IBonusGate
    function noteBonusPool() external override delegated nonReentrant {
        // Effect: what Reputation says now.
        _fees.bonusOpen = IReputation(_reputation()).bonusPool() > 0;
    }

    /// @inheritdoc IEscrowExtension
    function rate(Terms calldata terms, uint8 score, bytes32 commentHash) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _rate(id, terms, word, msg.sender, score, commentHash);
    }

    /// @inheritdoc IEscrowExtension
    function rateWithSignature(
        Terms calldata terms,
        address rater,
        uint8 score,
        bytes32 commentHash,
        uint40 validUntil,
        bytes calldata signature
    ) external override delegated nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(rater, TermsLib.rating(id, score, commentHash, validUntil), validUntil, signature);
        _rate(id, terms, word, rater, score, commentHash);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowExtension
    function escrowId(Terms calldata terms) external view override returns (bytes32) {
        return _digest(terms.hash());
    }

    /// @inheritdoc IEscrowExtension
    function stateOf(bytes32 id) external view override returns (EscrowState memory) {
        return _words[id].decode();
    }

    /// @inheritdoc IEscrowExtension
    function feeBps() external view override returns (uint16) {
        return _feeBps;
    }

    /// @inheritdoc IEscrowExtension
    function feeRecipient() external view override returns (address) {
        return _fees.recipient;
    }

    /// @inheritdoc IEscrowExtension
    function minChallengePeriod() external view override returns (uint32) {
        return _minChallengePeriod;
    }

    /// @inheritdoc IEscrowExtension
    function maxChallengePeriod() external view override returns (uint32) {
        return _maxChallengePeriod;
    }

    /// @inheritdoc IEscrowExtension
    function maxAcceptWindow() external view override returns (uint32) {
        return _maxAcceptWindow;
    }

    /// @inheritdoc IEscrowExtension
    function maxDeliverWindow() external view override returns (uint32) {
        return _maxDeliverWindow;
    }

    /// @inheritdoc IEscrowExtension
    function maxDisputeTimeout() external view override returns (uint32) {
        return _maxDisputeTimeout;
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev One rating of one side.
    function _rate(bytes32 id, Terms calldata terms, EscrowWord word, address rater, uint8 score, bytes32 commentHash)
        private
    {
        // Check: over, and it was a deal.
        _requireStatus(id, word, Status.Closed);
        if (!word.hasFlag(EscrowWordLib.ACCEPTED)) revert Errors.Escrow_NotAccepted(id);
        // Check: a party, for the first time.
        bool byClient = rater == terms.client;
        if (!byClient && rater != terms.provider) revert Errors.Escrow_CallerNotParty(id, rater);
        uint8 flag = byClient ? EscrowWordLib.RATED_BY_CLIENT : EscrowWordLib.RATED_BY_PROVIDER;
        if (word.hasFlag(flag)) revert Errors.Escrow_AlreadyRated(id, rater);
        // Check: on the scale.
        if (score > MAX_SCORE) revert Errors.Escrow_ScoreOutOfRange(score);
        // Effect: this side has rated.
        _words[id] = word.withFlag(flag);
        emit Rated({
            id: id,
            rater: rater,
            ratee: byClient ? terms.provider : terms.client,
            score: score,
            commentHash: commentHash,
            settledValue: word.released()
        });
    }

    /// @dev Why a row of a batch cannot be released, 0 if it can.
    function _refusal(Terms calldata terms, EscrowWord word) private view returns (bytes4) {
        if (msg.sender != terms.client) return Errors.Escrow_CallerNotClient.selector;
        Status status = word.status();
        if (status != Status.Accepted && status != Status.Submitted) return Errors.Escrow_WrongStatus.selector;
        return 0;
    }

    /// @dev EIP-712 digest in the domain of the contract this code runs for.
    function _digest(bytes32 structHash) internal view override returns (bytes32 digest) {
        bytes32 separator = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256(bytes(DOMAIN_NAME)),
                keccak256(bytes(DOMAIN_VERSION)),
                block.chainid,
                address(this)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev The first contract that the one this code runs for has created.
    function _reputation() internal view override returns (address created) {
        assembly ("memory-safe") {
            // The list of the address and the nonce 1, by the rules of CREATE.
            mstore(0x00, or(or(shl(240, 0xd694), shl(80, address())), shl(72, 0x01)))
            created := and(keccak256(0x00, 23), sub(shl(160, 1), 1))
        }
    }
}
