// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
import {EscrowConfig, EscrowState, Status, Terms} from "../../contracts/types/EscrowTypes.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice One call of any function, from any state of an escrow that satisfies the invariants, keeps them.
///
/// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 65
contract EscrowProofs is Proof {
    IEscrow private _escrow;

    function setUp() public {
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
        _escrow = IEscrow(deploy("Escrow", abi.encode(config)));
        SVM.enableSymbolicStorage(address(_escrow));
        SVM.enableSymbolicStorage(_escrow.reputation());
    }

    /// @notice Released and refunded never exceed the price, are the price once closed, and never fall; nothing leaves
    /// Closed and nothing returns to None.
    function check_totals_of_an_escrow(Terms memory terms, address caller, uint40 time) public {
        bytes32 id = _escrow.escrowId(terms);
        EscrowState memory earlier = _escrow.stateOf(id);
        VM.assume(_sound(terms, earlier));
        callAnything("Escrow", address(_escrow), caller, time);
        EscrowState memory later = _escrow.stateOf(id);
        assert(_sound(terms, later));
        assert(later.released >= earlier.released && later.refunded >= earlier.refunded);
        assert(earlier.status != Status.Closed || later.status == Status.Closed);
        assert(earlier.status == Status.None || later.status != Status.None);
    }

    function check_tmp_submit(Terms memory terms, address caller, uint40 time) public {
        bytes32 id = _escrow.escrowId(terms);
        EscrowState memory earlier = _escrow.stateOf(id);
        VM.assume(_sound(terms, earlier));
        callOne("Escrow", _escrow.submit.selector, address(_escrow), caller, time);
        EscrowState memory later = _escrow.stateOf(id);
        assert(_sound(terms, later));
    }

    function check_tmp_release(Terms memory terms, address caller, uint40 time) public {
        bytes32 id = _escrow.escrowId(terms);
        EscrowState memory earlier = _escrow.stateOf(id);
        VM.assume(_sound(terms, earlier));
        callOne("Escrow", _escrow.release.selector, address(_escrow), caller, time);
        EscrowState memory later = _escrow.stateOf(id);
        assert(_sound(terms, later));
    }

    function _sound(Terms memory terms, EscrowState memory state) private pure returns (bool) {
        uint256 moved = uint256(state.released) + state.refunded;
        if (state.status == Status.None) return state.word == 0;
        if (state.status == Status.Closed) return moved == terms.amount;
        return moved <= terms.amount;
    }
}
