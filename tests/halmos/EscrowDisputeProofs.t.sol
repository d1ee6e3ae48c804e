// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BondAuthorization, Terms} from "../../contracts/types/EscrowTypes.sol";
import {AnyArbiter, OneBalance} from "./utils/AnyArbiter.sol";
import {EscrowProof} from "./utils/EscrowProof.sol";

/// @notice As `EscrowProofs`, for a dispute before an arbiter who answers anything.
///
/// @custom:halmos --default-bytes-lengths 65 --solver-timeout-branching 100
contract EscrowDisputeProofs is EscrowProof {
    address private _arbiter;

    function setUp() public override {
        super.setUp();
        _arbiter = address(new AnyArbiter());
        SVM.enableSymbolicStorage(_arbiter);
        SVM.enableSymbolicStorage(_token);
    }

    modifier withArbiter(Terms calldata terms) {
        VM.assume(terms.arbiter == _arbiter);
        _;
    }

    function check_dispute(Terms calldata terms, address caller, uint40 time, bytes32 evidence)
        public
        withArbiter(terms)
        keeps(terms, caller, time)
    {
        _escrow.dispute(terms, evidence);
    }

    function check_disputeWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        bytes32 evidence,
        uint40 validUntil,
        bytes calldata signature
    ) public withArbiter(terms) keeps(terms, caller, time) {
        _escrow.disputeWithSignature(terms, evidence, validUntil, signature, BondAuthorization(0, ""));
    }

    function check_respond(Terms calldata terms, address caller, uint40 time)
        public
        withArbiter(terms)
        keeps(terms, caller, time)
    {
        _escrow.respond(terms);
    }

    function check_respondWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint40 validUntil,
        bytes calldata signature
    ) public withArbiter(terms) keeps(terms, caller, time) {
        _escrow.respondWithSignature(terms, validUntil, signature, BondAuthorization(0, ""));
    }

    function check_claimDefault(Terms calldata terms, address caller, uint40 time)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.claimDefault(terms);
    }

    function check_rule(Terms calldata terms, address caller, uint40 time, uint256 disputeId, uint256 ruling)
        public
        keeps(terms, caller, time)
    {
        _escrow.rule(disputeId, ruling);
    }

    function check_execute(Terms calldata terms, address caller, uint40 time)
        public
        withArbiter(terms)
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.execute(terms);
    }

    function check_resolveStalled(Terms calldata terms, address caller, uint40 time)
        public
        withArbiter(terms)
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.resolveStalled(terms);
    }

    function _newToken() internal override returns (address) {
        return address(new OneBalance());
    }
}
