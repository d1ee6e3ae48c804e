// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig} from "../../contracts/types/ChannelTypes.sol";
import {ChannelProof} from "./utils/ChannelProof.sol";

/// @notice Deposits, settlement and the ways back of a channel keep what must hold (see `ChannelProof`). Claims have
/// proofs of their own.
///
/// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 65
contract ChannelProofs is ChannelProof {
    function check_deposit(Frame calldata frame, ChannelConfig calldata config, uint128 amount) public keeps(frame) {
        _channel.deposit(config, amount, address(0), "");
    }

    function check_settle(Frame calldata frame, address receiver) public keeps(frame) {
        _channel.settle(receiver, _token);
    }

    function check_settleMany(Frame calldata frame, address[] calldata receivers) public keeps(frame) {
        _channel.settleMany(receivers);
    }

    function check_initiateWithdraw(Frame calldata frame, ChannelConfig calldata config, uint128 amount)
        public
        keeps(frame)
    {
        _channel.initiateWithdraw(config, amount);
    }

    function check_finalizeWithdraw(Frame calldata frame, ChannelConfig calldata config) public keeps(frame) {
        _channel.finalizeWithdraw(config);
    }

    function check_refund(Frame calldata frame, ChannelConfig calldata config, uint128 amount) public keeps(frame) {
        _channel.refund(config, amount);
    }

    function check_refundWithSignature(
        Frame calldata frame,
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.refundWithSignature(config, amount, nonce, signature);
    }

    /// @notice A withdrawal is finalised by the payer's side only, when one is pending and its delay has passed.
    function check_withdrawal_is_due(ChannelConfig calldata config, address caller, uint40 time) public {
        (, uint40 initiatedAt) = _channel.pendingWithdrawals(_channel.getChannelId(config));
        VM.warp(time);
        VM.prank(caller);
        _channel.finalizeWithdraw(config);
        assert(initiatedAt != 0 && time >= uint256(initiatedAt) + config.withdrawDelay);
        assert(caller == config.payer || caller == config.payerAuthorizer);
    }

    /// @notice A withdrawal that is pending refuses another.
    function check_pending_withdrawal_refuses_another(ChannelConfig calldata config, address caller, uint128 amount)
        public
    {
        (, uint40 initiatedAt) = _channel.pendingWithdrawals(_channel.getChannelId(config));
        VM.assume(initiatedAt != 0);
        VM.prank(caller);
        (bool ok,) = address(_channel).call(abi.encodeCall(_channel.initiateWithdraw, (config, amount)));
        assert(!ok);
    }
}
