// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../../contracts/interfaces/IPaymentChannel.sol";
import {ChannelConfig} from "../../contracts/types/ChannelTypes.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice One call of any function, from any state of a channel and a pool that satisfies the invariants, keeps them.
///
/// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 65 --array-lengths rows=108
contract ChannelProofs is Proof {
    IPaymentChannel private _channel;

    function setUp() public {
        _channel = IPaymentChannel(deploy("PaymentChannel", abi.encode(_token, GUARDIAN, address(0), address(0))));
        SVM.enableSymbolicStorage(address(_channel));
    }

    /// @notice A channel never owes more than it holds, and its totals never fall.
    function check_totals_of_a_channel(bytes32 id, address caller, uint40 time) public {
        (uint128 balance, uint128 claimed) = _channel.channels(id);
        uint256 nonce = _channel.refundNonce(id);
        VM.assume(claimed <= balance && nonce < type(uint128).max);
        callAnything("PaymentChannel", address(_channel), caller, time);
        (uint128 newBalance, uint128 newClaimed) = _channel.channels(id);
        assert(newClaimed <= newBalance);
        assert(newClaimed >= claimed);
        assert(_channel.refundNonce(id) >= nonce);
    }

    /// @notice A receiver is never paid more than was claimed, and his totals never fall.
    function check_totals_of_a_receiver(address receiver, address caller, uint40 time) public {
        (uint128 claimed, uint128 settled) = _channel.receivers(receiver, _token);
        VM.assume(settled <= claimed);
        callAnything("PaymentChannel", address(_channel), caller, time);
        (uint128 newClaimed, uint128 newSettled) = _channel.receivers(receiver, _token);
        assert(newSettled <= newClaimed);
        assert(newClaimed >= claimed && newSettled >= settled);
    }

    /// @notice The clock of a pool withdrawal starts at a full day, can only be ended or shortened to a quarter of an
    /// hour from now, and its amount stays.
    function check_clock_of_a_pool(bytes32 poolId, address caller, uint40 time) public {
        VM.assume(time >= NOW && time < NOW * 2);
        (, uint96 amount, uint40 finalizeAt,) = _channel.pools(poolId);
        callAnything("PaymentChannel", address(_channel), caller, time);
        (, uint96 newAmount, uint40 newFinalizeAt,) = _channel.pools(poolId);
        if (newFinalizeAt == 0) return;
        if (finalizeAt == 0) {
            assert(newFinalizeAt == time + 24 hours);
            return;
        }
        assert(newAmount == amount);
        assert(newFinalizeAt == finalizeAt || (newFinalizeAt < finalizeAt && newFinalizeAt == time + 15 minutes));
    }

    /// @notice A pool withdrawal is finalised only when one is pending and due.
    function check_pool_withdrawal_is_due(address payer, address key, address operator, uint40 time) public {
        (,, uint40 finalizeAt,) = _channel.pools(_channel.getPoolId(payer, key, operator));
        VM.warp(time);
        _channel.finalizePoolWithdraw(payer, key, operator);
        assert(finalizeAt != 0 && time >= finalizeAt);
    }

    /// @notice A pool with a pending withdrawal refuses another.
    function check_pending_pool_withdrawal_refuses_another(address key, address operator, uint96 amount, address caller)
        public
    {
        (,, uint40 finalizeAt,) = _channel.pools(_channel.getPoolId(caller, key, operator));
        VM.assume(finalizeAt != 0);
        VM.prank(caller);
        (bool ok,) = address(_channel).call(abi.encodeCall(_channel.initiatePoolWithdraw, (key, operator, amount)));
        assert(!ok);
    }

    /// @notice The clock of a channel withdrawal starts now, can only be ended, and its amount never grows.
    function check_clock_of_a_channel(bytes32 id, address caller, uint40 time) public {
        (uint128 amount, uint40 initiatedAt) = _channel.pendingWithdrawals(id);
        callAnything("PaymentChannel", address(_channel), caller, time);
        (uint128 newAmount, uint40 newInitiatedAt) = _channel.pendingWithdrawals(id);
        if (newInitiatedAt == 0) return;
        if (initiatedAt == 0) assert(newInitiatedAt == time);
        else assert(newInitiatedAt == initiatedAt && newAmount <= amount);
    }

    /// @notice A channel withdrawal is finalised only when one is pending and its delay has passed.
    function check_channel_withdrawal_is_due(ChannelConfig memory config, address caller, uint40 time) public {
        (, uint40 initiatedAt) = _channel.pendingWithdrawals(_channel.getChannelId(config));
        VM.warp(time);
        VM.prank(caller);
        _channel.finalizeWithdraw(config);
        assert(initiatedAt != 0 && time >= uint256(initiatedAt) + config.withdrawDelay);
        assert(caller == config.payer || caller == config.payerAuthorizer);
    }
}
