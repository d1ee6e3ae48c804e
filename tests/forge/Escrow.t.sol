// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../../contracts/libraries/Errors.sol";
import {FeeMath} from "../../contracts/libraries/FeeMath.sol";
import {StakeMath} from "../../contracts/libraries/StakeMath.sol";
import {
    Acceptance,
    EscrowState,
    Outcome,
    Role,
    RoleSignature,
    Status,
    Terms
} from "../../contracts/types/EscrowTypes.sol";
import {Stake} from "../../contracts/types/StakeTypes.sol";
import {Base} from "./utils/Base.sol";

/// @notice A Reputation that burns all its gas, put in the place of the real one.
contract GasBurner {
    fallback() external {
        while (true) {}
    }
}

/// @notice The money words of Escrow, fuzzed.
contract EscrowTest is Base {
    address private immutable _client = VM.addr(CLIENT);
    address private immutable _provider = VM.addr(PROVIDER);

    function setUp() public {
        give(_client, 1e30, address(escrow));
        give(_provider, 1e30, address(reputation));
        VM.prank(_provider);
        reputation.stake(25e16);
    }

    function testFuzz_slicing_a_release_never_changes_the_fee(uint96 amount, uint96 a, uint96 b, uint16 bps) public {
        bps = uint16(bound(bps, 0, 500));
        VM.prank(ADMIN);
        escrow.setFee(bps);
        Terms memory terms = _accepted(uint96(bound(amount, 3, 1e18)), 1);
        uint96 first = uint96(bound(a, 1, terms.amount - 2));
        uint96 second = uint96(bound(b, first + 1, terms.amount - 1));
        VM.prank(_client);
        escrow.release(terms, first);
        VM.prank(_client);
        escrow.release(terms, second);
        VM.prank(_client);
        escrow.release(terms, terms.amount);
        uint256 fee = (uint256(terms.amount) * bps) / 10_000;
        equal("fee", escrow.balanceOf(TREASURY), fee);
        equal("provider", escrow.balanceOf(_provider), terms.amount - fee);
    }

    function testFuzz_fee_is_snapshotted_and_refunds_pay_none(uint96 amount, uint96 part, uint16 later) public {
        Terms memory terms = _accepted(uint96(bound(amount, 2, 1e18)), 1);
        VM.prank(ADMIN);
        escrow.setFee(uint16(bound(later, 0, 500)));
        uint96 released = uint96(bound(part, 1, terms.amount - 1));
        VM.prank(_client);
        escrow.release(terms, released);
        VM.prank(_provider);
        escrow.refund(terms, terms.amount - released);
        uint256 fee = (uint256(released) * 250) / 10_000;
        equal("fee", escrow.balanceOf(TREASURY), fee);
        equal("client", escrow.balanceOf(_client), terms.amount - released);
        equal("provider", escrow.balanceOf(_provider), released - fee);
        check("closed", escrow.stateOf(escrow.escrowId(terms)).status == Status.Closed);
    }

    function testFuzz_missed_deadline_slashes_half_of_the_lock_in_proportion(uint96 amount, uint96 part) public {
        Terms memory terms = _accepted(uint96(bound(amount, 2, 1e18)), 1);
        uint96 released = uint96(bound(part, 0, terms.amount - 1));
        if (released > 0) {
            VM.prank(_client);
            escrow.release(terms, released);
        }
        uint256 staked = reputation.stakeOf(_provider).staked;
        VM.warp(terms.deliverBy);
        escrow.reclaim(terms);
        uint256 lock = reputation.requiredStake(terms.amount);
        uint256 whole = uint256(terms.amount) * 10_000;
        uint256 slash = (lock * 5000 * (terms.amount - released) + whole - 1) / whole;
        equal("slash to client", reputation.balanceOf(_client), slash);
        Stake memory stake = reputation.stakeOf(_provider);
        equal("stake", stake.staked, staked - slash);
        equal("locked", stake.locked, 0);
        check("slashed at least a unit", slash > 0 && slash <= lock);
        equal("failed", reputation.recordOf(_provider).failed, 1);
    }

    function testFuzz_required_stake_is_a_fifth_rounded_up(uint96 amount) public view {
        uint256 stake = reputation.requiredStake(amount);
        check("covers", stake * 5 >= amount);
        check("not more", stake * 5 < uint256(amount) + 5);
    }

    function testFuzz_lost_dispute_gives_client_at_most_half(uint96 amount, uint96 part) public pure {
        amount = uint96(bound(amount, 1, type(uint96).max));
        uint96 refunded = uint96(bound(part, 1, amount));
        uint96 lock = StakeMath.required(amount);
        (uint96 toClient, uint96 toPool) = StakeMath.slashed(lock, Outcome.Lost, refunded, amount);
        check("client", toClient <= lock / 2 || toPool == 0);
        check("lock", uint256(toClient) + toPool <= lock);
        check("positive", uint256(toClient) + toPool > 0);
    }

    function testFuzz_bonus_is_below_half_the_fee(uint96 amount, uint16 bps) public pure {
        uint256 fee = FeeMath.cumulative(amount, uint16(bound(bps, 0, 500)));
        uint96 bonus = StakeMath.bonusCap(StakeMath.required(amount), fee);
        check("half of the fee", uint256(bonus) * 2 <= fee);
    }

    function testFuzz_signature_of_another_escrow_or_total_is_worthless(uint96 cumulative, uint256 salt) public {
        Terms memory one = _accepted(1e6, 1);
        Terms memory two = _accepted(1e6, 2);
        cumulative = uint96(bound(cumulative, 1, 1e6));
        uint40 validUntil = uint40(block.timestamp);
        bytes memory signature = signed(CLIENT, _releaseDigest(escrow.escrowId(one), cumulative, validUntil));
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
        escrow.releaseWithSignature(two, cumulative, validUntil, signature);
        uint96 other = uint96(bound(salt, 1, 1e6));
        if (other != cumulative) {
            VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
            escrow.releaseWithSignature(one, other, validUntil, signature);
        }
        escrow.releaseWithSignature(one, cumulative, validUntil, signature);
        equal("released", escrow.stateOf(escrow.escrowId(one)).released, cumulative);
    }

    function testFuzz_quorum_needs_somebody_beside_the_provider(uint8 quorum, bool c, bool p, bool v) public {
        Terms memory terms = termsOf(1e6, 1);
        terms.quorum = uint8(bound(quorum, 0, 3));
        terms = _accept(terms);
        bytes32 id = escrow.escrowId(terms);
        uint40 validUntil = uint40(block.timestamp);
        bytes32 digest = _releaseDigest(id, 1e6, validUntil);
        uint256 have = (c ? 1 : 0) + (p ? 1 : 0) + (v ? 1 : 0);
        RoleSignature[] memory signatures = new RoleSignature[](have);
        uint256 next;
        if (c) signatures[next++] = RoleSignature(Role.Client, signed(CLIENT, digest));
        if (p) signatures[next++] = RoleSignature(Role.Provider, signed(PROVIDER, digest));
        if (v) signatures[next++] = RoleSignature(Role.Verifier, signed(VERIFIER, digest));
        bool met = terms.quorum > 0 && have >= terms.quorum && (c || v);
        if (!met) {
            VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_QuorumNotMet.selector, id, have, terms.quorum));
        }
        escrow.releaseWithQuorum(terms, 1e6, validUntil, signatures);
        check("closed iff met", (escrow.stateOf(id).status == Status.Closed) == met);
    }

    function test_same_role_twice_counts_once() public {
        Terms memory terms = _accepted(1e6, 1);
        uint40 validUntil = uint40(block.timestamp);
        bytes memory signature = signed(VERIFIER, _releaseDigest(escrow.escrowId(terms), 1e6, validUntil));
        RoleSignature[] memory signatures = new RoleSignature[](2);
        signatures[0] = RoleSignature(Role.Verifier, signature);
        signatures[1] = RoleSignature(Role.Verifier, signature);
        VM.expectRevert(
            abi.encodeWithSelector(Errors.Escrow_DuplicateSigner.selector, escrow.escrowId(terms), VM.addr(VERIFIER))
        );
        escrow.releaseWithQuorum(terms, 1e6, validUntil, signatures);
    }

    function test_failing_reputation_never_blocks_money_and_stake_settles_once_later() public {
        Terms memory terms = _accepted(1e6, 1);
        bytes32 id = escrow.escrowId(terms);
        bytes memory code = address(reputation).code;
        VM.etch(address(reputation), address(new GasBurner()).code);
        VM.prank(_client);
        escrow.release(terms, 1e6);
        EscrowState memory state = escrow.stateOf(id);
        check("closed", state.status == Status.Closed);
        equal("stake still owed", state.flags & 4, 4);
        equal("provider is paid", escrow.balanceOf(_provider), 975_000);
        VM.etch(address(reputation), code);
        escrow.settleStake(terms);
        equal("unlocked", reputation.stakeOf(_provider).locked, 0);
        equal("outcome", reputation.recordOf(_provider).completed, 1);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_StakeNotPending.selector, id));
        escrow.settleStake(terms);
    }

    function testFuzz_starving_the_call_never_skips_the_stake(uint256 gas) public {
        Terms memory terms = _accepted(1e6, 1);
        bytes32 id = escrow.escrowId(terms);
        gas = bound(gas, 30_000, 500_000);
        VM.prank(_client);
        (bool success,) = address(escrow).call{gas: gas}(abi.encodeCall(escrow.release, (terms, 1e6)));
        EscrowState memory state = escrow.stateOf(id);
        if (success) equal("settled with it", state.flags & 4, 0);
        else check("nothing happened", state.status == Status.Accepted);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     HELPERS
    ////////////////////////////////////////////////////////////////////////*/

    function _accepted(uint96 amount, uint256 salt) private returns (Terms memory) {
        return _accept(termsOf(amount, salt));
    }

    function _accept(Terms memory terms) private returns (Terms memory) {
        VM.prank(_client);
        escrow.fund(terms);
        VM.prank(_provider);
        escrow.accept(terms);
        return terms;
    }

    function _releaseDigest(bytes32 id, uint96 cumulative, uint40 validUntil) private view returns (bytes32) {
        return typed(
            escrow.domainSeparator(),
            keccak256(
                abi.encode(
                    keccak256("Release(bytes32 escrowId,uint96 cumulativeReleased,uint40 validUntil)"),
                    id,
                    cumulative,
                    validUntil
                )
            )
        );
    }
}
