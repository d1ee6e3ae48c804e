// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../../../contracts/interfaces/IPaymentChannel.sol";
import {Proof} from "./Proof.sol";

/// @notice One call, by anybody at any time, from any state of a channel, a receiver and a pool.
///
/// @dev The proofs look at any channel, receiver and pool, whether the call is about them or not. `multicall` is left
/// out: it is a row of such calls.
abstract contract ChannelProof is Proof {
    /// @notice Who calls when, and what is looked at.
    struct Frame {
        address caller;
        uint40 time;
        bytes32 channelId;
        bytes32 poolId;
        address receiver;
    }

    struct Look {
        uint256 balance;
        uint256 claimed;
        uint256 withdrawal;
        uint256 initiatedAt;
        uint256 refundNonce;
        uint256 promised;
        uint256 paid;
        uint256 poolBalance;
        uint256 poolWithdrawal;
        uint256 poolFinalizeAt;
    }

    IPaymentChannel internal _channel;

    function setUp() public {
        _channel = IPaymentChannel(deploy("PaymentChannel", abi.encode(_token, GUARDIAN, address(0), address(0))));
        SVM.enableSymbolicStorage(address(_channel));
    }

    /// @dev A channel never owes more than it holds, nor is a receiver paid more than he was promised; what was claimed,
    /// promised, paid and refunded never falls. Clocks of withdrawals run as they must.
    modifier keeps(Frame calldata frame) {
        Look memory earlier = _before(frame);
        VM.prank(frame.caller);
        _;
        _after(frame, earlier);
    }

    function _before(Frame memory frame) internal returns (Look memory earlier) {
        earlier = _look(frame);
        VM.assume(earlier.claimed <= earlier.balance && earlier.paid <= earlier.promised);
        VM.assume(earlier.refundNonce < type(uint256).max);
        VM.warp(frame.time);
    }

    function _after(Frame calldata frame, Look memory earlier) private view {
        Look memory later = _look(frame);
        _checkTotals(earlier, later);
        _checkClock(earlier, later, frame.time);
        _checkPoolClock(earlier, later, frame.time);
    }

    function _checkTotals(Look memory earlier, Look memory later) internal pure {
        assert(later.claimed <= later.balance && later.paid <= later.promised);
        assert(later.claimed >= earlier.claimed && later.refundNonce >= earlier.refundNonce);
        assert(later.promised >= earlier.promised && later.paid >= earlier.paid);
    }

    /// @dev The clock of a channel's withdrawal starts now, and can only be ended; its amount never grows.
    function _checkClock(Look memory earlier, Look memory later, uint40 time) private pure {
        if (later.initiatedAt == 0) return;
        if (earlier.initiatedAt == 0) assert(later.initiatedAt == time);
        else assert(later.initiatedAt == earlier.initiatedAt && later.withdrawal <= earlier.withdrawal);
    }

    /// @dev The clock of a pool's withdrawal starts at a full day, and can only be ended, or shortened to a quarter of an
    /// hour from now; its amount stays.
    function _checkPoolClock(Look memory earlier, Look memory later, uint40 time) private pure {
        if (later.poolFinalizeAt == 0) return;
        if (earlier.poolFinalizeAt == 0) {
            assert(later.poolFinalizeAt == uint256(time) + 24 hours);
            return;
        }
        assert(later.poolWithdrawal == earlier.poolWithdrawal);
        if (later.poolFinalizeAt == earlier.poolFinalizeAt) return;
        assert(later.poolFinalizeAt < earlier.poolFinalizeAt);
        assert(later.poolFinalizeAt == uint256(time) + 15 minutes);
    }

    function _look(Frame memory frame) internal view returns (Look memory look) {
        (look.balance, look.claimed) = _channel.channels(frame.channelId);
        (look.withdrawal, look.initiatedAt) = _channel.pendingWithdrawals(frame.channelId);
        look.refundNonce = _channel.refundNonce(frame.channelId);
        (look.promised, look.paid) = _channel.receivers(frame.receiver, _token);
        (look.poolBalance, look.poolWithdrawal, look.poolFinalizeAt,) = _channel.pools(frame.poolId);
    }
}
