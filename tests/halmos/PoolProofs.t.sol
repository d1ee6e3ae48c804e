// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelProof} from "./utils/ChannelProof.sol";

/// @notice Deposits and withdrawals of a pool keep what must hold (see `ChannelProof`).
///
/// @custom:halmos --default-bytes-lengths 65
contract PoolProofs is ChannelProof {
    function check_depositPool(Frame calldata frame, address key, address operator, uint96 amount) public keeps(frame) {
        _channel.depositPool(key, operator, amount);
    }

    function check_depositPoolWithAuthorization(
        Frame calldata frame,
        address payer,
        address key,
        address operator,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.depositPoolWithAuthorization(payer, key, operator, amount, validAfter, validBefore, salt, signature);
    }

    function check_depositPoolWithPermit(
        Frame calldata frame,
        address key,
        address operator,
        uint96 amount,
        uint256 deadline,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.depositPoolWithPermit(key, operator, amount, deadline, signature);
    }

    function check_initiatePoolWithdraw(Frame calldata frame, address key, address operator, uint96 amount)
        public
        keeps(frame)
    {
        _channel.initiatePoolWithdraw(key, operator, amount);
    }

    function check_initiatePoolWithdrawWithSignature(
        Frame calldata frame,
        address payer,
        address key,
        address operator,
        uint96 amount,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.initiatePoolWithdrawWithSignature(payer, key, operator, amount, nonce, validUntil, signature);
    }

    function check_cancelPoolWithdraw(Frame calldata frame, address key, address operator) public keeps(frame) {
        _channel.cancelPoolWithdraw(key, operator);
    }

    function check_cancelPoolWithdrawWithSignature(
        Frame calldata frame,
        address payer,
        address key,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.cancelPoolWithdrawWithSignature(payer, key, operator, nonce, validUntil, signature);
    }

    function check_finalizePoolWithdraw(Frame calldata frame, address payer, address key, address operator)
        public
        keeps(frame)
    {
        _channel.finalizePoolWithdraw(payer, key, operator);
    }

    function check_releasePool(Frame calldata frame, address payer, address key, address operator, uint24 nonce)
        public
        keeps(frame)
    {
        _channel.releasePool(payer, key, operator, nonce);
        assert(frame.caller == operator);
    }

    function check_releasePoolWithSignature(
        Frame calldata frame,
        address payer,
        address key,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) public keeps(frame) {
        _channel.releasePoolWithSignature(payer, key, operator, nonce, validUntil, signature);
    }

    /// @notice A withdrawal is finalised only when one is pending and due, whoever asks.
    function check_pool_withdrawal_is_due(address payer, address key, address operator, address caller, uint40 time)
        public
    {
        (,, uint40 finalizeAt,) = _channel.pools(_channel.getPoolId(payer, key, operator));
        VM.warp(time);
        VM.prank(caller);
        _channel.finalizePoolWithdraw(payer, key, operator);
        assert(finalizeAt != 0 && time >= finalizeAt);
    }

    /// @notice A withdrawal that is pending refuses another.
    function check_pending_pool_withdrawal_refuses_another(address key, address operator, uint96 amount, address caller)
        public
    {
        (,, uint40 finalizeAt,) = _channel.pools(_channel.getPoolId(caller, key, operator));
        VM.assume(finalizeAt != 0);
        VM.prank(caller);
        (bool ok,) = address(_channel).call(abi.encodeCall(_channel.initiatePoolWithdraw, (key, operator, amount)));
        assert(!ok);
    }
}
