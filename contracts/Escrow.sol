// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reputation} from "./Reputation.sol";
import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {Ledger} from "./abstracts/Ledger.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {StakeMath} from "./libraries/StakeMath.sol";
import {TermsLib} from "./libraries/TermsLib.sol";
import {
    Acceptance,
    EscrowConfig,
    EscrowState,
    Outcome,
    Role,
    RoleSignature,
    Status,
    Terms
} from "./types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "./types/EscrowWord.sol";
import {StakeResult} from "./types/StakeTypes.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

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
    IEscrow, // 2 inherited components
    Ledger, // 4 inherited components
    Ownable2Step, // 1 inherited component
    GuardedInflow // 1 inherited component
{
    using EscrowWordLib for EscrowWord;
    using TermsLib for Terms;

    /// @dev Gas given to Reputation when an escrow closes: twice what its dearest report takes under Polygon's prices.
    uint256 private constant REPORT_GAS = 200_000;

    /// @dev Gas that must be left before a report: the 63/64 rule, and what follows a failed one.
    uint256 private constant REPORT_RESERVE = REPORT_GAS + REPORT_GAS / 63 + 20_000;

    /// @inheritdoc IEscrow
    address public immutable override reputation;
    /// @inheritdoc IEscrow
    uint16 public immutable override maxFeeBps;
    /// @inheritdoc IEscrow
    uint32 public immutable override minChallengePeriod;
    /// @inheritdoc IEscrow
    uint32 public immutable override maxChallengePeriod;
    /// @inheritdoc IEscrow
    uint32 public immutable override maxAcceptWindow;
    /// @inheritdoc IEscrow
    uint32 public immutable override maxDeliverWindow;
    /// @inheritdoc IEscrow
    uint32 public immutable override maxDisputeTimeout;

    /// @inheritdoc IEscrow
    /// @dev Shares its slot with `inflowsPaused`.
    uint16 public override feeBps;
    /// @inheritdoc IEscrow
    address public override feeRecipient;

    mapping(bytes32 id => EscrowWord word) private _words;

    /// @param config What this deployment fixes
    constructor(EscrowConfig memory config)
        Funding(config.token)
        EIP712("AICP Escrow", "1")
        Ownable(config.admin)
        GuardedInflow(config.guardian)
    {
        maxFeeBps = config.maxFeeBps;
        minChallengePeriod = config.minChallengePeriod;
        maxChallengePeriod = config.maxChallengePeriod;
        maxAcceptWindow = config.maxAcceptWindow;
        maxDeliverWindow = config.maxDeliverWindow;
        maxDisputeTimeout = config.maxDisputeTimeout;
        reputation = address(
            new Reputation({
                token_: config.token, guardian_: config.guardian, unbondingPeriod_: uint40(config.unbondingPeriod)
            })
        );
        if (config.feeBps > config.maxFeeBps) revert Errors.Escrow_FeeAboveCap(config.feeBps, config.maxFeeBps);
        if (config.feeRecipient == address(0)) revert Errors.Escrow_ZeroAddress();
        feeBps = config.feeBps;
        feeRecipient = config.feeRecipient;
        emit FeeChanged({feeBps: config.feeBps});
        emit FeeRecipientChanged({feeRecipient: config.feeRecipient});
    }

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

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: STATE CHANGES
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Brings an escrow to life. The caller of this function brings the money in the same transaction.
    function _open(Terms calldata terms) private returns (bytes32 id) {
        // Check: the terms are sound here and now.
        terms.checkParties();
        _checkWindows(terms);
        if (terms.feeBps != feeBps) revert Errors.Escrow_FeeMismatch(terms.feeBps, feeBps);
        // Check: never funded.
        id = _hashTypedDataV4(terms.hash());
        if (EscrowWord.unwrap(_words[id]) != 0) revert Errors.Escrow_AlreadyExists(id);
        // Effect: open it.
        _words[id] = EscrowWord.wrap(0).withStatus(Status.Funded);
        emit EscrowFunded({id: id, client: terms.client, provider: terms.provider, terms: terms});
    }

    /// @dev Funded to Accepted. The stake is locked by the caller of this function in the same transaction.
    function _markAccepted(bytes32 id, Terms calldata terms, EscrowWord word) private {
        // Check: funded, and in time.
        _requireStatus(id, word, Status.Funded);
        if (block.timestamp >= terms.acceptBy) revert Errors.Escrow_DeadlinePassed(id, terms.acceptBy);
        // Effect: accepted, with a stake to settle at the end.
        _words[id] = word.withStatus(Status.Accepted).withFlag(EscrowWordLib.ACCEPTED | EscrowWordLib.STAKE_LOCKED);
        emit EscrowAccepted({id: id, stake: StakeMath.required(terms.amount)});
    }

    /// @dev Accepted to Submitted.
    function _submit(bytes32 id, Terms calldata terms, EscrowWord word, bytes32 deliverableHash) private {
        // Check: at work, and in time.
        _requireStatus(id, word, Status.Accepted);
        if (block.timestamp >= terms.deliverBy) revert Errors.Escrow_DeadlinePassed(id, terms.deliverBy);
        // Effect: start the clock.
        uint40 endsAt = uint40(block.timestamp + terms.challengePeriod);
        _words[id] = word.withStatus(Status.Submitted).withClock(endsAt);
        emit WorkSubmitted({id: id, deliverableHash: deliverableHash, challengeEndsAt: endsAt});
    }

    /// @dev Raises the released total.
    function _release(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) private {
        // Check: at work or submitted.
        Status status = word.status();
        if (status != Status.Accepted && status != Status.Submitted) revert Errors.Escrow_WrongStatus(id, status);
        uint96 step = _step(id, word.released(), cumulative, terms.amount - word.refunded());
        _move(id, terms, word, step, 0, Outcome.Completed);
    }

    /// @dev Raises the refunded total.
    function _refund(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) private {
        _requireOpen(id, word);
        uint96 step = _step(id, word.refunded(), cumulative, terms.amount - word.released());
        Outcome outcome = Outcome.Returned;
        if (word.status() == Status.Funded) outcome = Outcome.Cancelled;
        if (word.status() == Status.Accepted && block.timestamp >= terms.deliverBy) outcome = Outcome.Missed;
        _move(id, terms, word, 0, step, outcome);
    }

    /// @dev Funded to Closed.
    function _cancel(bytes32 id, Terms calldata terms, EscrowWord word) private {
        _requireStatus(id, word, Status.Funded);
        _move(id, terms, word, 0, _left(terms, word), Outcome.Cancelled);
    }

    /// @dev The only place where escrowed money moves: into balances, never out of the contract. Closes the escrow with
    /// `outcome` when nothing is left.
    function _move(
        bytes32 id,
        Terms calldata terms,
        EscrowWord word,
        uint96 toProvider,
        uint96 toClient,
        Outcome outcome
    ) private {
        // Effect: credit the provider, and the fee as the difference of cumulative fees.
        if (toProvider > 0) {
            uint96 before = word.released();
            uint256 fee = FeeMath.ofStep(before, before + toProvider, terms.feeBps);
            word = word.withReleased(before + toProvider);
            _credit(terms.provider, toProvider - fee);
            if (fee > 0) _credit(feeRecipient, fee);
            emit EscrowReleased({id: id, amount: toProvider, fee: uint96(fee)});
        }
        // Effect: credit the client.
        if (toClient > 0) {
            word = word.withRefunded(word.refunded() + toClient);
            _credit(terms.client, toClient);
            emit EscrowRefunded({id: id, amount: toClient});
        }
        if (_left(terms, word) > 0) {
            _words[id] = word;
            return;
        }
        // Effect: close, taking for granted that the report succeeds.
        bool owed = word.hasFlag(EscrowWordLib.STAKE_LOCKED);
        word = word.withStatus(Status.Closed).withOutcome(outcome).withoutFlag(EscrowWordLib.STAKE_LOCKED);
        _words[id] = word;
        emit EscrowClosed({id: id});
        // Interaction: report to Reputation.
        if (owed) _tryReport(id, terms, word);
    }

    /// @dev Reports the end to Reputation with a fixed amount of gas. A failure is noted and blocks nothing; a caller
    /// who brings too little gas reverts instead, so he cannot cause that failure.
    function _tryReport(bytes32 id, Terms calldata terms, EscrowWord word) private {
        bytes memory report = _report(id, terms, word);
        // Check: the report gets all of its gas.
        if (gasleft() < REPORT_RESERVE) revert Errors.Escrow_InsufficientGas(gasleft(), REPORT_RESERVE);
        // Interaction: report.
        (bool success,) = reputation.call{gas: REPORT_GAS}(report);
        if (success) return;
        // Effect: still owed.
        _words[id] = word.withFlag(EscrowWordLib.STAKE_LOCKED);
        emit StakeSettlementFailed({id: id});
    }

    /// @dev Interaction: lock the provider's stake, or revert with Reputation's reason.
    function _lockStake(bytes32 id, Terms calldata terms) private {
        IReputation(reputation).lock({agent: terms.provider, escrowId: id, amount: StakeMath.required(terms.amount)});
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: CHECKS AND READS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Id and word of the escrow with these terms.
    function _load(Terms calldata terms) private view returns (bytes32 id, EscrowWord word) {
        id = _hashTypedDataV4(terms.hash());
        word = _words[id];
    }

    /// @dev Base units neither released nor refunded.
    function _left(Terms calldata terms, EscrowWord word) private pure returns (uint96) {
        return terms.amount - word.released() - word.refunded();
    }

    /// @dev Difference between a cumulative amount and the current one, checked against the most it may reach.
    function _step(bytes32 id, uint96 current, uint96 cumulative, uint96 available) private pure returns (uint96) {
        // Check: forward, and not too far.
        if (cumulative <= current) revert Errors.Escrow_NotIncreasing(id, current, cumulative);
        if (cumulative > available) revert Errors.Escrow_ReleaseExceedsAmount(id, cumulative, available);
        return cumulative - current;
    }

    /// @dev Calldata of the call that tells Reputation the end of a closed escrow.
    function _report(bytes32 id, Terms calldata terms, EscrowWord word) private pure returns (bytes memory) {
        StakeResult memory result = StakeResult({
            agent: terms.provider,
            escrowId: id,
            lockAmount: StakeMath.required(terms.amount),
            outcome: Outcome(word.ruling()),
            settledValue: word.released()
        });
        (uint96 toClient, uint96 toPool) =
            StakeMath.slashed(result.lockAmount, result.outcome, word.refunded(), terms.amount);
        if (toClient + toPool > 0) {
            return abi.encodeCall(IReputation.slash, (result, terms.client, toClient, toPool));
        }
        uint96 cap = result.outcome == Outcome.Completed
            ? StakeMath.bonusCap(result.lockAmount, FeeMath.cumulative(word.released(), terms.feeBps))
            : 0;
        return abi.encodeCall(IReputation.unlock, (result, cap));
    }

    /// @dev Deadlines in order and within the bounds of this deployment.
    function _checkWindows(Terms calldata terms) private view {
        uint256 nowSeconds = block.timestamp;
        if (
            terms.acceptBy <= nowSeconds || terms.acceptBy > nowSeconds + maxAcceptWindow
                || terms.deliverBy <= terms.acceptBy || terms.deliverBy > nowSeconds + maxDeliverWindow
                || terms.challengePeriod < minChallengePeriod || terms.challengePeriod > maxChallengePeriod
                || terms.disputeTimeout > maxDisputeTimeout
        ) revert Errors.Escrow_InvalidWindow();
    }

    function _requireClient(bytes32 id, Terms calldata terms) private view {
        if (msg.sender != terms.client) revert Errors.Escrow_CallerNotClient(id, msg.sender);
    }

    function _requireProvider(bytes32 id, Terms calldata terms) private view {
        if (msg.sender != terms.provider) revert Errors.Escrow_CallerNotProvider(id, msg.sender);
    }

    function _requireStatus(bytes32 id, EscrowWord word, Status expected) private pure {
        if (word.status() != expected) revert Errors.Escrow_WrongStatus(id, word.status());
    }

    /// @dev Funded, Accepted or Submitted.
    function _requireOpen(bytes32 id, EscrowWord word) private pure {
        Status status = word.status();
        if (status == Status.None || status > Status.Submitted) revert Errors.Escrow_WrongStatus(id, status);
    }

    function _checkAcceptance(bytes32 id, Terms calldata terms, Acceptance calldata acceptance) private view {
        uint40 validUntil = acceptance.validUntil;
        _checkSignature(terms.provider, TermsLib.acceptance(id, validUntil), validUntil, acceptance.signature);
    }

    /// @dev `signer` signed the struct in this contract's domain, and it still counts.
    function _checkSignature(address signer, bytes32 structHash, uint40 validUntil, bytes calldata signature)
        private
        view
    {
        if (block.timestamp > validUntil) revert Errors.Escrow_SignatureExpired(validUntil);
        if (!SignatureLib.isValid(signer, _hashTypedDataV4(structHash), signature)) {
            revert Errors.Escrow_InvalidSignature(signer);
        }
    }

    /// @dev Enough different roles signed, one of them not the provider.
    function _checkQuorum(
        bytes32 id,
        Terms calldata terms,
        bytes32 structHash,
        uint40 validUntil,
        RoleSignature[] calldata signatures
    ) private view {
        bool independent;
        for (uint256 i = 0; i < signatures.length; ++i) {
            Role role = signatures[i].role;
            address signer = terms.signerOf(role);
            // Check: ascending roles, so that nobody counts twice; the parties of valid terms are all different.
            if (i > 0 && role <= signatures[i - 1].role) revert Errors.Escrow_DuplicateSigner(id, signer);
            _checkSignature(signer, structHash, validUntil, signatures[i].signature);
            if (role != Role.Provider) independent = true;
        }
        // Check: enough of them, and never the provider for himself.
        if (terms.quorum == 0 || signatures.length < terms.quorum || !independent) {
            revert Errors.Escrow_QuorumNotMet(id, signatures.length, terms.quorum);
        }
    }

    /// @dev The admin may unpause beside the guardian.
    function _inflowAdmin() internal view override returns (address) {
        return owner();
    }
}
