// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reputation} from "../Reputation.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IReputation} from "../interfaces/IReputation.sol";
import {Errors} from "../libraries/Errors.sol";
import {FeeMath} from "../libraries/FeeMath.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {StakeMath} from "../libraries/StakeMath.sol";
import {TermsLib} from "../libraries/TermsLib.sol";
import {Acceptance, EscrowConfig, Outcome, Role, RoleSignature, Status, Terms} from "../types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "../types/EscrowWord.sol";
import {StakeResult} from "../types/StakeTypes.sol";
import {Funding} from "./Funding.sol";
import {GuardedInflow} from "./GuardedInflow.sol";
import {Ledger} from "./Ledger.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title EscrowCore
/// @notice What the functions of Escrow are made of: state changes, checks, and the report to Reputation.
abstract contract EscrowCore is
    IEscrow, // 2 inherited components
    Ledger, // 4 inherited components
    Ownable2Step, // 1 inherited component
    GuardedInflow // 1 inherited component
{
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

    mapping(bytes32 id => EscrowWord word) internal _words;

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
                              INTERNALS: STATE CHANGES
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Brings an escrow to life. The caller of this function brings the money in the same transaction.
    function _open(Terms calldata terms) internal returns (bytes32 id) {
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

    /// @dev Raises the released total.
    function _release(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) internal {
        // Check: at work or submitted.
        Status status = word.status();
        if (status != Status.Accepted && status != Status.Submitted) revert Errors.Escrow_WrongStatus(id, status);
        uint96 step = _step(id, word.released(), cumulative, terms.amount - word.refunded());
        _move(id, terms, word, step, 0, Outcome.Completed);
    }

    /// @dev Raises the refunded total.
    function _refund(bytes32 id, Terms calldata terms, EscrowWord word, uint96 cumulative) internal {
        _requireOpen(id, word);
        uint96 step = _step(id, word.refunded(), cumulative, terms.amount - word.released());
        Outcome outcome = Outcome.Returned;
        if (word.status() == Status.Funded) outcome = Outcome.Cancelled;
        if (word.status() == Status.Accepted && block.timestamp >= terms.deliverBy) outcome = Outcome.Missed;
        _move(id, terms, word, 0, step, outcome);
    }

    /// @dev Funded to Closed.
    function _cancel(bytes32 id, Terms calldata terms, EscrowWord word) internal {
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
    ) internal {
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
    function _tryReport(bytes32 id, Terms calldata terms, EscrowWord word) internal {
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
    function _lockStake(bytes32 id, Terms calldata terms) internal {
        IReputation(reputation).lock({agent: terms.provider, escrowId: id, amount: StakeMath.required(terms.amount)});
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: CHECKS AND READS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Id and word of the escrow with these terms.
    function _load(Terms calldata terms) internal view returns (bytes32 id, EscrowWord word) {
        id = _hashTypedDataV4(terms.hash());
        word = _words[id];
    }

    /// @dev Base units neither released nor refunded.
    function _left(Terms calldata terms, EscrowWord word) internal pure returns (uint96) {
        return terms.amount - word.released() - word.refunded();
    }

    /// @dev Difference between a cumulative amount and the current one, checked against the most it may reach.
    function _step(bytes32 id, uint96 current, uint96 cumulative, uint96 available) internal pure returns (uint96) {
        // Check: forward, and not too far.
        if (cumulative <= current) revert Errors.Escrow_NotIncreasing(id, current, cumulative);
        if (cumulative > available) revert Errors.Escrow_ReleaseExceedsAmount(id, cumulative, available);
        return cumulative - current;
    }

    /// @dev Calldata of the call that tells Reputation the end of a closed escrow.
    function _report(bytes32 id, Terms calldata terms, EscrowWord word) internal pure returns (bytes memory) {
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
    function _checkWindows(Terms calldata terms) internal view {
        uint256 nowSeconds = block.timestamp;
        if (
            terms.acceptBy <= nowSeconds || terms.acceptBy > nowSeconds + maxAcceptWindow
                || terms.deliverBy <= terms.acceptBy || terms.deliverBy > nowSeconds + maxDeliverWindow
                || terms.challengePeriod < minChallengePeriod || terms.challengePeriod > maxChallengePeriod
                || terms.disputeTimeout > maxDisputeTimeout
        ) revert Errors.Escrow_InvalidWindow();
    }

    function _requireClient(bytes32 id, Terms calldata terms) internal view {
        if (msg.sender != terms.client) revert Errors.Escrow_CallerNotClient(id, msg.sender);
    }

    function _requireProvider(bytes32 id, Terms calldata terms) internal view {
        if (msg.sender != terms.provider) revert Errors.Escrow_CallerNotProvider(id, msg.sender);
    }

    function _requireStatus(bytes32 id, EscrowWord word, Status expected) internal pure {
        if (word.status() != expected) revert Errors.Escrow_WrongStatus(id, word.status());
    }

    /// @dev Funded, Accepted or Submitted.
    function _requireOpen(bytes32 id, EscrowWord word) internal pure {
        Status status = word.status();
        if (status == Status.None || status > Status.Submitted) revert Errors.Escrow_WrongStatus(id, status);
    }

    function _checkAcceptance(bytes32 id, Terms calldata terms, Acceptance calldata acceptance) internal view {
        uint40 validUntil = acceptance.validUntil;
        _checkSignature(terms.provider, TermsLib.acceptance(id, validUntil), validUntil, acceptance.signature);
    }

    /// @dev `signer` signed the struct in this contract's domain, and it still counts.
    function _checkSignature(address signer, bytes32 structHash, uint40 validUntil, bytes calldata signature)
        internal
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
    ) internal view {
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
