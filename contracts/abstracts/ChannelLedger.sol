// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC3009DepositCollector} from "../collectors/ERC3009DepositCollector.sol";
import {Permit2DepositCollector} from "../collectors/Permit2DepositCollector.sol";
import {IDepositCollector} from "../interfaces/IDepositCollector.sol";
import {IPaymentChannel} from "../interfaces/IPaymentChannel.sol";
import {ChannelHash} from "../libraries/ChannelHash.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {ChannelConfig, ReceiverState} from "../types/ChannelTypes.sol";
import {ChannelWord, ChannelWordLib} from "../types/ChannelWord.sol";
import {PoolWithdrawals} from "./PoolWithdrawals.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title ChannelLedger
/// @notice Channels as x402 knows them: deposits, refunds, the payer's withdrawal, and settlement with receivers.
///
/// @dev Totals of a channel are never reset, so a channel emptied and opened again cannot replay an old voucher.
abstract contract ChannelLedger is
    PoolWithdrawals // 6 inherited components
{
    /// @notice Shortest withdraw delay of a channel, seconds.
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;

    /// @notice Longest withdraw delay of a channel, seconds.
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /// @inheritdoc IPaymentChannel
    address public immutable override erc3009Collector;

    /// @inheritdoc IPaymentChannel
    address public immutable override permit2Collector;

    mapping(bytes32 channelId => ChannelWord word) private _channels;

    /// @inheritdoc IPaymentChannel
    mapping(bytes32 channelId => uint256 nonce) public override refundNonce;

    /// @dev One token, so one key is enough.
    mapping(address receiver => ReceiverState state) internal _receivers;

    constructor(address erc3009Collector_, address permit2Collector_) {
        erc3009Collector =
            erc3009Collector_ == address(0) ? address(new ERC3009DepositCollector(address(this))) : erc3009Collector_;
        permit2Collector =
            permit2Collector_ == address(0) ? address(new Permit2DepositCollector(address(this))) : permit2Collector_;
    }

    /*////////////////////////////////////////////////////////////////////////
                                    DEPOSITS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external
        override
        nonReentrant
        whenInflowsOpen
    {
        // Check: the channel can be paid from and paid out, and there is an amount.
        if (config.payer == address(0) || config.receiverAuthorizer == address(0)) revert Errors.InvalidChannel();
        _checkConfig(config);
        if (amount == 0) revert Errors.ZeroDeposit();
        // Check: the money comes by a road of this deployment.
        if (collector == address(0)) {
            if (msg.sender != config.payer) revert Errors.InvalidCollector();
        } else if (collector != erc3009Collector && collector != permit2Collector) {
            revert Errors.UnsupportedCollector(collector);
        }
        // Effect: add it.
        bytes32 channelId = getChannelId(config);
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        uint256 balance = word.balance();
        if (amount > ChannelWordLib.MAX_UNITS - balance) revert Errors.DepositOverflow();
        if (balance == 0) emit ChannelCreated({channelId: channelId, config: config});
        balance += amount;
        _storeChannel(slot, word.withTotals(balance, word.totalClaimed()));
        emit Deposited({channelId: channelId, sender: msg.sender, amount: amount, newBalance: uint128(balance)});
        // Interaction: pull the tokens.
        if (collector == address(0)) _pull(msg.sender, amount);
        else IDepositCollector(collector).collect(config.payer, _token, amount, channelId, collectorData);
    }

    /*////////////////////////////////////////////////////////////////////////
                                   SETTLEMENT
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function settle(address receiver, address token_) external override nonReentrant {
        // Check: the token of this contract.
        if (token_ != _token) revert Errors.UnsupportedToken(token_);
        ReceiverState memory state = _receivers[receiver];
        uint128 amount = state.totalClaimed - state.totalSettled;
        if (amount == 0) return;
        // Effect: paid.
        _receivers[receiver].totalSettled = state.totalClaimed;
        emit Settled({receiver: receiver, token: token_, sender: msg.sender, amount: amount});
        // Interaction: pay.
        _push(receiver, amount);
    }

    /// @inheritdoc IPaymentChannel
    function settleMany(address[] calldata receivers_) external override nonReentrant {
        for (uint256 i = 0; i < receivers_.length; ++i) {
            _trySettle(receivers_[i]);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                             REFUNDS AND WITHDRAWALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external override nonReentrant {
        // Check: the payer's side asks for something that is not claimed, and for the first time.
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) revert Errors.InvalidChannel();
        if (amount == 0) revert Errors.NothingToWithdraw();
        bytes32 channelId = getChannelId(config);
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        if (word.initiatedAt() != 0) revert Errors.WithdrawalAlreadyPending();
        if (amount > word.available()) revert Errors.WithdrawAmountExceedsAvailable();
        // Effect: start the clock.
        _storeChannel(slot, word.withWithdrawal(amount, block.timestamp));
        emit WithdrawInitiated({
            channelId: channelId, amount: amount, finalizeAfter: uint40(block.timestamp + config.withdrawDelay)
        });
    }

    /// @inheritdoc IPaymentChannel
    function finalizeWithdraw(ChannelConfig calldata config) external override nonReentrant {
        // Check: the payer's side asks for what is pending and due.
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) {
            revert Errors.NotAuthorizedToFinalizeWithdraw();
        }
        bytes32 channelId = getChannelId(config);
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        uint256 initiatedAt = word.initiatedAt();
        if (initiatedAt == 0) revert Errors.WithdrawalNotPending();
        if (block.timestamp < initiatedAt + config.withdrawDelay) revert Errors.WithdrawDelayNotElapsed();
        // Effect: take what is still unclaimed, at most what was asked for.
        (uint256 amount, uint256 available) = (word.withdrawAmount(), word.available());
        if (amount > available) amount = available;
        word = word.withTotals(word.balance() - amount, word.totalClaimed()).withWithdrawal(0, 0);
        _storeChannel(slot, word);
        emit WithdrawFinalized({channelId: channelId, sender: msg.sender, amount: uint128(amount)});
        _emitIfClosed(channelId, config, word);
        // Interaction: pay the payer.
        if (amount > 0) _push(config.payer, amount);
    }

    /// @inheritdoc IPaymentChannel
    function refund(ChannelConfig calldata config, uint128 amount) external override nonReentrant {
        // Check: the receiver's side gives it up.
        if (msg.sender != config.receiver && msg.sender != config.receiverAuthorizer) {
            revert Errors.NotAuthorizedToRefund();
        }
        _refund(getChannelId(config), config, amount);
    }

    /// @inheritdoc IPaymentChannel
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external override nonReentrant {
        bytes32 channelId = getChannelId(config);
        // Check: signed by the receiver authorizer for the present.
        if (nonce != refundNonce[channelId]) revert Errors.InvalidRefundNonce();
        bytes32 digest = getRefundDigest(channelId, nonce, amount);
        if (!SignatureLib.isValid(config.receiverAuthorizer, digest, receiverAuthorizerSignature)) {
            revert Errors.InvalidSignature();
        }
        _refund(channelId, config, amount);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function channels(bytes32 channelId) external view override returns (uint128 balance, uint128 totalClaimed) {
        ChannelWord word = _channels[channelId];
        return (uint128(word.balance()), uint128(word.totalClaimed()));
    }

    /// @inheritdoc IPaymentChannel
    function pendingWithdrawals(bytes32 channelId) external view override returns (uint128 amount, uint40 initiatedAt) {
        ChannelWord word = _channels[channelId];
        return (uint128(word.withdrawAmount()), word.initiatedAt());
    }

    /// @inheritdoc IPaymentChannel
    function receivers(address receiver, address token_)
        external
        view
        override
        returns (uint128 totalClaimed, uint128 totalSettled)
    {
        if (token_ != _token) return (0, 0);
        ReceiverState memory state = _receivers[receiver];
        return (state.totalClaimed, state.totalSettled);
    }

    /// @inheritdoc IPaymentChannel
    function getChannelId(ChannelConfig calldata config) public view override returns (bytes32) {
        return _hashTypedDataV4(ChannelHash.config(config));
    }

    /// @inheritdoc IPaymentChannel
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) public view override returns (bytes32) {
        return _hashTypedDataV4(ChannelHash.refund(channelId, nonce, amount));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev One read for everything about a channel.
    function _loadChannel(bytes32 channelId) internal view returns (uint256 slot, ChannelWord word) {
        mapping(bytes32 => ChannelWord) storage words = _channels;
        assembly ("memory-safe") {
            mstore(0x00, channelId)
            mstore(0x20, words.slot)
            slot := keccak256(0x00, 0x40)
            word := sload(slot)
        }
    }

    /// @dev One write.
    function _storeChannel(uint256 slot, ChannelWord word) internal {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }

    /// @dev Adds to what the receiver may be paid, with one read and one write.
    function _creditReceiver(address receiver, uint256 amount) internal {
        ReceiverState storage state = _receivers[receiver];
        uint256 word;
        assembly ("memory-safe") {
            word := sload(state.slot)
        }
        // Check: the claimed total, the lower half of the word, stays one.
        if (amount > type(uint128).max - uint128(word)) revert Errors.DepositOverflow();
        assembly ("memory-safe") {
            sstore(state.slot, add(word, amount))
        }
    }

    /// @dev What money needs before it enters a channel: a receiver, the token, a sane delay.
    function _checkConfig(ChannelConfig calldata config) internal view {
        if (config.receiver == address(0)) revert Errors.InvalidChannel();
        if (config.token != _token) revert Errors.UnsupportedToken(config.token);
        if (!_isDelayInRange(config.withdrawDelay)) revert Errors.WithdrawDelayOutOfRange();
    }

    function _isDelayInRange(uint40 withdrawDelay) internal pure returns (bool) {
        return withdrawDelay >= MIN_WITHDRAW_DELAY && withdrawDelay <= MAX_WITHDRAW_DELAY;
    }

    /// @dev Gives unclaimed money back to the payer. The nonce rises even when nothing is left to give.
    function _refund(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        // Check: there is an amount.
        if (amount == 0) revert Errors.ZeroRefund();
        // Effect: use the nonce up.
        ++refundNonce[channelId];
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        (uint256 paid, uint256 asked) = (word.available(), word.withdrawAmount());
        if (amount < paid) paid = amount;
        if (paid == 0) return;
        // Effect: take it, and off a pending withdrawal as well.
        word = word.withTotals(word.balance() - paid, word.totalClaimed());
        word = asked > paid ? word.withWithdrawal(asked - paid, word.initiatedAt()) : word.withWithdrawal(0, 0);
        _storeChannel(slot, word);
        emit Refunded({channelId: channelId, sender: msg.sender, amount: uint128(paid)});
        _emitIfClosed(channelId, config, word);
        // Interaction: pay the payer.
        _push(config.payer, paid);
    }

    function _emitIfClosed(bytes32 channelId, ChannelConfig calldata config, ChannelWord word) private {
        if (word.balance() == 0) emit ChannelClosed({channelId: channelId, config: config});
    }

    /// @dev Pays a receiver, or leaves everything as it was when the token refuses him.
    function _trySettle(address receiver) private {
        ReceiverState memory state = _receivers[receiver];
        uint128 amount = state.totalClaimed - state.totalSettled;
        if (amount == 0) return;
        // Effect: paid.
        _receivers[receiver].totalSettled = state.totalClaimed;
        // Interaction: pay.
        (bool success, bytes memory answer) = _token.call(abi.encodeCall(IERC20.transfer, (receiver, amount)));
        if (success && (answer.length == 0 || abi.decode(answer, (bool)))) {
            emit Settled({receiver: receiver, token: _token, sender: msg.sender, amount: amount});
            return;
        }
        // Effect: not paid after all.
        _receivers[receiver].totalSettled = state.totalSettled;
        emit SettleSkipped({receiver: receiver});
    }
}
