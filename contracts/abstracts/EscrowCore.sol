// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrowEvents} from "../interfaces/IEscrowEvents.sol";
import {IReputation} from "../interfaces/IReputation.sol";
import {Errors} from "../libraries/Errors.sol";
import {FeeMath} from "../libraries/FeeMath.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {StakeMath} from "../libraries/StakeMath.sol";
import {TermsLib} from "../libraries/TermsLib.sol";
import {DisputeState, EscrowConfig, FeeState, Outcome, Status, Terms} from "../types/EscrowTypes.sol";
import {EscrowWord, EscrowWordLib} from "../types/EscrowWord.sol";
import {PoolChange} from "../types/StakeTypes.sol";
import {Balances} from "./Balances.sol";
import {Funding} from "./Funding.sol";
import {InflowGate} from "./InflowGate.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title EscrowCore
/// @notice What both code bodies of Escrow share: the storage and its layout, the state changes that move money, the
/// checks, and the report to Reputation.
///
/// @dev Every variable the extension may touch is declared here or in a base of this contract, and both bodies inherit
/// this first, so their slots are the same; Escrow's own variables follow behind. No external function.
abstract contract EscrowCore is
    IEscrowEvents, // 0 inherited components
    Funding, // 0 inherited components
    Balances, // 1 inherited component
    InflowGate // 0 inherited components
{
    using TermsLib for Terms;

    string internal constant DOMAIN_NAME = "AICP Escrow";
    string internal constant DOMAIN_VERSION = "1";

    /// @dev All disputes are about the same question.
    uint256 internal constant META_EVIDENCE_ID = 0;

    /// @dev Gas given to Reputation when an escrow closes: twice what its dearest report takes under Polygon's prices.
    uint256 private constant REPORT_GAS = 200_000;

    /// @dev Gas that must be left before a report: the 63/64 rule, and what follows a failed one.
    uint256 private constant REPORT_RESERVE = REPORT_GAS + REPORT_GAS / 63 + 20_000;

    uint32 internal immutable _minChallengePeriod;
    uint32 internal immutable _maxChallengePeriod;
    uint32 internal immutable _maxAcceptWindow;
    uint32 internal immutable _maxDeliverWindow;
    uint32 internal immutable _maxDisputeTimeout;

    /// @dev Shares its slot with the flag of {InflowGate}.
    uint16 internal _feeBps;

    FeeState internal _fees;

    mapping(bytes32 id => EscrowWord word) internal _words;

    mapping(bytes32 id => DisputeState state) internal _disputes;

    mapping(address arbiter => mapping(uint256 disputeId => bytes32 id)) internal _escrowOf;

    /// @param config What this deployment fixes
    constructor(EscrowConfig memory config) Funding(config.token) {
        _minChallengePeriod = config.minChallengePeriod;
        _maxChallengePeriod = config.maxChallengePeriod;
        _maxAcceptWindow = config.maxAcceptWindow;
        _maxDeliverWindow = config.maxDeliverWindow;
        _maxDisputeTimeout = config.maxDisputeTimeout;
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: STATE CHANGES
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Brings an escrow to life. The caller of this function brings the money in the same transaction.
    function _open(Terms calldata terms) internal returns (bytes32 id) {
        // Check: the terms are sound here and now.
        terms.checkParties();
        _checkWindows(terms);
        if (terms.feeBps != _feeBps) revert Errors.Escrow_FeeMismatch(terms.feeBps, _feeBps);
        // Check: never funded.
        id = _digest(terms.hash());
        if (EscrowWord.unwrap(_words[id]) != 0) revert Errors.Escrow_AlreadyExists(id);
        // Effect: open it.
        _words[id] = EscrowWord.wrap(0).withStatus(Status.Funded);
        _emitFunded(id, terms);
    }

    /// @dev Emits {EscrowFunded} with the terms as they lie in calldata. The checks of {_open} have read every field by
    /// its type and reverted on dirty upper bits, so this is what the compiler would encode, word by word.
    function _emitFunded(bytes32 id, Terms calldata terms) private {
        (bytes32 topic, address client, address provider) = (EscrowFunded.selector, terms.client, terms.provider);
        uint256 size = TermsLib.TERMS_SIZE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, size)
            log4(free, size, topic, id, client, provider)
        }
    }

    /// @dev Moves escrowed money into balances, and closes the escrow with `outcome` when nothing is left.
    function _move(
        bytes32 id,
        Terms calldata terms,
        EscrowWord word,
        uint96 toProvider,
        uint96 toClient,
        Outcome outcome
    ) internal {
        EscrowWord moved = word;
        if (toProvider > 0) {
            uint96 net;
            uint96 fee;
            (moved, net, fee) = _bookRelease(id, terms, moved, toProvider);
            // Effect: credit provider and fee recipient.
            _credit(terms.provider, net);
            if (fee > 0) _accrue(fee);
        }
        if (toClient > 0) {
            moved = _bookRefund(id, moved, toClient);
            // Effect: credit the client.
            _credit(terms.client, toClient);
        }
        _finish(id, terms, moved, outcome);
    }

    /// @dev Raises the released total; the fee is the difference of cumulative fees. The caller of this function pays
    /// or credits `net` to the provider and adds `fee` to the fees.
    function _bookRelease(bytes32 id, Terms calldata terms, EscrowWord word, uint96 amount)
        internal
        returns (EscrowWord, uint96 net, uint96 fee)
    {
        uint96 before = word.released();
        fee = uint96(FeeMath.ofStep(before, before + amount, terms.feeBps));
        emit EscrowReleased({id: id, amount: amount, fee: fee});
        return (word.withReleased(before + amount), amount - fee, fee);
    }

    /// @dev Raises the refunded total. The caller of this function pays or credits `amount` to the client.
    function _bookRefund(bytes32 id, EscrowWord word, uint96 amount) internal returns (EscrowWord) {
        emit EscrowRefunded({id: id, amount: amount});
        return word.withRefunded(word.refunded() + amount);
    }

    /// @dev Stores the word; if nothing is left, closes the escrow before. The only place where escrows end, but for
    /// {IEscrowExtension-releaseBatch}.
    function _finish(bytes32 id, Terms calldata terms, EscrowWord word, Outcome outcome) internal {
        if (_left(terms, word) > 0) {
            _words[id] = word;
            return;
        }
        Status status = word.status();
        if (status > Status.Submitted) _returnBond(id, terms, status != Status.Challenged, outcome);
        if (word.hasFlag(EscrowWordLib.STAKE_LOCKED)) {
            // Interaction: report to Reputation.
            _tryReport(id, terms, _close(id, word, outcome));
        } else {
            _close(id, word, outcome);
        }
    }

    /// @dev Effect: closes, taking for granted that the report succeeds.
    function _close(bytes32 id, EscrowWord word, Outcome outcome) internal returns (EscrowWord closed) {
        closed = word.withStatus(Status.Closed).withRuling(uint8(outcome)).withoutFlag(EscrowWordLib.STAKE_LOCKED);
        _words[id] = closed;
        emit EscrowClosed({id: id});
    }

    /// @dev Effect: the client's bond goes to who won; in halves if nobody did, an odd unit to the client; back to the
    /// client if no arbiter was ever asked.
    function _returnBond(bytes32 id, Terms calldata terms, bool created, Outcome outcome) internal {
        uint96 bond = _disputes[id].clientBond;
        if (bond == 0) return;
        _disputes[id].clientBond = 0;
        uint96 toProvider;
        if (created && outcome == Outcome.Won) toProvider = bond;
        else if (created && outcome != Outcome.Lost) toProvider = bond / 2;
        uint96 toClient = bond - toProvider;
        if (toProvider > 0) {
            _credit(terms.provider, toProvider);
            emit BondReturned({id: id, account: terms.provider, amount: toProvider});
        }
        if (toClient > 0) {
            _credit(terms.client, toClient);
            emit BondReturned({id: id, account: terms.client, amount: toClient});
        }
    }

    /// @dev Reports the end to Reputation with a fixed amount of gas. A failure is noted and blocks nothing; a caller
    /// who brings too little gas reverts instead, so he cannot cause that failure.
    function _tryReport(bytes32 id, Terms calldata terms, EscrowWord word) internal {
        bytes memory report = _report(id, terms, word);
        // Check: the report gets all of its gas.
        if (gasleft() < REPORT_RESERVE) revert Errors.Escrow_InsufficientGas(gasleft(), REPORT_RESERVE);
        // Interaction: report. One word of the answer is read.
        address target = _reputation();
        bool success;
        uint256 change;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            success := call(REPORT_GAS, target, 0, add(report, 0x20), mload(report), 0x00, 0x20)
            change := mload(0x00)
        }
        if (success) {
            _followPool(change);
        } else {
            // Effect: still owed.
            _words[id] = word.withFlag(EscrowWordLib.STAKE_LOCKED);
            emit StakeSettlementFailed({id: id});
        }
    }

    /// @dev Effect: the next release knows whether there is a bonus to ask for.
    function _followPool(uint256 change) internal {
        if (change != uint8(PoolChange.None)) _fees.bonusOpen = change == uint8(PoolChange.Filled);
    }

    /// @dev Effect: the fee waits for its recipient, with one read and one write. There is less of the token than the
    /// slot holds.
    function _accrue(uint96 fee) internal {
        FeeState storage fees = _fees;
        uint256 word;
        assembly ("memory-safe") {
            word := sload(fees.slot)
        }
        // Check: what waits stays within its 88 bits, which lie above the recipient's 160.
        uint256 accrued = uint256(uint88(word >> 160)) + fee;
        if (accrued > type(uint88).max) revert SafeCast.SafeCastOverflowedUintDowncast(88, accrued);
        assembly ("memory-safe") {
            sstore(fees.slot, add(word, shl(160, fee)))
        }
    }

    /// @dev What waits for the fee recipient joins his balance.
    function _gather(address account) internal virtual override returns (uint256 amount) {
        if (account != _fees.recipient) return 0;
        amount = _fees.accrued;
        _fees.accrued = 0;
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: CHECKS AND READS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev EIP-712 digest in the domain of Escrow's address, whichever body runs.
    function _digest(bytes32 structHash) internal view virtual returns (bytes32);

    /// @dev The contract that holds the agents' stakes.
    function _reputation() internal view virtual returns (address);

    /// @dev A balance, and what waits for it.
    function _balanceOf(address account) internal view virtual override returns (uint256 amount) {
        amount = super._balanceOf(account);
        if (account == _fees.recipient) amount += _fees.accrued;
    }

    /// @dev Id and word of the escrow with these terms.
    function _load(Terms calldata terms) internal view returns (bytes32 id, EscrowWord word) {
        id = _digest(terms.hash());
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
    function _report(bytes32 id, Terms calldata terms, EscrowWord word) internal view returns (bytes memory) {
        address agent = terms.provider;
        uint96 lockAmount = StakeMath.required(terms.amount);
        Outcome outcome = Outcome(word.ruling());
        uint96 settledValue = word.released();
        if (StakeMath.severity(outcome) > 0) {
            // Outcomes of some severity end with a refund, and a slash of it is rounded up: it is never zero.
            (uint96 toClient, uint96 toPool) = StakeMath.slashed(lockAmount, outcome, word.refunded(), terms.amount);
            return abi.encodeCall(
                IReputation.slash, (agent, id, lockAmount, outcome, settledValue, toClient, toPool, terms.client)
            );
        }
        uint96 cap;
        // With a fee this slot was read before; the pool's in Reputation was not.
        if (outcome == Outcome.Completed && terms.feeBps > 0 && _fees.bonusOpen) {
            cap = StakeMath.bonusCap(lockAmount, FeeMath.cumulative(settledValue, terms.feeBps));
        }
        return abi.encodeCall(IReputation.unlock, (agent, id, lockAmount, outcome, settledValue, cap));
    }

    /// @dev Deadlines in order and within the bounds of this deployment.
    function _checkWindows(Terms calldata terms) internal view {
        uint256 nowSeconds = block.timestamp;
        if (
            terms.acceptBy <= nowSeconds || terms.acceptBy > nowSeconds + _maxAcceptWindow
                || terms.deliverBy <= terms.acceptBy || terms.deliverBy > nowSeconds + _maxDeliverWindow
                || terms.challengePeriod < _minChallengePeriod || terms.challengePeriod > _maxChallengePeriod
                || terms.disputeTimeout > _maxDisputeTimeout
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

    /// @dev Funded to Disputed.
    function _requireOpen(bytes32 id, EscrowWord word) internal pure {
        Status status = word.status();
        if (status == Status.None || status > Status.Disputed) revert Errors.Escrow_WrongStatus(id, status);
    }

    /// @dev `signer` signed the struct in this contract's domain, and it still counts.
    function _checkSignature(address signer, bytes32 structHash, uint40 validUntil, bytes calldata signature)
        internal
        view
    {
        _checkNotExpired(validUntil);
        _checkSigner(signer, _digest(structHash), signature);
    }

    function _checkNotExpired(uint40 validUntil) internal view {
        if (block.timestamp > validUntil) revert Errors.Escrow_SignatureExpired(validUntil);
    }

    function _checkSigner(address signer, bytes32 digest, bytes calldata signature) internal view {
        if (!SignatureLib.isValid(signer, digest, signature)) revert Errors.Escrow_InvalidSignature(signer);
    }
}
