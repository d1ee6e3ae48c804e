// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrow} from "../../../contracts/interfaces/IEscrow.sol";
import {EscrowConfig, EscrowState, Status, Terms} from "../../../contracts/types/EscrowTypes.sol";
import {Proof} from "./Proof.sol";

/// @notice One call, by anybody at any time, from any state of an escrow that satisfies the invariants.
abstract contract EscrowProof is Proof {
    IEscrow internal _escrow;

    function setUp() public virtual {
        EscrowConfig memory config = EscrowConfig({
            token: _token,
            admin: ADMIN,
            guardian: GUARDIAN,
            feeRecipient: TREASURY,
            feeBps: 250,
            maxFeeBps: 500,
            minChallengePeriod: 60,
            maxChallengePeriod: 14 days,
            maxAcceptWindow: 7 days,
            maxDeliverWindow: 180 days,
            maxDisputeTimeout: 180 days,
            unbondingPeriod: 14 days
        });
        address extension = deploy("EscrowExtension", abi.encode(config));
        _escrow = IEscrow(deploy("Escrow", abi.encode(config, extension)));
        SVM.enableSymbolicStorage(address(_escrow));
        SVM.enableSymbolicStorage(_escrow.reputation());
    }

    /// @dev Leaves out escrows that owe Reputation a report: the size of a slash is a product of unknowns that no solver
    /// here finishes. The report follows the last write of a total; after it only its own flag is written.
    modifier withoutReport(Terms memory terms) {
        VM.assume(_escrow.stateOf(_escrow.escrowId(terms)).flags & 4 == 0);
        _;
    }

    /// @dev What must hold for an escrow after one call, if it held before: released and refunded never exceed the price,
    /// are the price once closed, and never fall; nothing leaves Closed and nothing returns to None.
    modifier keeps(Terms memory terms, address caller, uint40 time) {
        bytes32 id = _escrow.escrowId(terms);
        EscrowState memory earlier = _before(terms, id, time);
        VM.prank(caller);
        _;
        _after(terms, id, earlier);
    }

    function _before(Terms memory terms, bytes32 id, uint40 time) private returns (EscrowState memory earlier) {
        earlier = _escrow.stateOf(id);
        VM.assume(_sound(terms, earlier));
        VM.warp(time);
    }

    function _after(Terms memory terms, bytes32 id, EscrowState memory earlier) private view {
        EscrowState memory later = _escrow.stateOf(id);
        assert(_sound(terms, later));
        assert(later.released >= earlier.released && later.refunded >= earlier.refunded);
        assert(earlier.status != Status.Closed || later.status == Status.Closed);
        assert(earlier.status == Status.None || later.status != Status.None);
    }

    function _sound(Terms memory terms, EscrowState memory state) private pure returns (bool) {
        uint256 moved = uint256(state.released) + state.refunded;
        if (state.status == Status.None) return state.word == 0;
        if (state.status == Status.Closed) return moved == terms.amount;
        return moved <= terms.amount;
    }
}
