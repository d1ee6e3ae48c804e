// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
import {EscrowConfig, EscrowState, Status, Terms} from "../../contracts/types/EscrowTypes.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice One call, by anybody at any time, from any state of an escrow that satisfies the invariants, keeps them.
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
        EscrowState memory earlier = _escrow.stateOf(id);
        VM.assume(_sound(terms, earlier));
        VM.warp(time);
        VM.prank(caller);
        _;
        EscrowState memory later = _escrow.stateOf(id);
        assert(_sound(terms, later));
        assert(later.released >= earlier.released && later.refunded >= earlier.refunded);
        assert(earlier.status != Status.Closed || later.status == Status.Closed);
        assert(earlier.status == Status.None || later.status != Status.None);
    }

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

    function _sound(Terms memory terms, EscrowState memory state) private pure returns (bool) {
        uint256 moved = uint256(state.released) + state.refunded;
        if (state.status == Status.None) return state.word == 0;
        if (state.status == Status.Closed) return moved == terms.amount;
        return moved <= terms.amount;
    }
}
