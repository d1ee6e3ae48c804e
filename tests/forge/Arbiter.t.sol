// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../../contracts/libraries/Errors.sol";
import {DisputePeriod, SessionPhase} from "../../contracts/types/DisputeTypes.sol";
import {ArbiterBase} from "./utils/ArbiterBase.sol";

/// @notice Whole disputes, hostile parts first.
contract ArbiterTest is ArbiterBase {
    function test_dispute_ends_at_zero_when_there_are_no_jurors() public {
        uint256 id = drawn(1);
        equal("waiting", period(id), uint256(DisputePeriod.Drawing));
        later(arbiter.disputeOf(id).endsAt - block.timestamp);
        draw(id, 1);
        equal("solved", period(id), uint256(DisputePeriod.Solved));
        equal("ruling", arbiter.currentRuling(id), 0);
        arbiter.executeRuling(id);
        arbiter.sweep(id, 0);
        equal("fee to the sink", arbiter.balanceOf(SINK), 3 * FEE);
        equal("told", asker.rulings(id), 1);
    }

    function test_dispute_ends_at_zero_when_nobody_reveals() public {
        staked(3, 2 * STAKE);
        uint256 id = drawn(1);
        vote(id, all(9));
        equal("solved", period(id), uint256(DisputePeriod.Solved));
        equal("ruling", arbiter.currentRuling(id), 0);
        _settle(id, 0);
        equal("everything to the sink", arbiter.balanceOf(SINK), 3 * FEE + 3 * STAKE);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_hostile_arbitrable_cannot_stop_anything() public {
        staked(5, 2 * STAKE);
        for (uint8 manner = 0; manner < 5; ++manner) {
            uint256 id = drawn(manner);
            vote(id, all(2));
            later(1 days);
            asker.behave(manner);
            // forge-lint: disable-next-line(unchecked-call)
            (bool starved,) = address(arbiter).call{gas: 300_000}(abi.encodeCall(arbiter.executeRuling, (id)));
            check("a starved call reverts whole", !starved);
            arbiter.executeRuling{gas: 600_000}(id);
            VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_AlreadyExecuted.selector, id));
            arbiter.executeRuling(id);
            equal("told once or not at all", asker.rulings(id), manner == 0 ? 1 : 0);
            equal("readable", arbiter.currentRuling(id), 2);
            equal("status", uint256(arbiter.disputeStatus(id)), 2);
            _settle(id, 0);
        }
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_dead_randomness_is_replaced_by_a_future_block() public {
        staked(3, 2 * STAKE);
        for (uint8 manner = 1; manner < 3; ++manner) {
            source.behave(manner, 0);
            uint256 id = asker.ask(extra(manner));
            later(1 days);
            arbiter.advance(id);
            arbiter.advanceSession();
            VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_SessionNotReady.selector, SessionPhase.Generating));
            arbiter.advanceSession();
            blocks(300);
            arbiter.advanceSession();
            blocks(9);
            source.behave(0, 99);
            arbiter.advanceSession();
            check("draws", phase() == SessionPhase.Drawing);
            arbiter.draw(id, extra(manner), 15);
            equal("panel", arbiter.panelOf(id, 0).length, 3);
            vote(id, all(1));
            _settleWhenSolved(id);
        }
    }

    function test_silent_randomness_is_replaced_after_its_time() public {
        staked(3, 2 * STAKE);
        source.behave(0, 0);
        uint256 id = asker.ask(extra(1));
        later(1 days);
        arbiter.advance(id);
        arbiter.advanceSession();
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_SessionNotReady.selector, SessionPhase.Generating));
        arbiter.advanceSession();
        later(1 hours);
        arbiter.advanceSession();
        // a late answer no longer counts
        source.behave(0, 5);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_SessionNotReady.selector, SessionPhase.Generating));
        arbiter.advanceSession();
        blocks(9);
        arbiter.advanceSession();
        arbiter.draw(id, extra(1), 15);
        equal("panel", arbiter.panelOf(id, 0).length, 3);
    }

    function testFuzz_panel_does_not_depend_on_the_steps(uint256 number, uint8 step) public {
        staked(9, 8 * STAKE);
        source.behave(0, number | 1);
        uint256 id = asker.ask(extra(1));
        later(1 days);
        arbiter.advance(id);
        arbiter.advanceSession();
        arbiter.advanceSession();
        uint256 before = VM.snapshotState();
        arbiter.draw(id, extra(1), 15);
        address[] memory whole = arbiter.panelOf(id, 0);
        VM.revertToState(before);
        for (uint256 i = 0; i < 15 && period(id) == uint256(DisputePeriod.Drawing); ++i) {
            arbiter.draw(id, extra(1), bound(step, 1, 3));
        }
        check("same panel", keccak256(abi.encode(whole)) == keccak256(abi.encode(arbiter.panelOf(id, 0))));
    }

    function testFuzz_nobody_with_an_interest_is_drawn_and_nobody_decides_alone(uint256 number, uint96 whale) public {
        staked(4, 8 * STAKE);
        // parties and a related account hold nearly all of the weight
        address related = address(0xBEEF);
        address[4] memory interested = [party(1), party(2), related, juror(9)];
        for (uint256 i = 0; i < 4; ++i) {
            uint96 amount = uint96(bound(whale, 2 * STAKE, 1e15));
            give(interested[i], amount);
            VM.prank(interested[i]);
            arbiter.stake(amount);
        }
        source.behave(0, number | 1);
        uint256 id = asker.ask(extra(1));
        VM.prank(related);
        arbiter.disclose(id, extra(1), party(1), related, "");
        later(1 days);
        arbiter.advance(id);
        draw(id, 1);
        address[] memory panel = arbiter.panelOf(id, 0);
        equal("full", panel.length, 3);
        for (uint256 i = 0; i < 3; ++i) {
            check("no interest", panel[i] != party(1) && panel[i] != party(2) && panel[i] != related);
            check("distinct", panel[i] != panel[(i + 1) % 3]);
        }
    }

    function test_three_jurors_fill_seven_and_fifteen_seats() public {
        staked(3, 20 * STAKE);
        uint256 id = drawn(1);
        equal("three", arbiter.panelOf(id, 0).length, 3);
        vote(id, all(1));
        _fund(id, 2, 14 * FEE);
        _fund(id, 1, 7 * FEE);
        draw(id, 1);
        equal("seven", arbiter.panelOf(id, 1).length, 7);
        vote(id, all(2));
        equal("ruling", arbiter.currentRuling(id), 2);
        _fund(id, 1, 30 * FEE);
        _fund(id, 2, 15 * FEE);
        draw(id, 1);
        equal("fifteen", arbiter.panelOf(id, 2).length, 15);
        vote(id, all(1));
        equal("last round", period(id), uint256(DisputePeriod.Solved));
        equal("ruling", arbiter.currentRuling(id), 1);
        arbiter.executeRuling(id);
        for (uint8 round = 0; round < 3; ++round) {
            _settle(id, round);
        }
        for (uint8 round = 0; round < 2; ++round) {
            arbiter.claimContribution(id, round, party(1));
            arbiter.claimContribution(id, round, party(2));
        }
        // first appeal: 21 raised, 7 spent, 14 to side 1; second: 45 raised, 15 spent, 30 to side 1
        equal("winner", arbiter.balanceOf(party(1)), 44 * FEE);
        equal("loser", arbiter.balanceOf(party(2)), 0);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_unanswered_appeal_overturns_the_ruling_but_punishes_no_juror() public {
        staked(3, 4 * STAKE);
        uint256 id = drawn(1);
        vote(id, all(1));
        (, uint256 end) = arbiter.appealPeriod(id);
        _fund(id, 2, 14 * FEE);
        _fund(id, 1, 7 * FEE - 1);
        VM.warp(end);
        equal("ruling", arbiter.currentRuling(id), 2);
        equal("verdict", arbiter.disputeOf(id).verdict, 1);
        arbiter.claimContribution(id, 0, party(1));
        arbiter.claimContribution(id, 0, party(2));
        equal("back", arbiter.balanceOf(party(2)), 14 * FEE);
        equal("back", arbiter.balanceOf(party(1)), 7 * FEE - 1);
        _settle(id, 0);
        (uint96 free,,,,,) = arbiter.jurorOf(arbiter.panelOf(id, 0)[0]);
        equal("stake", free, 4 * STAKE);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_appeal_by_the_loser_ends_at_half_time() public {
        staked(3, 4 * STAKE);
        uint256 id = drawn(1);
        vote(id, all(1));
        (uint256 start,) = arbiter.appealPeriod(id);
        _fund(id, 2, 14 * FEE - 1);
        VM.warp(start + 1 days);
        equal("solved", period(id), uint256(DisputePeriod.Solved));
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_WrongPeriod.selector, id, DisputePeriod.Solved));
        VM.prank(party(2));
        arbiter.fundAppeal(id, 2, 1);
        equal("ruling", arbiter.currentRuling(id), 1);
    }

    function test_tie_lets_either_side_challenge() public {
        staked(4, 4 * STAKE);
        uint256 id = drawn(1);
        uint8[15] memory choices = all(9);
        (choices[0], choices[1]) = (1, 2);
        vote(id, choices);
        equal("tie", arbiter.currentRuling(id), 0);
        (uint256 start, uint256 end) = arbiter.appealPeriod(id);
        _fund(id, 1, 14 * FEE);
        VM.warp(start + 1 days);
        give(party(2), 1e9);
        uint256 before = VM.snapshotState();
        VM.warp(end);
        equal("unanswered", arbiter.currentRuling(id), 1);
        VM.revertToState(before);
        _fund(id, 2, 99 * FEE);
        equal("answered", arbiter.disputeOf(id).round, 1);
        (, uint96 second) = arbiter.appealOf(id, 0);
        equal("no more than missing", second, 14 * FEE);
    }

    function test_appeal_round_without_votes_changes_nothing() public {
        staked(3, 20 * STAKE);
        uint256 id = drawn(1);
        vote(id, all(1));
        _fund(id, 2, 14 * FEE);
        _fund(id, 1, 7 * FEE);
        draw(id, 1);
        vote(id, all(9));
        equal("solved", period(id), uint256(DisputePeriod.Solved));
        equal("ruling", arbiter.currentRuling(id), 1);
        _settle(id, 0);
        _settle(id, 1);
        arbiter.claimContribution(id, 0, party(1));
        arbiter.claimContribution(id, 0, party(2));
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_copied_commitment_is_worthless() public {
        staked(3, 4 * STAKE);
        uint256 id = drawn(1);
        address[] memory panel = arbiter.panelOf(id, 0);
        bytes32 commitment = digest(id, 0, panel[0], 1);
        for (uint256 i = 0; i < 3; ++i) {
            VM.prank(panel[i]);
            arbiter.commit(id, commitment);
        }
        arbiter.reveal(id, panel[0], 1, SALT);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_InvalidVote.selector, id, panel[1]));
        arbiter.reveal(id, panel[1], 1, SALT);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_NoBallot.selector, id, panel[0]));
        arbiter.reveal(id, panel[0], 1, SALT);
    }

    function test_leaked_vote_is_void_and_reporting_oneself_never_pays() public {
        staked(3, 4 * STAKE);
        uint256 id = drawn(1);
        address leaker = arbiter.panelOf(id, 0)[0];
        commit(id, 0, leaker, 1);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_InvalidVote.selector, id, leaker));
        arbiter.reportLeak(id, leaker, 2, SALT);
        VM.prank(leaker);
        arbiter.reportLeak(id, leaker, 1, SALT);
        equal("share", arbiter.balanceOf(leaker), LEAK);
        vote(id, all(2));
        later(1 days);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_NothingDue.selector, id));
        arbiter.claim(id, 0, leaker);
        (uint96 free, uint96 locked,,,,) = arbiter.jurorOf(leaker);
        equal("lost", free + locked + arbiter.balanceOf(leaker), 3 * STAKE + LEAK);
        _settle(id, 0);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_rewards_penalties_and_refusals() public {
        staked(3, 4 * STAKE);
        uint256 id = drawn(1);
        address[] memory panel = arbiter.panelOf(id, 0);
        uint8[15] memory choices = all(1);
        choices[2] = 2;
        vote(id, choices);
        later(1 days);
        _settle(id, 0);
        equal("reward", arbiter.balanceOf(panel[0]), (3 * FEE + WRONG) / 2);
        (uint96 free,,,,,) = arbiter.jurorOf(panel[2]);
        equal("wrong", free, 4 * STAKE - WRONG);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
        // a refusal costs nothing
        id = drawn(2);
        panel = arbiter.panelOf(id, 0);
        choices[2] = 0;
        (free,,,,,) = arbiter.jurorOf(panel[2]);
        vote(id, choices);
        later(1 days);
        _settle(id, 0);
        (uint96 later,,,,,) = arbiter.jurorOf(panel[2]);
        equal("refused", later, free + STAKE);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function test_stake_at_risk_stays_and_weights_freeze() public {
        staked(3, 2 * STAKE);
        VM.prank(juror(0));
        arbiter.requestUnstake(2 * STAKE);
        equal("leaves the weight at once", arbiter.totalWeight(), 4 * STAKE);
        VM.prank(juror(0));
        arbiter.requestUnstake(0);
        uint256 id = asker.ask(extra(1));
        later(1 days);
        arbiter.advance(id);
        arbiter.advanceSession();
        VM.prank(juror(0));
        arbiter.requestUnstake(2 * STAKE);
        equal("frozen", arbiter.totalWeight(), 6 * STAKE);
        later(8 days);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_SessionNotReady.selector, SessionPhase.Generating));
        arbiter.completeUnstake(juror(0));
        arbiter.advanceSession();
        arbiter.draw(id, extra(1), 15);
        arbiter.completeUnstake(juror(0));
        (uint96 free, uint96 locked,, uint96 weight,,) = arbiter.jurorOf(juror(0));
        equal("paid what is free", usdc.balanceOf(juror(0)), STAKE);
        equal("at risk", locked, STAKE);
        equal("free", free, 0);
        equal("weight", weight, 0);
    }

    function test_fee_must_be_exact_and_the_same_question_is_asked_once() public {
        uint256 id = asker.ask(extra(1));
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_AlreadyExists.selector, id));
        asker.ask(extra(1));
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_FeeMismatch.selector, 3 * FEE - 1, 3 * FEE));
        arbiter.createDispute(2, extra(2), usdc, 3 * FEE - 1);
        VM.expectRevert(Errors.Arbiter_InvalidExtraData.selector);
        arbiter.createDispute(2, abi.encode(1, type(uint256).max), usdc, 3 * FEE);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_ChoicesNotSupported.selector, 3));
        arbiter.createDispute(3, extra(2), usdc, 3 * FEE);
    }

    function test_guardian_stops_new_stakes_and_nothing_else() public {
        staked(3, 4 * STAKE);
        VM.prank(GUARDIAN);
        arbiter.pauseInflows();
        VM.expectRevert(Errors.Guarded_InflowsPaused.selector);
        arbiter.stake(1);
        uint256 id = drawn(1);
        vote(id, all(1));
        _fund(id, 2, 14 * FEE);
        _fund(id, 1, 7 * FEE);
        draw(id, 1);
        vote(id, all(9));
        arbiter.executeRuling(id);
        equal("told", asker.lastRuling(id), 1);
    }

    function test_an_undrawn_session_ends_and_the_round_waits_for_the_next() public {
        staked(3, 4 * STAKE);
        uint256 id = asker.ask(extra(1));
        later(1 days);
        arbiter.advance(id);
        arbiter.advanceSession();
        arbiter.advanceSession();
        uint256 late = asker.ask(extra(2));
        later(1 days);
        arbiter.advance(late);
        VM.expectRevert(abi.encodeWithSelector(Errors.Arbiter_SessionNotReady.selector, SessionPhase.Drawing));
        arbiter.draw(late, extra(2), 15);
        arbiter.advanceSession();
        check("ended", phase() == SessionPhase.Staking);
        draw(id, 1);
        arbiter.draw(late, extra(2), 15);
        equal("both", arbiter.panelOf(id, 0).length + arbiter.panelOf(late, 0).length, 6);
    }

    function _fund(uint256 id, uint8 side, uint96 amount) private {
        give(party(side), amount);
        VM.prank(party(side));
        arbiter.fundAppeal(id, side, amount);
    }

    function _settleWhenSolved(uint256 id) private {
        later(2 days);
        _settle(id, 0);
        equal("nothing lost", _owed(), usdc.balanceOf(address(arbiter)));
    }

    function _settle(uint256 id, uint8 round) private {
        address[] memory panel = arbiter.panelOf(id, round);
        for (uint256 i = 0; i < panel.length; ++i) {
            (,,,, bool settled) = arbiter.ballotOf(id, round, panel[i]);
            if (!settled) arbiter.claim(id, round, panel[i]);
        }
        arbiter.sweep(id, round);
    }

    /// @dev What jurors, parties and sink can take out when every round is settled.
    function _owed() private view returns (uint256 sum) {
        for (uint256 i = 0; i < 10; ++i) {
            (uint96 free, uint96 locked,,,,) = arbiter.jurorOf(juror(i));
            sum += uint256(free) + locked + arbiter.balanceOf(juror(i));
        }
        sum += arbiter.balanceOf(party(1)) + arbiter.balanceOf(party(2)) + arbiter.balanceOf(SINK);
    }
}
