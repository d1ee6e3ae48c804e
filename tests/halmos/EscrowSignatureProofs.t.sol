// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Acceptance, RoleSignature, Terms} from "../../contracts/types/EscrowTypes.sol";
import {EscrowProof} from "./utils/EscrowProof.sol";

/// @notice As `EscrowProofs`, for what a signature or a payment in the same step comes with.
///
/// @custom:halmos --default-array-lengths 2 --default-bytes-lengths 65
contract EscrowSignatureProofs is EscrowProof {
    function check_fundWithAuthorization(Terms calldata terms, address caller, uint40 time, bytes calldata signature)
        public
        keeps(terms, caller, time)
    {
        _escrow.fundWithAuthorization(terms, type(uint256).max, signature, Acceptance(0, ""));
    }

    function check_fundFromBalanceWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(terms, caller, time) {
        _escrow.fundFromBalanceWithSignature(terms, validUntil, signature);
    }

    function check_acceptWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        Acceptance calldata acceptance
    ) public keeps(terms, caller, time) {
        _escrow.acceptWithSignature(terms, acceptance);
    }

    function check_submitWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        bytes32 hash,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(terms, caller, time) {
        _escrow.submitWithSignature(terms, hash, validUntil, signature);
    }

    function check_releaseWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 total,
        uint40 validUntil,
        bytes calldata signature
    ) public withoutReport(terms) keeps(terms, caller, time) {
        _escrow.releaseWithSignature(terms, total, validUntil, signature);
    }

    /// @notice Two signatures, of any roles.
    function check_releaseWithQuorum(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 total,
        uint40 validUntil,
        RoleSignature[] calldata signatures
    ) public withoutReport(terms) keeps(terms, caller, time) {
        _escrow.releaseWithQuorum(terms, total, validUntil, signatures);
    }

    function check_releaseAndPay(Terms calldata terms, address caller, uint40 time, uint96 total)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.releaseAndPay(terms, total);
    }

    function check_refundWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 total,
        uint40 validUntil,
        bytes calldata signature
    ) public withoutReport(terms) keeps(terms, caller, time) {
        _escrow.refundWithSignature(terms, total, validUntil, signature);
    }

    function check_refundAndPay(Terms calldata terms, address caller, uint40 time, uint96 total)
        public
        withoutReport(terms)
        keeps(terms, caller, time)
    {
        _escrow.refundAndPay(terms, total);
    }

    function check_cancelWithSignature(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(terms, caller, time) {
        _escrow.cancelWithSignature(terms, validUntil, signature);
    }
}
