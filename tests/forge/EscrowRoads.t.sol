// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrowExtension} from "../../contracts/interfaces/IEscrowExtension.sol";
import {Errors} from "../../contracts/libraries/Errors.sol";
import {MockPermit2} from "../../contracts/mocks/MockPermit2.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {EscrowState, Outcome, Status, Terms} from "../../contracts/types/EscrowTypes.sol";
import {Committed} from "./utils/Committed.sol";
import {DisputeBase} from "./utils/DisputeBase.sol";

/// @notice The rarer roads in and out: permits, signatures, batches, payouts, ratings.
contract EscrowRoadsTest is DisputeBase {
    address private immutable _client = VM.addr(CLIENT);
    address private immutable _provider = VM.addr(PROVIDER);
    address private constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;
    uint96 private constant AMOUNT = 25e6;

    function setUp() public {
        give();
        VM.etch(PERMIT2, address(new MockPermit2()).code);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     FUNDING
    ////////////////////////////////////////////////////////////////////////*/

    function test_permit_funds_with_the_clients_consent_even_if_it_was_used_up_before() public {
        VM.prank(_client);
        usdc.approve(address(escrow), 0);
        Terms memory terms = termsOf(AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        bytes memory permit = _permit(AMOUNT, block.timestamp);
        bytes memory consent_ = consent(CLIENT, "Fund(bytes32 escrowId,uint40 validUntil)", id);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
        escrow.fundWithPermit(terms, AMOUNT, block.timestamp, permit, uint40(block.timestamp), hex"");
        uint256 snapshot = VM.snapshotState();
        escrow.fundWithPermit(terms, AMOUNT, block.timestamp, permit, uint40(block.timestamp), consent_);
        check("funded", stateOf(terms).status == Status.Funded);
        VM.revertToState(snapshot);
        usdc.permit(_client, address(escrow), AMOUNT, block.timestamp, permit);
        escrow.fundWithPermit(terms, AMOUNT, block.timestamp, permit, uint40(block.timestamp), consent_);
        check("funded", stateOf(terms).status == Status.Funded);
        equal("paid once", usdc.balanceOf(address(escrow)), AMOUNT);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_AlreadyExists.selector, id));
        escrow.fundWithPermit(terms, AMOUNT, block.timestamp, permit, uint40(block.timestamp), consent_);
    }

    function test_permit_of_the_client_himself_needs_no_other_signature() public {
        VM.prank(_client);
        usdc.approve(address(escrow), 0);
        Terms memory terms = termsOf(AMOUNT, 1);
        bytes memory permit = _permit(AMOUNT, block.timestamp);
        VM.prank(_client);
        escrow.fundWithPermit(terms, AMOUNT, block.timestamp, permit, 0, hex"");
        check("funded", stateOf(terms).status == Status.Funded);
        // Without allowance and permit nothing is left behind.
        Terms memory second = termsOf(AMOUNT, 2);
        VM.prank(_client);
        (bool success,) = address(escrow)
            .call(abi.encodeCall(escrow.fundWithPermit, (second, AMOUNT, block.timestamp, hex"", 0, hex"")));
        check("refused", !success && stateOf(second).status == Status.None);
    }

    function test_permit2_witness_binds_the_terms() public {
        VM.prank(_client);
        usdc.approve(PERMIT2, type(uint256).max);
        Terms memory terms = termsOf(AMOUNT, 1);
        Terms memory other = termsOf(AMOUNT, 2);
        bytes memory signature = _permit2(escrow.escrowId(terms), AMOUNT, 7);
        VM.expectRevert(MockPermit2.InvalidSigner.selector);
        escrow.fundWithPermit2(other, 7, block.timestamp, signature);
        VM.expectRevert(MockPermit2.InvalidSigner.selector);
        escrow.fundWithPermit2(terms, 8, block.timestamp, signature);
        uint256 before = usdc.balanceOf(_client);
        VM.prank(VM.addr(STRANGER));
        escrow.fundWithPermit2(terms, 7, block.timestamp, signature);
        equal("paid", usdc.balanceOf(_client), before - AMOUNT);
        check("funded", stateOf(terms).status == Status.Funded);
    }

    function test_balance_is_spent_by_signature_once() public {
        fillBalances(AMOUNT * 2);
        Terms memory terms = termsOf(AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        bytes memory consent_ = consent(CLIENT, "Fund(bytes32 escrowId,uint40 validUntil)", id);
        escrow.fundFromBalanceWithSignature(terms, uint40(block.timestamp), consent_);
        equal("balance", escrow.balanceOf(_client), AMOUNT);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_AlreadyExists.selector, id));
        escrow.fundFromBalanceWithSignature(terms, uint40(block.timestamp), consent_);
        Terms memory other = termsOf(AMOUNT, 2);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _client));
        escrow.fundFromBalanceWithSignature(other, uint40(block.timestamp), consent_);
    }

    function test_pause_stops_every_way_in() public {
        VM.prank(GUARDIAN);
        escrow.pauseInflows();
        Terms memory terms = termsOf(AMOUNT, 1);
        bytes memory paused = abi.encodeWithSelector(Errors.Guarded_InflowsPaused.selector);
        VM.expectRevert(paused);
        escrow.fundWithPermit(terms, 0, 0, hex"", 0, hex"");
        VM.expectRevert(paused);
        escrow.fundWithPermit2(terms, 0, 0, hex"");
        VM.expectRevert(paused);
        escrow.fundFromBalanceWithSignature(terms, 0, hex"");
    }

    /*////////////////////////////////////////////////////////////////////////
                                 BATCH AND PAYOUT
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_batch_equals_single_releases(uint96 amount, uint8 which, bool partly) public {
        amount = uint96(bound(amount, 2, 1e10));
        Terms[] memory rows = new Terms[](5);
        for (uint256 i = 0; i < 4; ++i) {
            rows[i] = submittedWith(address(0), amount + uint96(i), i + 1);
        }
        if (partly) {
            VM.prank(_client);
            escrow.release(rows[0], 1);
        }
        // One row is closed already, one is there twice.
        uint256 closed = which % 4;
        VM.prank(_provider);
        escrow.refund(rows[closed], rows[closed].amount - (partly && closed == 0 ? 1 : 0));
        rows[4] = rows[(closed + 1) % 4];
        uint256 snapshot = VM.snapshotState();
        for (uint256 i = 0; i < 4; ++i) {
            if (i == closed) continue;
            VM.prank(_client);
            escrow.release(rows[i], rows[i].amount);
        }
        (uint256 provider, uint256 treasury) = (escrow.balanceOf(_provider), escrow.balanceOf(TREASURY));
        VM.revertToState(snapshot);
        VM.prank(_client);
        escrow.releaseBatch(rows);
        equal("provider", escrow.balanceOf(_provider), provider);
        equal("treasury", escrow.balanceOf(TREASURY), treasury);
        equal("stake", reputation.stakeOf(_provider).locked, 0);
        for (uint256 i = 0; i < 4; ++i) {
            check("closed", stateOf(rows[i]).status == Status.Closed);
        }
    }

    function test_batch_of_a_stranger_moves_nothing() public {
        Terms[] memory rows = new Terms[](1);
        rows[0] = submittedWith(address(0), AMOUNT, 1);
        escrow.releaseBatch(rows);
        check("untouched", stateOf(rows[0]).status == Status.Submitted);
    }

    function test_payout_goes_to_the_wallet_or_to_the_balance() public {
        Terms memory terms = submittedWith(address(0), AMOUNT, 1);
        uint256 net = AMOUNT - (uint256(AMOUNT) * 250) / 10_000;
        uint256 before = usdc.balanceOf(_provider);
        VM.prank(_client);
        escrow.releaseAndPay(terms, AMOUNT);
        equal("wallet", usdc.balanceOf(_provider), before + net);
        equal("balance", escrow.balanceOf(_provider), 0);
        equal("treasury", escrow.balanceOf(TREASURY), AMOUNT - net);
        Terms memory blocked = submittedWith(address(0), AMOUNT, 2);
        usdc.blacklist(_provider);
        VM.prank(_client);
        escrow.releaseAndPay(blocked, AMOUNT);
        equal("wallet", usdc.balanceOf(_provider), before + net);
        equal("balance", escrow.balanceOf(_provider), net);
        Terms memory back = submittedWith(address(0), AMOUNT, 3);
        usdc.pause();
        VM.prank(_provider);
        escrow.refundAndPay(back, AMOUNT);
        equal("balance", escrow.balanceOf(_client), AMOUNT);
        usdc.unpause();
        Terms memory paid = submittedWith(address(0), AMOUNT, 4);
        before = usdc.balanceOf(_client);
        VM.prank(_provider);
        escrow.refundAndPay(paid, AMOUNT);
        equal("wallet", usdc.balanceOf(_client), before + AMOUNT);
    }

    /*////////////////////////////////////////////////////////////////////////
                                  FEES AND ADMIN
    ////////////////////////////////////////////////////////////////////////*/

    function test_fees_stay_with_who_was_recipient_and_can_be_spent() public {
        Terms memory terms = submittedWith(address(0), AMOUNT, 1);
        VM.prank(_client);
        escrow.release(terms, AMOUNT);
        uint256 fee = (uint256(AMOUNT) * 250) / 10_000;
        equal("waits", escrow.balanceOf(TREASURY), fee);
        VM.prank(ADMIN);
        escrow.setFeeRecipient(_provider);
        equal("stays", escrow.balanceOf(TREASURY), fee);
        equal("no fee of others", escrow.balanceOf(_provider), AMOUNT - fee);
        terms = submittedWith(address(0), AMOUNT, 2);
        VM.prank(_client);
        escrow.release(terms, AMOUNT);
        equal("own balance and fees", escrow.balanceOf(_provider), 2 * AMOUNT - fee);
        VM.prank(_provider);
        escrow.withdraw(2 * AMOUNT - uint96(fee));
        equal("all of it", escrow.balanceOf(_provider), 0);
        VM.prank(TREASURY);
        escrow.withdraw(uint96(fee));
        equal("empty", usdc.balanceOf(address(escrow)), 0);
    }

    function test_admin_rescues_other_tokens_only() public {
        MockUSDC other = MockUSDC(Committed.deploy("MockUSDC", abi.encode(address(this))));
        other.mint(address(escrow), 5);
        VM.expectRevert();
        escrow.rescueToken(address(other), ADMIN);
        VM.prank(ADMIN);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_TokenNotRescuable.selector, address(usdc)));
        escrow.rescueToken(address(usdc), ADMIN);
        VM.prank(ADMIN);
        escrow.rescueToken(address(other), ADMIN);
        equal("rescued", other.balanceOf(ADMIN), 5);
    }

    function test_extension_refuses_direct_calls_and_wrong_configurations() public {
        IEscrowExtension extension = IEscrowExtension(escrow.extension());
        Terms memory terms = submittedWith(address(honest), AMOUNT, 1);
        bytes memory direct = abi.encodeWithSelector(Errors.Escrow_DirectCall.selector);
        VM.prank(_client);
        VM.expectRevert(direct);
        extension.dispute(terms, 0);
        VM.expectRevert(direct);
        extension.rule(0, 0);
        VM.prank(_client);
        VM.expectRevert(direct);
        extension.rate(terms, 1, 0);
        equal("no money", usdc.balanceOf(address(extension)), 0);
        (bool success,) = address(escrow).call(hex"12345678");
        check("unknown function", !success);
        (success,) = address(escrow).call{value: 0}(hex"");
        check("no receive", !success);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      RATING
    ////////////////////////////////////////////////////////////////////////*/

    function test_parties_of_a_closed_deal_rate_once() public {
        Terms memory terms = submittedWith(address(0), AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_WrongStatus.selector, id, Status.Submitted));
        escrow.rate(terms, 100, 0);
        VM.prank(_client);
        escrow.release(terms, AMOUNT);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_CallerNotParty.selector, id, address(this)));
        escrow.rate(terms, 100, 0);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_ScoreOutOfRange.selector, 101));
        escrow.rate(terms, 101, 0);
        VM.prank(_client);
        escrow.rate(terms, 100, 0);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_AlreadyRated.selector, id, _client));
        escrow.rate(terms, 0, 0);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Rating(bytes32 escrowId,uint8 score,bytes32 commentHash,uint40 validUntil)"),
                id,
                uint8(60),
                bytes32(0),
                uint40(block.timestamp)
            )
        );
        bytes memory signature = signed(PROVIDER, typed(escrow.domainSeparator(), structHash));
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_InvalidSignature.selector, _provider));
        escrow.rateWithSignature(terms, _provider, 61, 0, uint40(block.timestamp), signature);
        escrow.rateWithSignature(terms, _provider, 60, 0, uint40(block.timestamp), signature);
        EscrowState memory state = stateOf(terms);
        equal("flags", state.flags, 8 | 2 | 1);
        equal("outcome is kept", state.ruling, uint8(Outcome.Completed));
    }

    function test_what_was_never_accepted_is_not_rated() public {
        Terms memory terms = termsOf(AMOUNT, 1);
        bytes32 id = escrow.escrowId(terms);
        VM.prank(_client);
        escrow.fund(terms);
        VM.prank(_client);
        escrow.cancel(terms);
        VM.prank(_client);
        VM.expectRevert(abi.encodeWithSelector(Errors.Escrow_NotAccepted.selector, id));
        escrow.rate(terms, 0, 0);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     HELPERS
    ////////////////////////////////////////////////////////////////////////*/

    function _permit(uint256 value, uint256 deadline) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(usdc.PERMIT_TYPEHASH(), _client, address(escrow), value, usdc.nonces(_client), deadline)
        );
        return signed(CLIENT, typed(usdc.DOMAIN_SEPARATOR(), structHash));
    }

    function _permit2(bytes32 id, uint256 amount, uint256 nonce) private view returns (bytes memory) {
        bytes32 permitted =
            keccak256(abi.encode(keccak256("TokenPermissions(address token,uint256 amount)"), address(usdc), amount));
        bytes32 witness = keccak256(abi.encode(keccak256("EscrowFundWitness(bytes32 escrowId)"), id));
        bytes32 kind = keccak256(
            "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,"
            "EscrowFundWitness witness)EscrowFundWitness(bytes32 escrowId)"
            "TokenPermissions(address token,uint256 amount)"
        );
        bytes32 structHash = keccak256(abi.encode(kind, permitted, address(escrow), nonce, block.timestamp, witness));
        return signed(CLIENT, typed(MockPermit2(PERMIT2).DOMAIN_SEPARATOR(), structHash));
    }
}
