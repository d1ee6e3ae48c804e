// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Acceptance, Terms} from "../../contracts/types/EscrowTypes.sol";
import {DisputeBase} from "./utils/DisputeBase.sol";

/// @notice Ceilings on the gas of whole transactions, on an escrow that went through every step, second use of every
/// account, cold state, an empty bonus pool, standard EVM prices and the local token (which is cheaper than USDC behind its proxy).
contract EscrowGasTest is DisputeBase {
    uint96 private constant AMOUNT = 25e6;

    event Gas(string what, uint256 gas);

    function setUp() public {
        give();
        fillBalances(50e6);
        Terms memory terms = submittedWith(address(0), AMOUNT, 1);
        VM.prank(terms.client);
        escrow.release(terms, AMOUNT);
        VM.prank(terms.provider);
        escrow.withdraw(1e6);
        usdc.mint(terms.provider, 1);
        usdc.mint(address(honest), 1);
    }

    function test_gas_of_the_daily_steps() public {
        Terms memory terms = termsOf(AMOUNT, 2);
        bytes32 id = escrow.escrowId(terms);
        uint256 validBefore = block.timestamp + 60;
        bytes memory signature = authorization(CLIENT, address(escrow), AMOUNT, validBefore, id);
        Acceptance memory acceptance = acceptanceOf(id);
        uint256 snapshot = VM.snapshotState();
        escrow.fundWithAuthorization(terms, validBefore, signature, Acceptance(0, hex""));
        _below("fund by ERC-3009", 126_000);
        VM.revertToState(snapshot);
        escrow.fundWithAuthorization(terms, validBefore, signature, acceptance);
        _below("fund and accept", 145_000);
        VM.prank(terms.provider);
        escrow.submit(terms, keccak256("result"));
        _below("submit", 35_000);
        snapshot = VM.snapshotState();
        VM.prank(terms.client);
        escrow.release(terms, AMOUNT);
        _below("release to the balance, with fee", 63_000);
        VM.revertToState(snapshot);
        VM.prank(terms.client);
        escrow.releaseAndPay(terms, AMOUNT);
        _below("release and pay, with fee", 84_000);
        VM.revertToState(snapshot);
        VM.prank(terms.provider);
        escrow.refundAndPay(terms, AMOUNT);
        // With the first slash that ever goes to this client: a new slot of his in Reputation, 17,100 gas.
        _below("refund and pay, first slash", 99_000);
        terms = submittedWith(address(0), AMOUNT, 3);
        VM.prank(terms.provider);
        escrow.refundAndPay(terms, AMOUNT);
        _below("refund and pay, slashing", 82_000);
        terms = termsOf(AMOUNT, 4);
        VM.prank(terms.client);
        escrow.fund(terms);
        VM.prank(terms.provider);
        escrow.refundAndPay(terms, AMOUNT);
        _below("refund and pay before acceptance", 63_000);
        VM.revertToState(snapshot);
        VM.prank(terms.provider);
        escrow.withdraw(1e6);
        _below("withdraw a part", 52_000);
        uint96 rest = uint96(escrow.balanceOf(terms.provider));
        VM.prank(terms.provider);
        escrow.withdraw(rest);
        _below("withdraw all", 48_000);
    }

    function test_gas_of_a_batch() public {
        Terms[] memory rows = new Terms[](10);
        for (uint256 i = 0; i < 10; ++i) {
            uint256 key = 0xB0B0 + i;
            address provider = VM.addr(key);
            give(provider, 1e9, address(reputation));
            VM.prank(provider);
            reputation.stake(1e8);
            for (uint256 turn = 0; turn < 2; ++turn) {
                Terms memory terms = termsOf(AMOUNT, 100 + 2 * i + turn);
                terms.provider = provider;
                VM.prank(terms.client);
                escrow.fund(terms);
                VM.prank(provider);
                escrow.accept(terms);
                VM.prank(provider);
                escrow.submit(terms, keccak256("result"));
                rows[i] = terms;
                if (turn == 1) continue;
                VM.prank(terms.client);
                escrow.release(terms, AMOUNT);
            }
        }
        VM.prank(rows[0].client);
        escrow.releaseBatch(rows);
        _below("release of ten with ten providers", 360_000);
    }

    function test_gas_of_a_dispute() public {
        disputedWith(address(honest), AMOUNT, 3);
        Terms memory terms = submittedWith(address(honest), AMOUNT, 2);
        VM.prank(terms.client);
        escrow.dispute(terms, keccak256("evidence"));
        _below("dispute", 80_000);
        VM.prank(terms.provider);
        escrow.respond(terms);
        // The arbiter of this test stores six words of its own.
        _below("respond", 320_000);
        VM.prank(address(honest));
        escrow.rule(1, 2);
        _below("rule", 40_000);
        escrow.execute(terms);
        // The first dispute of this agent that ends: a new slot of his in Reputation, 17,100 gas.
        _below("execute", 97_000);
        VM.prank(terms.client);
        escrow.rate(terms, 100, 0);
        _below("rate", 39_000);
    }

    function _below(string memory what, uint256 ceiling) private {
        uint256 gas = VM.lastCallGas().gasTotalUsed;
        emit Gas(what, gas);
        check(what, gas <= ceiling);
    }
}
