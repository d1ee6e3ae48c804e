// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "../../contracts/types/EscrowTypes.sol";
import {EscrowProof} from "./utils/EscrowProof.sol";

/// @notice One call, by anybody at any time, from any state of an escrow that satisfies the invariants, keeps them.
contract EscrowProofs is EscrowProof {
    function check_fund(Terms memory terms, address caller, uint40 time) public keeps(terms, caller, time) {
        _escrow.fund(terms);
    }

    function check_fundFromBalance(Terms memory terms, address caller, uint40 time) public keeps(terms, caller, time) {
        _escrow.fundFromBalance(terms);
    }

    function check_accept(Terms memory terms, address caller, uint40 time) public keeps(terms, caller, time) {
        _escrow.accept(terms);
    }

    function check_submit(Terms memory terms, address caller, uint40 time, bytes32 hash)
        public
        keeps(terms, caller, time)
    {
        _escrow.submit(terms, hash);
    }

    function check_release(Terms memory terms, address caller, uint40 time, uint96 total)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.release(terms, total);
    }

    function check_releaseAfterChallenge(Terms memory terms, address caller, uint40 time)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.releaseAfterChallenge(terms);
    }

    function check_refund(Terms memory terms, address caller, uint40 time, uint96 total)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.refund(terms, total);
    }

    function check_cancel(Terms memory terms, address caller, uint40 time) public keeps(terms, caller, time) {
        _escrow.cancel(terms);
    }

    function check_reclaim(Terms memory terms, address caller, uint40 time)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.reclaim(terms);
    }
}
