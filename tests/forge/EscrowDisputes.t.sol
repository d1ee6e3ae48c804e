// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../../contracts/libraries/Errors.sol";
import {MaliciousArbiter} from "../../contracts/mocks/MaliciousArbiter.sol";
import {BondAuthorization, EscrowState, Outcome, Status, Terms} from "../../contracts/types/EscrowTypes.sol";
import {DisputeBase} from "./utils/DisputeBase.sol";

/// @notice Disputes, with arbiters of every character.
contract EscrowDisputesTest is DisputeBase {
    address private immutable _client = VM.addr(CLIENT);
    address private immutable _provider = VM.addr(PROVIDER);
    uint96 private constant AMOUNT = 25e6;
    uint96 private constant FILL = 50e6;

    function setUp() public {
        give();
        fillBalances(FILL);
    }

    /*////////////////////////////////////////////////////////////////////////
                                 OUTCOMES AND BONDS
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_every_ruling_pays_exactly_what_is_there(uint96 amount, uint96 fee, uint8 ruling, bool delivered)
        public
    {
        amount = uint96(bound(amount, 1, 1e12));
        fee = uint96(bound(fee, 0, amount < FILL ? amount : FILL));
        ruling = ruling % 3;
        honest.setFee(fee);
        uint256 before = usdc.balanceOf(address(escrow));
        Terms memory terms = disputedWith(address(honest), amount, 1);
        equal("fee is the arbiter's", usdc.balanceOf(address(honest)), fee);
        equal("no allowance", usdc.allowance(address(escrow), address(honest)), 0);
        equal("money in", usdc.balanceOf(address(escrow)), before + amount - fee);
        if (delivered) {
            honest.giveRuling(0, ruling);
            check("recorded only", stateOf(terms).status == Status.Ruled);
            equal("nothing moved", stateOf(terms).released + stateOf(terms).refunded, 0);
        } else {
            honest.decide(0, ruling);
        }
        escrow.execute(terms);
        EscrowState memory state = stateOf(terms);
        check("closed", state.status == Status.Closed);
        uint96 toProvider = ruling == 2 ? amount : ruling == 1 ? 0 : amount / 2;
        equal("released", state.released, toProvider);
        equal("refunded", state.refunded, amount - toProvider);
        uint96 bondToProvider = ruling == 2 ? fee : ruling == 1 ? 0 : fee / 2;
        uint256 charge = (uint256(toProvider) * terms.feeBps) / 10_000;
        equal("client", escrow.balanceOf(_client), FILL - bondToProvider + amount - toProvider);
        equal("provider", escrow.balanceOf(_provider), FILL - fee + bondToProvider + toProvider - charge);
        equal("treasury", escrow.balanceOf(TREASURY), charge);
        equal("no bond is left", escrow.disputes(escrow.escrowId(terms)).clientBond, 0);
        Outcome outcome = ruling == 2 ? Outcome.Won : ruling == 1 ? Outcome.Lost : Outcome.Tie;
        equal("outcome", state.ruling, uint8(outcome));
        equal("stake is settled", reputation.stakeOf(_provider).locked, 0);
        uint256 lock = reputation.requiredStake(amount);
        equal("slashed", 1e12 - reputation.stakeOf(_provider).staked, ruling == 1 ? lock : 0);
    }

    function test_silent_provider_loses_everything_and_client_gets_the_bond_back() public {
        Terms memory terms = challengedWith(address(honest), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        uint40 clock = stateOf(terms).clock;
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_ChallengeActive.selector, id, clock));
        escrow.claimDefault(terms);
        VM.warp(clock);
        VM.prank(_provider);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_ChallengeOver.selector, id, clock));
        escrow.respond(terms);
        escrow.claimDefault(terms);
        equal("client", escrow.balanceOf(_client), FILL + AMOUNT);
        equal("outcome", stateOf(terms).ruling, uint8(Outcome.Lost));
        equal("stake", reputation.stakeOf(_provider).staked, 1e12 - reputation.requiredStake(AMOUNT));
    }

    function testFuzz_split_ends_a_dispute_at_any_point(uint96 part, bool responded) public {
        Terms memory terms =
            responded ? disputedWith(address(honest), AMOUNT, 1) : challengedWith(address(honest), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        uint96 toProvider = uint96(bound(part, 0, AMOUNT));
        uint96 toClient = AMOUNT - toProvider;
        escrow.split(
            terms,
            toProvider,
            toClient,
            uint40(block.timestamp),
            splitSignature(CLIENT, id, toProvider, toClient),
            splitSignature(PROVIDER, id, toProvider, toClient)
        );
        uint96 bondToProvider = responded ? FEE / 2 : 0;
        equal("client", escrow.balanceOf(_client), FILL - bondToProvider + toClient);
        uint256 charge = (uint256(toProvider) * terms.feeBps) / 10_000;
        uint256 paid = responded ? FEE : 0;
        equal("provider", escrow.balanceOf(_provider), FILL - paid + bondToProvider + toProvider - charge);
        equal("outcome", stateOf(terms).ruling, uint8(Outcome.Settled));
        equal("stake", reputation.stakeOf(_provider).staked, 1e12);
        // The arbiter goes on, and nobody cares.
        if (responded) honest.giveRuling(0, 1);
        equal("still settled", stateOf(terms).ruling, uint8(Outcome.Settled));
    }

    function testFuzz_refund_in_a_dispute_is_a_lost_one_and_before_it_a_return(bool responded) public {
        Terms memory terms =
            responded ? disputedWith(address(honest), AMOUNT, 1) : challengedWith(address(honest), AMOUNT, 1);
        VM.prank(_provider);
        escrow.refund(terms, 1e6);
        check("goes on", stateOf(terms).status == (responded ? Status.Disputed : Status.Challenged));
        VM.prank(_provider);
        escrow.refund(terms, AMOUNT);
        equal("outcome", stateOf(terms).ruling, uint8(responded ? Outcome.Lost : Outcome.Returned));
        equal("client has price and bond", escrow.balanceOf(_client), FILL + AMOUNT);
    }

    function test_in_ruled_only_execute_works() public {
        Terms memory terms = disputedWith(address(honest), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        honest.giveRuling(0, 2);
        bytes memory wrong = abi.encodeWithSelector(Errors.Escrow_WrongStatus.selector, id, Status.Ruled);
        VM.prank(_provider);
        VM.expectRevert(wrong);
        escrow.refund(terms, AMOUNT);
        VM.prank(_client);
        VM.expectRevert(wrong);
        escrow.release(terms, AMOUNT);
        bytes memory byClient = splitSignature(CLIENT, id, 0, AMOUNT);
        bytes memory byProvider = splitSignature(PROVIDER, id, 0, AMOUNT);
        VM.expectRevert(wrong);
        escrow.split(terms, 0, AMOUNT, uint40(block.timestamp), byClient, byProvider);
        VM.warp(block.timestamp + 365 days);
        VM.expectRevert(wrong);
        escrow.resolveStalled(terms);
        VM.expectRevert(wrong);
        escrow.claimDefault(terms);
        // A second ruling is not heard.
        honest.giveRuling(0, 1);
        escrow.execute(terms);
        equal("first ruling", stateOf(terms).released, AMOUNT);
    }

    function test_partly_released_escrow_disputes_the_rest_only() public {
        Terms memory terms = submittedWith(address(honest), AMOUNT, 1);
        VM.prank(_client);
        escrow.release(terms, 10e6);
        VM.prank(_client);
        escrow.dispute(terms, 0);
        VM.prank(_provider);
        escrow.respond(terms);
        honest.giveRuling(0, 1);
        escrow.execute(terms);
        equal("released", stateOf(terms).released, 10e6);
        equal("refunded", stateOf(terms).refunded, 15e6);
        // All of the lock for the missing three fifths.
        equal("slash", 1e12 - reputation.stakeOf(_provider).staked, 3e6);
    }

    /*////////////////////////////////////////////////////////////////////////
                                  WHO, WHEN, BOND
    ////////////////////////////////////////////////////////////////////////*/

    function test_dispute_is_for_the_client_in_time_before_an_arbiter() public {
        Terms memory terms = submittedWith(address(honest), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        VM.prank(_provider);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_CallerNotClient.selector, id, _provider));
        escrow.dispute(terms, 0);
        uint40 clock = stateOf(terms).clock;
        VM.warp(clock);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_ChallengeOver.selector, id, clock));
        escrow.dispute(terms, 0);
        Terms memory none = submittedWith(address(0), AMOUNT, 2);
        id = escrow.escrowId(none);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_NoArbiter.selector, id));
        escrow.dispute(none, 0);
        Terms memory nobody = submittedWith(address(0xDEAD), AMOUNT, 3);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_ArbiterFailed.selector, address(0xDEAD)));
        escrow.dispute(nobody, 0);
    }

    function test_pause_stops_no_dispute() public {
        Terms memory terms = submittedWith(address(honest), AMOUNT, 1);
        VM.prank(GUARDIAN);
        escrow.pauseInflows();
        bytes32 id = escrow.escrowId(terms);
        escrow.disputeWithSignature(
            terms, 0, uint40(block.timestamp), _disputeSignature(id, 0), bondBy(CLIENT, id, FEE)
        );
        VM.prank(_provider);
        escrow.respond(terms);
        honest.giveRuling(0, 2);
        escrow.execute(terms);
        check("closed", stateOf(terms).status == Status.Closed);
    }

    function test_signed_dispute_and_response_with_signed_bonds_come_from_anyone() public {
        Terms memory terms = submittedWith(address(honest), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        uint40 now_ = uint40(block.timestamp);
        BondAuthorization memory bond = bondBy(CLIENT, id, FEE);
        // The bond alone disputes nothing, nor does a consent to other evidence.
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
        escrow.disputeWithSignature(terms, 0, now_, hex"", bond);
        bytes memory other = _disputeSignature(id, keccak256("other"));
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
        escrow.disputeWithSignature(terms, 0, now_, other, bond);
        escrow.disputeWithSignature(terms, 0, now_, _disputeSignature(id, 0), bond);
        equal("balance untouched", escrow.balanceOf(_client), FILL);
        equal("bond", escrow.disputes(id).clientBond, FEE);
        usdc.mint(_provider, FEE);
        bytes memory response = consent(PROVIDER, "Response(bytes32 escrowId,uint40 validUntil)", id);
        escrow.respondWithSignature(terms, now_, response, bondBy(PROVIDER, id, FEE));
        equal("balance untouched", escrow.balanceOf(_provider), FILL);
        check("disputed", stateOf(terms).status == Status.Disputed);
        check("way back", escrow.escrowOfDispute(address(honest), 0) == id);
    }

    function test_greedy_arbiter_gets_no_more_from_a_balance_than_the_price() public {
        Terms memory terms = submittedWith(address(hostile), 2e6, 1);
        bytes32 id = escrow.escrowId(terms);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_BondAboveAmount.selector, id, FEE, 2e6));
        escrow.dispute(terms, 0);
        // Signed over exactly this value it may be dearer.
        BondAuthorization memory bond = bondBy(CLIENT, id, FEE);
        VM.prank(_client);
        escrow.disputeWithSignature(terms, 0, 0, hex"", bond);
        hostile.setFee(40e6, MaliciousArbiter.Fee.Exact);
        VM.prank(_provider);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_BondAboveAmount.selector, id, 40e6, 2e6));
        escrow.respond(terms);
        equal("provider keeps his balance", escrow.balanceOf(_provider), FILL);
    }

    /*////////////////////////////////////////////////////////////////////////
                                  HOSTILE ARBITERS
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_arbiter_takes_exactly_his_fee_or_there_is_no_dispute(uint8 how) public {
        Terms memory terms = challengedWith(address(hostile), AMOUNT, 1);
        MaliciousArbiter.Fee mode = MaliciousArbiter.Fee(how % 5);
        hostile.setFee(FEE, mode);
        usdc.mint(address(escrow), 100e6); // more than he may have lies here
        uint256 before = usdc.balanceOf(address(escrow));
        VM.prank(_provider);
        (bool success,) = address(escrow).call(abi.encodeCall(escrow.respond, (terms)));
        check("only for the fee", success == (mode == MaliciousArbiter.Fee.Exact));
        equal("money", usdc.balanceOf(address(escrow)), success ? before - FEE : before);
        equal("allowance", usdc.allowance(address(escrow), address(hostile)), 0);
        check("status", stateOf(terms).status == (success ? Status.Disputed : Status.Challenged));
    }

    function test_occupied_or_oversized_dispute_number_is_refused() public {
        disputedWith(address(hostile), AMOUNT, 1);
        Terms memory second = challengedWith(address(hostile), AMOUNT, 2);
        VM.prank(_provider);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_DisputeIdTaken.selector, address(hostile), 0));
        escrow.respond(second);
        hostile.setNextId(uint256(type(uint160).max) + 1);
        VM.prank(_provider);
        VM.expectRevert(
            abi.encodeWithSelector(
                Errors.Escrow_DisputeIdTaken.selector, address(hostile), uint256(type(uint160).max) + 1
            )
        );
        escrow.respond(second);
        hostile.setNextId(type(uint160).max);
        VM.prank(_provider);
        escrow.respond(second);
    }

    function test_arbiter_rules_his_own_disputes_only() public {
        Terms memory terms = disputedWith(address(honest), AMOUNT, 1);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_CallerNotArbiter.selector, bytes32(0), address(hostile)));
        VM.prank(address(hostile));
        escrow.rule(0, 1);
        VM.prank(address(honest));
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidRuling.selector, 3));
        escrow.rule(0, 3);
        check("untouched", stateOf(terms).status == Status.Disputed);
    }

    function test_nothing_can_be_called_back_while_a_dispute_is_created() public {
        Terms memory first = disputedWith(address(hostile), AMOUNT, 1);
        Terms memory second = challengedWith(address(hostile), AMOUNT, 2);
        hostile.setNextId(1);
        bytes[4] memory calls = [
            abi.encodeCall(escrow.rule, (0, 1)),
            abi.encodeCall(escrow.execute, (first)),
            abi.encodeCall(escrow.withdraw, (1)),
            abi.encodeCall(escrow.claimDefault, (second))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 snapshot = VM.snapshotState();
            hostile.setCallback(calls[i]);
            VM.prank(_provider);
            escrow.respond(second);
            check("refused", !hostile.callbackSucceeded());
            check("first untouched", stateOf(first).status == Status.Disputed);
            VM.revertToState(snapshot);
        }
    }

    function testFuzz_stalled_arbiter_of_any_character_cannot_hold_the_money(
        uint8 how,
        uint256 duration,
        uint256 status,
        uint256 ruling
    ) public {
        MaliciousArbiter.View mode = MaliciousArbiter.View(how % 6);
        hostile.setViews(mode, duration, status % 4, ruling % 4);
        Terms memory terms = disputedWith(address(hostile), AMOUNT, 1);
        uint256 clock = stateOf(terms).clock;
        check("at most 180 days", clock <= block.timestamp + 180 days);
        check("at least what the terms say", clock >= block.timestamp + terms.disputeTimeout);
        VM.expectRevert(
            abi.encodeWithSelector(Errors.Escrow_DeadlineNotReached.selector, escrow.escrowId(terms), uint40(clock))
        );
        escrow.resolveStalled(terms);
        VM.warp(clock);
        escrow.resolveStalled(terms);
        EscrowState memory state = stateOf(terms);
        check("closed", state.status == Status.Closed);
        bool ruled = mode == MaliciousArbiter.View.Honest && status % 4 == 2 && ruling % 4 <= 2;
        if (ruled && ruling % 4 == 1) equal("client", state.refunded, AMOUNT);
        else if (ruled && ruling % 4 == 2) equal("provider", state.released, AMOUNT);
        else equal("half, odd unit to the client", state.refunded, AMOUNT - AMOUNT / 2);
        if (!ruled) equal("outcome", state.ruling, uint8(Outcome.Stalled));
    }

    function testFuzz_starving_the_call_makes_no_honest_arbiter_look_silent(uint256 gas) public {
        Terms memory terms = disputedWith(address(honest), AMOUNT, 1);
        honest.decide(0, 2);
        VM.warp(stateOf(terms).clock);
        gas = bound(gas, 30_000, 900_000);
        (bool success,) = address(escrow).call{gas: gas}(abi.encodeCall(escrow.resolveStalled, (terms)));
        if (success) equal("ruling", stateOf(terms).released, AMOUNT);
        else check("nothing happened", stateOf(terms).status == Status.Disputed);
    }

    function test_execute_waits_for_a_final_valid_ruling() public {
        Terms memory terms = disputedWith(address(hostile), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        hostile.setViews(MaliciousArbiter.View.Honest, 0, 1, 1);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_NotRuled.selector, id));
        escrow.execute(terms);
        hostile.setViews(MaliciousArbiter.View.Honest, 0, 2, 3);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidRuling.selector, 3));
        escrow.execute(terms);
        hostile.setViews(MaliciousArbiter.View.BurnsGas, 0, 2, 1);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_NotRuled.selector, id));
        escrow.execute(terms);
        hostile.setViews(MaliciousArbiter.View.Honest, 0, 2, 1);
        escrow.execute(terms);
        equal("refunded", stateOf(terms).refunded, AMOUNT);
        // Delivered late, even nonsense is no error.
        VM.prank(address(hostile));
        escrow.rule(0, 99);
    }

    function test_blacklisted_side_does_not_block_the_other() public {
        Terms memory terms = disputedWith(address(honest), AMOUNT, 1);
        usdc.blacklist(_provider);
        usdc.blacklist(TREASURY);
        honest.giveRuling(0, 0);
        escrow.execute(terms);
        uint256 owed = escrow.balanceOf(_client);
        VM.prank(_client);
        escrow.withdraw(uint96(owed));
        equal("paid", escrow.balanceOf(_client), 0);
    }

    function _disputeSignature(bytes32 id, bytes32 evidence) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Dispute(bytes32 escrowId,bytes32 evidenceHash,uint40 validUntil)"),
                id,
                evidence,
                uint40(block.timestamp)
            )
        );
        return signed(CLIENT, typed(escrow.domainSeparator(), structHash));
    }
}
