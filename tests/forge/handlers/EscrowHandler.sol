// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MaliciousArbiter} from "../../../contracts/mocks/MaliciousArbiter.sol";
import {Acceptance, EscrowState, Status, Terms} from "../../../contracts/types/EscrowTypes.sol";
import {DisputeBase} from "../utils/DisputeBase.sol";

/// @notice Random lives of escrows, with arbiters of every character and a token that may be paused or refuse somebody.
/// Calls that revert are part of the game; what each successful one does to the state word is compared with the table of
/// allowed transitions.
contract EscrowHandler is DisputeBase {
    /// @notice False once a forbidden transition was seen.
    bool public sound = true;

    bytes32[] public ids;
    mapping(bytes32 id => Terms terms) internal _terms;
    mapping(bytes32 id => EscrowState state) internal _last;

    constructor() {
        give(VM.addr(CLIENT), 1e12, address(escrow));
        give(VM.addr(PROVIDER), 1e12, address(reputation));
        VM.prank(VM.addr(PROVIDER));
        reputation.stake(1e9);
        fillBalances(100e6);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     ACTIONS
    ////////////////////////////////////////////////////////////////////////*/

    function fund(uint96 amount, uint8 arbiter, bool accepted, bool byWallet) external {
        Terms memory terms = termsOf(uint96(bound(amount, 1, 1e9)), ids.length);
        if (arbiter % 3 == 1) terms.arbiter = address(honest);
        if (arbiter % 3 == 2) terms.arbiter = address(hostile);
        bytes32 id = escrow.escrowId(terms);
        ids.push(id);
        _terms[id] = terms;
        Acceptance memory acceptance;
        if (accepted) acceptance = acceptanceOf(id);
        if (byWallet) {
            VM.prank(terms.client);
            escrow.fund(terms);
        } else {
            uint256 validBefore = block.timestamp + 60;
            bytes memory signature = authorization(CLIENT, address(escrow), terms.amount, validBefore, id);
            escrow.fundWithAuthorization(terms, validBefore, signature, acceptance);
        }
        _observe();
    }

    function fundFromBalance(uint96 amount) external {
        Terms memory terms = termsOf(uint96(bound(amount, 1, 1e9)), ids.length);
        bytes32 id = escrow.escrowId(terms);
        ids.push(id);
        _terms[id] = terms;
        VM.prank(terms.client);
        escrow.fundFromBalance(terms);
        _observe();
    }

    function accept(uint256 which) external {
        Terms memory terms = _pick(which);
        escrow.acceptWithSignature(terms, acceptanceOf(escrow.escrowId(terms)));
        _observe();
    }

    function submit(uint256 which) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.submit(terms, keccak256("result"));
        _observe();
    }

    function release(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.client);
        escrow.release(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function releaseAfterChallenge(uint256 which) external {
        escrow.releaseAfterChallenge(_pick(which));
        _observe();
    }

    function refund(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.refund(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function cancel(uint256 which, bool byStranger) external {
        Terms memory terms = _pick(which);
        VM.prank(byStranger ? VM.addr(STRANGER) : terms.client);
        escrow.cancel(terms);
        _observe();
    }

    function reclaim(uint256 which) external {
        escrow.reclaim(_pick(which));
        _observe();
    }

    function split(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        bytes32 id = escrow.escrowId(terms);
        EscrowState memory state = escrow.stateOf(id);
        uint96 left = terms.amount - state.released - state.refunded;
        uint96 toProvider = uint96(bound(part, 0, left));
        uint40 validUntil = uint40(block.timestamp);
        bytes32 digest = typed(
            escrow.domainSeparator(),
            keccak256(
                abi.encode(
                    keccak256("Split(bytes32 escrowId,uint96 toProvider,uint96 toClient,uint40 validUntil)"),
                    id,
                    toProvider,
                    left - toProvider,
                    validUntil
                )
            )
        );
        escrow.split(terms, toProvider, left - toProvider, validUntil, signed(CLIENT, digest), signed(PROVIDER, digest));
        _observe();
    }

    function releaseAndPay(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.client);
        escrow.releaseAndPay(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function refundAndPay(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.refundAndPay(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function releaseBatch(uint256 which) external {
        Terms[] memory rows = new Terms[](3);
        for (uint256 i = 0; i < 3; ++i) {
            rows[i] = _pick(which + i);
        }
        VM.prank(rows[0].client);
        escrow.releaseBatch(rows);
        _observe();
    }

    function dispute(uint256 which, bool fromWallet) external {
        Terms memory terms = _pick(which);
        bytes32 id = escrow.escrowId(terms);
        uint256 fee = terms.arbiter == address(hostile) ? hostile.fee() : honest.fee();
        if (fromWallet) {
            VM.prank(terms.client);
            escrow.disputeWithSignature(terms, 0, 0, hex"", bondBy(CLIENT, id, fee));
        } else {
            VM.prank(terms.client);
            escrow.dispute(terms, 0);
        }
        _observe();
    }

    function respond(uint256 which) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.respond(terms);
        _observe();
    }

    function claimDefault(uint256 which) external {
        escrow.claimDefault(_pick(which));
        _observe();
    }

    function rule(uint256 which, uint8 ruling, bool delivered) external {
        Terms memory terms = _pick(which);
        uint256 disputeId = escrow.disputes(escrow.escrowId(terms)).disputeId;
        if (terms.arbiter == address(hostile)) {
            VM.prank(address(hostile));
            escrow.rule(disputeId, ruling % 4);
        } else if (delivered) {
            honest.giveRuling(disputeId, ruling % 3);
        } else {
            honest.decide(disputeId, ruling % 3);
        }
        _observe();
    }

    function execute(uint256 which) external {
        escrow.execute(_pick(which));
        _observe();
    }

    function resolveStalled(uint256 which) external {
        escrow.resolveStalled(_pick(which));
        _observe();
    }

    function rate(uint256 which, bool byClient, uint8 score) external {
        Terms memory terms = _pick(which);
        VM.prank(byClient ? terms.client : terms.provider);
        escrow.rate(terms, score % 101, 0);
        _observe();
    }

    function corrupt(uint8 views, uint8 fees, uint96 fee, uint64 duration, uint256 status, uint256 ruling) external {
        hostile.setViews(MaliciousArbiter.View(views % 6), duration, status % 3, ruling % 4);
        hostile.setFee(bound(fee, 0, 10e6), MaliciousArbiter.Fee(fees % 2 == 0 ? 0 : fees % 5));
        hostile.setNextId(ids.length - fees % 2);
        hostile.setCallback(views % 4 == 0 ? abi.encodeCall(escrow.rule, (status, 1)) : bytes(hex""));
    }

    function trouble(uint8 what, uint256 who) external {
        if (what % 8 == 0) {
            usdc.blacklist(party(who % 3));
        } else if (what % 8 == 1) {
            usdc.pause();
        } else if (what % 8 == 2) {
            VM.prank(GUARDIAN);
            escrow.pauseInflows();
        } else {
            for (uint256 i = 0; i < 3; ++i) {
                usdc.unBlacklist(party(i));
            }
            usdc.unpause();
            VM.prank(GUARDIAN);
            escrow.unpauseInflows();
        }
    }

    function setFeeRecipient(uint256 who) external {
        VM.prank(ADMIN);
        escrow.setFeeRecipient(party(who % 3));
    }

    function withdraw(uint256 who, uint96 amount) external {
        address account = party(who % 3);
        VM.prank(account);
        escrow.withdraw(uint96(bound(amount, 1, 1e9)));
    }

    function stake(uint96 amount) external {
        VM.prank(VM.addr(PROVIDER));
        reputation.stake(uint96(bound(amount, 1, 1e8)));
    }

    function requestUnstake(uint96 amount) external {
        VM.prank(VM.addr(PROVIDER));
        reputation.requestUnstake(uint96(bound(amount, 1, 1e9)));
    }

    function completeUnstake() external {
        reputation.completeUnstake(VM.addr(PROVIDER));
    }

    function setFee(uint16 feeBps) external {
        VM.prank(ADMIN);
        escrow.setFee(uint16(bound(feeBps, 0, 500)));
    }

    function pass(uint32 time) external {
        uint256 longest = time % 16 == 0 ? 20 days : time % 4 == 0 ? 1 days : 10 minutes;
        VM.warp(block.timestamp + bound(time, 1, longest));
    }

    /*////////////////////////////////////////////////////////////////////////
                                      READS
    ////////////////////////////////////////////////////////////////////////*/

    function count() external view returns (uint256) {
        return ids.length;
    }

    function party(uint256 index) public pure returns (address) {
        if (index == 0) return VM.addr(CLIENT);
        if (index == 1) return VM.addr(PROVIDER);
        return TREASURY;
    }

    function termsAt(uint256 index) external view returns (Terms memory) {
        return _terms[ids[index]];
    }

    /// @notice Moves every escrow to its end by calls that anyone may make, after all its windows, whatever the arbiters
    /// and the token do; the number of escrows still open.
    function closeAll() external returns (uint256 open) {
        usdc.pause();
        VM.prank(GUARDIAN);
        escrow.pauseInflows();
        for (uint256 round = 0; round < 3; ++round) {
            VM.warp(block.timestamp + 181 days);
            open = 0;
            for (uint256 i = 0; i < ids.length; ++i) {
                Terms memory terms = _terms[ids[i]];
                Status status = escrow.stateOf(ids[i]).status;
                if (status == Status.Funded) escrow.cancel(terms);
                else if (status == Status.Accepted) escrow.reclaim(terms);
                else if (status == Status.Submitted) escrow.releaseAfterChallenge(terms);
                else if (status == Status.Challenged) escrow.claimDefault(terms);
                else if (status == Status.Disputed) escrow.resolveStalled(terms);
                else if (status == Status.Ruled) escrow.execute(terms);
                status = escrow.stateOf(ids[i]).status;
                if (status != Status.Closed && status != Status.None) ++open;
            }
        }
    }

    /// @notice What the arbiters may still take without asking: always nothing.
    function allowances() external view returns (uint256) {
        return usdc.allowance(address(escrow), address(hostile)) + usdc.allowance(address(escrow), address(honest));
    }

    /// @notice Whether a release would not ask for a bonus although there is one: the flag in the slot of the fees.
    function bonusMissed() external view returns (bool) {
        return reputation.bonusPool() > 0 && uint256(VM.load(address(escrow), bytes32(uint256(2)))) >> 248 == 0;
    }

    function world() external view returns (address, address, address) {
        return (address(usdc), address(escrow), address(reputation));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    function _pick(uint256 which) private view returns (Terms memory) {
        // The newest ones, as older ones are mostly closed.
        uint256 window = ids.length < 4 ? ids.length : 4;
        return _terms[ids[ids.length - 1 - (which % window)]];
    }

    /// @dev Totals never fall, and no forbidden transition happens. A violation is remembered, as a revert here would
    /// only undo the action that caused it.
    function _observe() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            EscrowState memory was = _last[ids[i]];
            EscrowState memory isNow = escrow.stateOf(ids[i]);
            bool forward = isNow.status >= was.status;
            if (was.status == Status.None && isNow.status > Status.Accepted) forward = false;
            if (was.status == Status.Funded && isNow.status > Status.Accepted) forward = isNow.status == Status.Closed;
            if (was.status == Status.Accepted && isNow.status > Status.Submitted) {
                forward = isNow.status == Status.Closed;
            }
            if (was.status == Status.Submitted && isNow.status > Status.Challenged) {
                forward = isNow.status == Status.Closed;
            }
            if (was.status == Status.Challenged && isNow.status == Status.Ruled) forward = false;
            // Of a closed escrow only a rating and a late settlement of the stake change anything: the flags.
            if (was.status == Status.Closed && uint248(uint256(isNow.word)) != uint248(uint256(was.word))) {
                forward = false;
            }
            if (was.status == Status.Closed && (isNow.flags & 3) < (was.flags & 3)) forward = false;
            if (isNow.released < was.released || isNow.refunded < was.refunded) forward = false;
            if (!forward) sound = false;
            _last[ids[i]] = isNow;
        }
    }
}
