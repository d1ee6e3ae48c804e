// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reputation} from "./Reputation.sol";
import {Balances} from "./abstracts/Balances.sol";
import {EscrowCore} from "./abstracts/EscrowCore.sol";
import {EscrowSteps} from "./abstracts/EscrowSteps.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {Ledger} from "./abstracts/Ledger.sol";
import {IEscrowExtension} from "./interfaces/IEscrowExtension.sol";
import {IEscrowMain} from "./interfaces/IEscrowMain.sol";
import {Errors} from "./libraries/Errors.sol";
import {TermsLib} from "./libraries/TermsLib.sol";
import {Acceptance, EscrowConfig, Outcome, RoleSignature, Status, Terms} from "./types/EscrowTypes.sol";
import {EscrowWord} from "./types/EscrowWord.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Escrow
/// @notice See `IEscrow`.
///
/// ```
/// None --fund*--> Funded --accept (stake locked)--> Accepted --submit--> Submitted --dispute--> Challenged --respond-+
///                   |                                  |                    |     client, bond    |  provider, bond  |
///                   | cancel: client,                  | reclaim: anyone    | clock: anyone       | claimDefault:    |
///                   | anyone from acceptBy             | from deliverBy     |                     | anyone from clock|
///                   v                                  v                    v                     v                  |
///                 Closed <-- release, quorum (from Accepted, Submitted), refund, split (from all but Ruled) --       |
///                   ^                                                                                                |
///                   +------ resolveStalled: anyone from clock; execute: anyone ---- Disputed <-----------------------+
///                   |                                                                  |
///                   +------ execute: anyone ------------------- Ruled <--rule: arbiter-+
/// ```
///
/// @dev Money in this contract is the sum of what open escrows still hold, of the balances, of the fees not yet booked
/// into one, and of the clients' bonds. Every exit writes its word and its balances before it calls Reputation, and
/// needs nothing of that call: a failing Reputation leaves the STAKE_LOCKED flag set, `settleStake` repeats the report
/// later. No upgrade, no rescue of the token, no pause of exits.
///
/// The code is in two bodies, for one would be above the size limit: what this contract does not know it runs from
/// `extension`, an immutable address, on its own storage and under its own re-entrancy guard. Both bodies inherit
/// `EscrowCore` first, so the slots are the same, and no selector is in both. Selectors are compared one after the
/// other: views and what is rare are in the extension, for the daily functions pay for each before them.
///
/// The constructor creates Reputation (see there), and takes only an extension made for the same configuration, so
/// deploying extension and Escrow deterministically fixes all three.
contract Escrow is
    EscrowSteps, // 6 inherited components
    IEscrowMain, // 3 inherited components
    Ledger, // 4 inherited components
    Ownable2Step, // 1 inherited component
    GuardedInflow // 2 inherited components
{
    using TermsLib for Terms;

    /// @dev What an arbiter is asked, by ERC-1497. The case itself is what he gets with the dispute.
    // solhint-disable quotes
    string private constant META_EVIDENCE = "data:application/json,"
        '{"category":"Escrow","title":"Was the work delivered as agreed?","description":'
        '"The client paid for work that the terms of the escrow describe by their jobHash. The provider submitted a '
        'deliverable, the client disputes it.","question":"Who gets what is left of the price?","rulingOptions":'
        '{"type":"single-select","titles":["Client","Provider"],"descriptions":["The client gets it back.",'
        '"The provider is paid."]}}';
    // solhint-enable quotes

    /// @inheritdoc IEscrowMain
    address public immutable override reputation;
    /// @inheritdoc IEscrowMain
    address public immutable override extension;
    /// @inheritdoc IEscrowMain
    uint16 public immutable override maxFeeBps;

    /// @param config What this deployment fixes
    /// @param extension_ An `EscrowExtension` made for the same configuration
    constructor(EscrowConfig memory config, address extension_)
        EscrowCore(config)
        EIP712(DOMAIN_NAME, DOMAIN_VERSION)
        Ownable(config.admin)
        GuardedInflow(config.guardian)
    {
        // Check: the second body is there and has the same immutables.
        if (extension_.code.length == 0 || IEscrowExtension(extension_).configHash() != keccak256(abi.encode(config))) {
            revert Errors.Escrow_WrongExtension(extension_);
        }
        if (config.feeBps > config.maxFeeBps) revert Errors.Escrow_FeeAboveCap(config.feeBps, config.maxFeeBps);
        if (config.feeRecipient == address(0)) revert Errors.Escrow_ZeroAddress();
        extension = extension_;
        maxFeeBps = config.maxFeeBps;
        reputation = address(
            new Reputation({
                token_: config.token, guardian_: config.guardian, unbondingPeriod_: uint40(config.unbondingPeriod)
            })
        );
        _feeBps = config.feeBps;
        _fees.recipient = config.feeRecipient;
        emit FeeChanged({feeBps: config.feeBps});
        emit FeeRecipientChanged({feeRecipient: config.feeRecipient});
        emit MetaEvidence({metaEvidenceID: META_EVIDENCE_ID, evidence: META_EVIDENCE});
    }

    /// @notice Everything else is in the extension. Takes no native token.
    fallback() external {
        address target = extension;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(success) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowMain
    function fund(Terms calldata terms) external override nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        _requireClient(id, terms);
        // Interaction: pull the price.
        _pull(terms.client, terms.amount);
    }

    /// @inheritdoc IEscrowMain
    function fundFromBalance(Terms calldata terms) external override nonReentrant whenInflowsOpen returns (bytes32 id) {
        id = _open(terms);
        _requireClient(id, terms);
        // Effect: the price moves from the balance into the escrow.
        _debit(terms.client, terms.amount);
        emit BalanceSpent({account: terms.client, id: id, amount: terms.amount});
    }

    /// @inheritdoc IEscrowMain
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

    /// @inheritdoc IEscrowMain
    function accept(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _markAccepted(id, terms, word);
        _lockStake(id, terms);
    }

    /// @inheritdoc IEscrowMain
    function acceptWithSignature(Terms calldata terms, Acceptance calldata acceptance) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkAcceptance(id, terms, acceptance);
        _markAccepted(id, terms, word);
        _lockStake(id, terms);
    }

    /// @inheritdoc IEscrowMain
    function submit(Terms calldata terms, bytes32 deliverableHash) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _submit(id, terms, word, deliverableHash);
    }

    /// @inheritdoc IEscrowMain
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

    /// @inheritdoc IEscrowMain
    function release(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireClient(id, terms);
        _release(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrowMain
    function releaseWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.client, TermsLib.release(id, cumulative, validUntil), validUntil, signature);
        _release(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrowMain
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

    /// @inheritdoc IEscrowMain
    function releaseAndPay(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireClient(id, terms);
        uint96 step = _releaseStep(id, terms, word, cumulative);
        uint96 net;
        uint96 fee;
        (word, net, fee) = _bookRelease(id, terms, word, step);
        if (fee > 0) _accrue(fee);
        _finish(id, terms, word, Outcome.Completed);
        _payOrCredit(terms.provider, net);
    }

    /// @inheritdoc IEscrowMain
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

    /// @inheritdoc IEscrowMain
    function refund(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        _refund(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrowMain
    function refundWithSignature(Terms calldata terms, uint96 cumulative, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.provider, TermsLib.refund(id, cumulative, validUntil), validUntil, signature);
        _refund(id, terms, word, cumulative);
    }

    /// @inheritdoc IEscrowMain
    function refundAndPay(Terms calldata terms, uint96 cumulative) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        _requireProvider(id, terms);
        (uint96 step, Outcome outcome) = _refundStep(id, terms, word, cumulative);
        _finish(id, terms, _bookRefund(id, word, step), outcome);
        _payOrCredit(terms.client, step);
    }

    /// @inheritdoc IEscrowMain
    function cancel(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: the client at any time, anyone once the provider can no longer accept.
        if (block.timestamp < terms.acceptBy) _requireClient(id, terms);
        _cancel(id, terms, word);
    }

    /// @inheritdoc IEscrowMain
    function cancelWithSignature(Terms calldata terms, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        (bytes32 id, EscrowWord word) = _load(terms);
        _checkSignature(terms.client, TermsLib.cancellation(id, validUntil), validUntil, signature);
        _cancel(id, terms, word);
    }

    /// @inheritdoc IEscrowMain
    function reclaim(Terms calldata terms) external override nonReentrant {
        (bytes32 id, EscrowWord word) = _load(terms);
        // Check: accepted, and nothing was submitted in time.
        _requireStatus(id, word, Status.Accepted);
        if (block.timestamp < terms.deliverBy) revert Errors.Escrow_DeadlineNotReached(id, terms.deliverBy);
        _move(id, terms, word, 0, _left(terms, word), Outcome.Missed);
    }

    /*////////////////////////////////////////////////////////////////////////
                                 ADMINISTRATION
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEscrowMain
    function setFee(uint16 feeBps_) external override onlyOwner {
        // Check: below the cap.
        if (feeBps_ > maxFeeBps) revert Errors.Escrow_FeeAboveCap(feeBps_, maxFeeBps);
        // Effect: for escrows funded from now on.
        _feeBps = feeBps_;
        emit FeeChanged({feeBps: feeBps_});
    }

    /// @inheritdoc IEscrowMain
    function setFeeRecipient(address feeRecipient_) external override onlyOwner {
        // Check: fees have somewhere to go.
        if (feeRecipient_ == address(0)) revert Errors.Escrow_ZeroAddress();
        // Effect: what waits for the old one is his.
        address former = _fees.recipient;
        uint256 waiting = _gather(former);
        if (waiting > 0) _credit(former, waiting);
        // Effect: for all fees from now on.
        _fees.recipient = feeRecipient_;
        emit FeeRecipientChanged({feeRecipient: feeRecipient_});
    }

    /// @inheritdoc IEscrowMain
    function rescueToken(address token_, address to) external override onlyOwner nonReentrant {
        // Check: never the token people entrust here.
        if (token_ == _token) revert Errors.Escrow_TokenNotRescuable(token_);
        if (to == address(0)) revert Errors.Escrow_ZeroAddress();
        // Interaction: send it on.
        uint256 amount = SafeTransferLib.safeTransferAll(token_, to);
        emit TokenRescued({token: token_, to: to, amount: amount});
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Interaction: pays a wallet; if the token refuses, the money joins the balance and blocks nobody.
    function _payOrCredit(address account, uint96 amount) private {
        if (amount == 0) return;
        if (_tryPush(account, amount)) emit Withdrawn({account: account, to: account, amount: amount});
        else _credit(account, amount);
    }

    function _digest(bytes32 structHash) internal view override returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }

    function _reputation() internal view override returns (address) {
        return reputation;
    }

    function _gather(address account) internal override(Balances, EscrowCore) returns (uint256) {
        return EscrowCore._gather(account);
    }

    function _balanceOf(address account) internal view override(Balances, EscrowCore) returns (uint256) {
        return EscrowCore._balanceOf(account);
    }

    /// @dev The admin may unpause beside the guardian.
    function _inflowAdmin() internal view override returns (address) {
        return owner();
    }
}
