// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../interfaces/IPaymentChannel.sol";
import {ChannelHash} from "../libraries/ChannelHash.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {Pool} from "../types/ChannelTypes.sol";
import {PoolLedger} from "./PoolLedger.sol";

/// @title PoolWithdrawals
/// @notice The payer's way to get the money of a pool back.
///
/// @dev A pending withdrawal takes nothing away until it is finalised: until then holders of receipts can claim. Only
/// the payer starts or stops one; the operator may shorten its wait.
abstract contract PoolWithdrawals is
    PoolLedger // 5 inherited components
{
    /// @notice Seconds between asking for pool money and getting it.
    uint40 public constant POOL_WITHDRAW_DELAY = 24 hours;

    /// @notice Seconds the operator cannot shorten that below.
    uint40 public constant POOL_RELEASE_DELAY = 15 minutes;

    /*////////////////////////////////////////////////////////////////////////
                                  WITHDRAWALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function initiatePoolWithdraw(address payerAuthorizer, address operator, uint96 amount)
        external
        override
        nonReentrant
    {
        _initiatePoolWithdraw(getPoolId(msg.sender, payerAuthorizer, operator), amount);
    }

    /// @inheritdoc IPaymentChannel
    function initiatePoolWithdrawWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external override nonReentrant {
        bytes32 poolId = getPoolId(payer, payerAuthorizer, operator);
        _checkPoolNonce(poolId, nonce);
        _checkPoolSignature(
            payer, ChannelHash.poolWithdraw(poolId, amount, false, nonce, validUntil), validUntil, signature
        );
        _initiatePoolWithdraw(poolId, amount);
    }

    /// @inheritdoc IPaymentChannel
    function cancelPoolWithdraw(address payerAuthorizer, address operator) external override nonReentrant {
        _cancelPoolWithdraw(getPoolId(msg.sender, payerAuthorizer, operator));
    }

    /// @inheritdoc IPaymentChannel
    function cancelPoolWithdrawWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external override nonReentrant {
        bytes32 poolId = getPoolId(payer, payerAuthorizer, operator);
        _checkPoolNonce(poolId, nonce);
        _checkPoolSignature(payer, ChannelHash.poolWithdraw(poolId, 0, true, nonce, validUntil), validUntil, signature);
        _cancelPoolWithdraw(poolId);
    }

    /// @inheritdoc IPaymentChannel
    function finalizePoolWithdraw(address payer, address payerAuthorizer, address operator)
        external
        override
        nonReentrant
    {
        bytes32 poolId = getPoolId(payer, payerAuthorizer, operator);
        Pool memory pool = _pendingPool(poolId);
        // Check: the time has come.
        if (block.timestamp < pool.finalizeAt) {
            revert Errors.PoolWithdrawDelayNotElapsed(poolId, pool.finalizeAt);
        }
        // Effect: take what is left, at most what was asked for.
        uint96 amount = pool.withdrawAmount < pool.balance ? pool.withdrawAmount : pool.balance;
        pool.balance -= amount;
        _endPoolWithdraw(poolId, pool);
        emit PoolWithdrawFinalized({poolId: poolId, amount: amount, balance: pool.balance, nonce: pool.nonce});
        // Interaction: pay the payer, nobody else.
        if (amount > 0) _push(payer, amount);
    }

    /// @inheritdoc IPaymentChannel
    function releasePool(address payer, address payerAuthorizer, address operator, uint24 nonce)
        external
        override
        nonReentrant
    {
        bytes32 poolId = getPoolId(payer, payerAuthorizer, operator);
        // Check: the caller is the operator.
        if (msg.sender != operator) revert Errors.NotPoolOperator(poolId, msg.sender);
        _releasePool(poolId, nonce);
    }

    /// @inheritdoc IPaymentChannel
    function releasePoolWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external override nonReentrant {
        bytes32 poolId = getPoolId(payer, payerAuthorizer, operator);
        _checkPoolSignature(operator, ChannelHash.poolRelease(poolId, nonce, validUntil), validUntil, signature);
        _releasePool(poolId, nonce);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function getPoolWithdrawDigest(bytes32 poolId, uint96 amount, bool cancel, uint24 nonce, uint40 validUntil)
        external
        view
        override
        returns (bytes32)
    {
        return _hashTypedDataV4(ChannelHash.poolWithdraw(poolId, amount, cancel, nonce, validUntil));
    }

    /// @inheritdoc IPaymentChannel
    function getPoolReleaseDigest(bytes32 poolId, uint24 nonce, uint40 validUntil)
        external
        view
        override
        returns (bytes32)
    {
        return _hashTypedDataV4(ChannelHash.poolRelease(poolId, nonce, validUntil));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    function _initiatePoolWithdraw(bytes32 poolId, uint96 amount) private {
        Pool memory pool = pools[poolId];
        // Check: there is an amount and nothing is pending.
        if (amount == 0) revert Errors.PoolAmountZero(poolId);
        if (pool.finalizeAt != 0) revert Errors.PoolWithdrawalAlreadyPending(poolId, pool.finalizeAt);
        // Effect: start the clock.
        pool.withdrawAmount = amount;
        pool.finalizeAt = uint40(block.timestamp) + POOL_WITHDRAW_DELAY;
        pool.nonce = _nextNonce(pool.nonce);
        pools[poolId] = pool;
        emit PoolWithdrawInitiated({poolId: poolId, amount: amount, finalizeAt: pool.finalizeAt, nonce: pool.nonce});
    }

    function _cancelPoolWithdraw(bytes32 poolId) private {
        Pool memory pool = _pendingPool(poolId);
        uint96 amount = pool.withdrawAmount;
        // Effect: nothing is pending.
        _endPoolWithdraw(poolId, pool);
        emit PoolWithdrawCancelled({poolId: poolId, amount: amount, nonce: pool.nonce});
    }

    /// @dev Shortens the wait, never below the release delay and never lengthens it.
    function _releasePool(bytes32 poolId, uint24 nonce) private {
        _checkPoolNonce(poolId, nonce);
        Pool memory pool = _pendingPool(poolId);
        uint40 earliest = uint40(block.timestamp) + POOL_RELEASE_DELAY;
        if (earliest < pool.finalizeAt) {
            // Effect: earlier.
            pool.finalizeAt = earliest;
            pools[poolId] = pool;
        }
        emit PoolReleased({poolId: poolId, finalizeAt: pool.finalizeAt, nonce: nonce});
    }

    /// @dev Writes `pool` back without a pending withdrawal; the nonce of an empty pool stays for ever.
    function _endPoolWithdraw(bytes32 poolId, Pool memory pool) private {
        pool.withdrawAmount = 0;
        pool.finalizeAt = 0;
        pool.nonce = _nextNonce(pool.nonce);
        pools[poolId] = pool;
    }

    /// @dev Wraps around after 16 million steps rather than locking the pool.
    function _nextNonce(uint24 nonce) private pure returns (uint24) {
        unchecked {
            return nonce + 1;
        }
    }

    function _pendingPool(bytes32 poolId) private view returns (Pool memory pool) {
        pool = pools[poolId];
        // Check: a withdrawal is pending.
        if (pool.finalizeAt == 0) revert Errors.PoolWithdrawalNotPending(poolId);
    }

    function _checkPoolNonce(bytes32 poolId, uint24 nonce) private view {
        // Check: the message is for the pool's present.
        uint24 current = pools[poolId].nonce;
        if (nonce != current) revert Errors.PoolNonceMismatch(poolId, current, nonce);
    }

    function _checkPoolSignature(address signer, bytes32 structHash, uint40 validUntil, bytes calldata signature)
        private
        view
    {
        // Check: still valid, and signed.
        if (block.timestamp > validUntil) revert Errors.AuthorizationExpired(validUntil);
        if (!SignatureLib.isValid(signer, _hashTypedDataV4(structHash), signature)) revert Errors.InvalidSignature();
    }
}
