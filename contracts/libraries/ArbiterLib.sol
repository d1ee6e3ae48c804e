// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DisputeStatus, IArbitrator} from "../interfaces/IArbitrator.sol";
import {Terms} from "../types/EscrowTypes.sol";
import {Errors} from "./Errors.sol";

/// @title ArbiterLib
/// @notice Questions to an arbiter, who may be hostile code.
///
/// @dev Every question is a static call with a fixed amount of gas of which at most one word is read, so an arbiter can
/// neither change anything, nor use the caller's gas up, nor flood his memory. A caller who brings less gas than that
/// reverts: nobody can make an honest arbiter look silent.
library ArbiterLib {
    /// @dev Selector of `arbitrationCost(bytes,address)`, one of two overloads.
    bytes4 private constant COST_SELECTOR = bytes4(keccak256("arbitrationCost(bytes,address)"));

    /// @dev Gas of one question.
    uint256 private constant VIEW_GAS = 200_000;

    /// @dev Gas that must be left before a question: the 63/64 rule, the access to a cold account, and what follows.
    uint256 private constant VIEW_RESERVE = VIEW_GAS + VIEW_GAS / 63 + 20_000;

    /// @notice What Escrow tells an arbiter about a dispute.
    function extraData(bytes32 id, Terms calldata terms) internal pure returns (bytes memory) {
        return abi.encode(id, terms.client, terms.provider, terms.verifier);
    }

    /// @notice Fee of a dispute in base units. Reverts if the arbiter gives none, or none that can be real.
    function cost(bytes32 id, Terms calldata terms, address token) internal view returns (uint96) {
        bytes memory question = abi.encodeWithSelector(COST_SELECTOR, extraData(id, terms), token);
        (bool answered, uint256 fee) = _ask(terms.arbiter, question);
        if (!answered || fee > type(uint96).max) revert Errors.Escrow_ArbiterFailed(terms.arbiter);
        return uint96(fee);
    }

    /// @notice Longest time the arbiter says a dispute takes, 0 if he does not say, at most `cap`. Seconds.
    function maxDuration(address arbiter, uint256 cap) internal view returns (uint256) {
        (bool answered, uint256 duration) = _ask(arbiter, abi.encodeWithSignature("maxDuration()"));
        if (!answered) return 0;
        return duration < cap ? duration : cap;
    }

    /// @notice The ruling, if the arbiter says that it is final.
    function finalRuling(address arbiter, uint256 disputeId) internal view returns (bool solved, uint256 ruling) {
        (bool answered, uint256 status) = _ask(arbiter, abi.encodeCall(IArbitrator.disputeStatus, (disputeId)));
        if (!answered || status != uint256(DisputeStatus.Solved)) return (false, 0);
        return _ask(arbiter, abi.encodeCall(IArbitrator.currentRuling, (disputeId)));
    }

    /// @dev One question; unanswered if it fails or says less than a word.
    function _ask(address arbiter, bytes memory question) private view returns (bool answered, uint256 word) {
        // Check: the question gets all of its gas.
        if (gasleft() < VIEW_RESERVE) revert Errors.Escrow_InsufficientGas(gasleft(), VIEW_RESERVE);
        assembly ("memory-safe") {
            answered := staticcall(VIEW_GAS, arbiter, add(question, 0x20), mload(question), 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            if answered { word := mload(0x00) }
        }
    }
}
