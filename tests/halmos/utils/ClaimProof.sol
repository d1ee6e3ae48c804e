// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig} from "../../../contracts/types/ChannelTypes.sol";
import {ChannelProof} from "./ChannelProof.sol";

/// @notice One claim, by anybody at any time, from any state of the channel, the receiver and the pool it is about.
abstract contract ClaimProof is ChannelProof {
    /// @dev A frame about a claim of one channel.
    function _frame(address caller, uint40 time, ChannelConfig memory config) internal view returns (Frame memory) {
        return Frame({
            caller: caller,
            time: time,
            channelId: _channel.getChannelId(config),
            poolId: _channel.getPoolId(config.payer, config.payerAuthorizer, config.receiverAuthorizer),
            receiver: config.receiver
        });
    }

    /// @dev As `keeps`. Besides: a claim neither starts, ends nor changes a withdrawal, it uses no refund up, and what the
    /// channel gets the pool loses.
    modifier claims(address caller, uint40 time, ChannelConfig memory config) {
        Frame memory frame = _frame(caller, time, config);
        Look memory earlier = _before(frame);
        VM.prank(caller);
        _;
        _afterClaim(frame, earlier);
    }

    function _afterClaim(Frame memory frame, Look memory earlier) private view {
        Look memory later = _look(frame);
        _checkTotals(earlier, later);
        assert(later.withdrawal == earlier.withdrawal && later.initiatedAt == earlier.initiatedAt);
        assert(later.refundNonce == earlier.refundNonce && later.poolWithdrawal == earlier.poolWithdrawal);
        assert(later.poolFinalizeAt == earlier.poolFinalizeAt);
        assert(later.balance + later.poolBalance == earlier.balance + earlier.poolBalance);
    }

    /// @dev A claim leaves every other channel, receiver and pool as it was.
    modifier reachesNothingElse(Frame memory frame, ChannelConfig memory config) {
        Frame memory own = _frame(frame.caller, frame.time, config);
        Look memory earlier = _before(frame);
        VM.prank(frame.caller);
        _;
        Look memory later = _look(frame);
        if (frame.channelId != own.channelId) _checkSameChannel(earlier, later);
        if (frame.receiver != own.receiver) _checkSameReceiver(earlier, later);
        if (frame.poolId != own.poolId) _checkSamePool(earlier, later);
    }

    function _checkSameChannel(Look memory earlier, Look memory later) private pure {
        assert(later.balance == earlier.balance && later.claimed == earlier.claimed);
        assert(later.withdrawal == earlier.withdrawal && later.initiatedAt == earlier.initiatedAt);
        assert(later.refundNonce == earlier.refundNonce);
    }

    function _checkSameReceiver(Look memory earlier, Look memory later) private pure {
        assert(later.promised == earlier.promised && later.paid == earlier.paid);
    }

    function _checkSamePool(Look memory earlier, Look memory later) private pure {
        assert(later.poolBalance == earlier.poolBalance && later.poolWithdrawal == earlier.poolWithdrawal);
        assert(later.poolFinalizeAt == earlier.poolFinalizeAt);
    }
}
