// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelLedger} from "./abstracts/ChannelLedger.sol";
import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {IPaymentChannel} from "./interfaces/IPaymentChannel.sol";
import {ChannelHash} from "./libraries/ChannelHash.sol";
import {Errors} from "./libraries/Errors.sol";
import {Row, RowLib} from "./libraries/RowLib.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {ChannelConfig, ChannelState, Group, SkipReason, VoucherClaim} from "./types/ChannelTypes.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title PaymentChannel
/// @notice Claims under vouchers, one by one or packed. See `IPaymentChannel`.
///
/// ```
///  payer --deposit--> channel -----------claim-----------> receiver's total --settle--> receiver
///  payer --depositPool--> pool --what the channel lacks--^   (only if the receiver authorizer attests)
/// ```
///
/// @dev Money in this contract is the sum of channels (balance - totalClaimed), receivers (totalClaimed - totalSettled)
/// and pools (balance). Three consents move a pool's money: the payer's deposit names voucher key and operator, the key
/// signs a ceiling for one receiver, the operator attests what was earned. Each of the three alone moves nothing.
/// A draw from a pool leaves the channel's balance equal to its new claimed total.
contract PaymentChannel is
    ChannelLedger, // 6 inherited components
    Multicall // 1 inherited component
{
    /// @param token_ USDC of the network
    /// @param guardian_ May pause deposits
    /// @param erc3009Collector_ Collector of ERC-3009 deposits; address(0) lets this constructor create its own
    /// @param permit2Collector_ Collector of Permit2 deposits; address(0) for none
    constructor(address token_, address guardian_, address erc3009Collector_, address permit2Collector_)
        Funding(token_)
        EIP712("x402 Batch Settlement", "1")
        GuardedInflow(guardian_)
        ChannelLedger(erc3009Collector_, permit2Collector_)
    {}

    /*////////////////////////////////////////////////////////////////////////
                                     CLAIMS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function claim(VoucherClaim[] calldata voucherClaims) external override nonReentrant {
        // Check: there are rows.
        if (voucherClaims.length == 0) revert Errors.EmptyBatch();
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            ChannelConfig calldata config = voucherClaims[i].voucher.channel;
            // Check: the caller is on the receiver's side; only the authorizer attests.
            bool attested = msg.sender == config.receiverAuthorizer;
            if (!attested && msg.sender != config.receiver) revert Errors.NotAuthorizedToClaim();
            _claim(voucherClaims[i], attested);
        }
    }

    /// @inheritdoc IPaymentChannel
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature)
        external
        override
        nonReentrant
    {
        // Check: there are rows, and their common authorizer signed them.
        if (voucherClaims.length == 0) revert Errors.EmptyBatch();
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        if (!SignatureLib.isValid(authorizer, getClaimBatchDigest(voucherClaims), authorizerSignature)) {
            revert Errors.InvalidSignature();
        }
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            if (voucherClaims[i].voucher.channel.receiverAuthorizer != authorizer) {
                revert Errors.NotReceiverAuthorizer();
            }
            _claim(voucherClaims[i], true);
        }
    }

    /// @inheritdoc IPaymentChannel
    function claimBatch(address operator, Group[] calldata groups, bytes calldata operatorSignature)
        external
        override
        nonReentrant
    {
        // Check: there are groups, and the operator attests them.
        if (groups.length == 0) revert Errors.EmptyBatch();
        bytes32 separator = _domainSeparatorV4();
        if (operatorSignature.length == 0) {
            if (msg.sender != operator || operator == address(0)) revert Errors.NotAuthorizedToClaim();
        } else {
            bytes32 digest = ChannelHash.digest(separator, RowLib.batchHash(operator, groups, _token, separator));
            if (!SignatureLib.isValid(operator, digest, operatorSignature)) revert Errors.InvalidSignature();
        }
        for (uint256 g = 0; g < groups.length; ++g) {
            _claimGroup(operator, g, groups[g], separator);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) public view override returns (bytes32) {
        return _hashTypedDataV4(ChannelHash.voucher(channelId, maxClaimableAmount));
    }

    /// @inheritdoc IPaymentChannel
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) public view override returns (bytes32) {
        bytes32[] memory entries = new bytes32[](voucherClaims.length);
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            entries[i] = ChannelHash.claimEntry({
                channelId: getChannelId(voucherClaims[i].voucher.channel),
                maxClaimableAmount: voucherClaims[i].voucher.maxClaimableAmount,
                totalClaimed: voucherClaims[i].totalClaimed
            });
        }
        return _hashTypedDataV4(ChannelHash.claimBatch(entries));
    }

    /// @inheritdoc IPaymentChannel
    function getGroupsDigest(address operator, Group[] calldata groups) external view override returns (bytes32) {
        return _hashTypedDataV4(RowLib.batchHash(operator, groups, _token, _domainSeparatorV4()));
    }

    /// @inheritdoc IPaymentChannel
    function token() external view override returns (address) {
        return _token;
    }

    /// @inheritdoc IPaymentChannel
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: ROWS IN FULL
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev One row, all or nothing. `attested` says that the receiver authorizer stands behind it.
    function _claim(VoucherClaim calldata row, bool attested) private {
        ChannelConfig calldata config = row.voucher.channel;
        bytes32 channelId = getChannelId(config);
        ChannelState memory state = channels[channelId];
        // Check: something new, under the ceiling, and signed.
        if (row.totalClaimed <= state.totalClaimed) return;
        if (row.totalClaimed > row.voucher.maxClaimableAmount) revert Errors.ClaimExceedsCeiling();
        if (row.totalClaimed > state.balance && !attested) revert Errors.ClaimExceedsBalance();
        _checkVoucher(config, getVoucherDigest(channelId, row.voucher.maxClaimableAmount), row.signature);
        // Effect: draw what is missing.
        if (row.totalClaimed > state.balance) {
            _checkConfig(config);
            _draw(config, row.totalClaimed - state.balance);
            if (state.balance == 0 && state.totalClaimed == 0) {
                emit ChannelCreated({channelId: channelId, config: config});
            }
        }
        _apply(channelId, config.receiver, state, row.totalClaimed);
    }

    /// @dev Takes what a channel lacks from the one pool its config names.
    function _draw(ChannelConfig calldata config, uint256 shortage) private {
        bytes32 poolId = getPoolId(config.payer, config.payerAuthorizer, config.receiverAuthorizer);
        uint256 balance = pools[poolId].balance;
        // Check: the pool has it.
        if (shortage > balance) revert Errors.PoolInsufficient(poolId, balance, shortage);
        _drawPool(poolId, balance, shortage);
    }

    /// @dev The session key signs if there is one, a plain account always; else the payer, whatever account he has.
    function _checkVoucher(ChannelConfig calldata config, bytes32 digest, bytes calldata signature) private view {
        bool valid = config.payerAuthorizer == address(0)
            ? SignatureLib.isValid(config.payer, digest, signature)
            : SignatureLib.recover(digest, signature) == config.payerAuthorizer;
        if (!valid) revert Errors.InvalidSignature();
    }

    /// @dev Effect: the channel has claimed `totalClaimed`, and the receiver may be paid the difference.
    function _apply(bytes32 channelId, address receiver, ChannelState memory state, uint256 totalClaimed) private {
        uint128 amount = uint128(totalClaimed) - state.totalClaimed;
        if (totalClaimed > state.balance) state.balance = uint128(totalClaimed);
        state.totalClaimed = uint128(totalClaimed);
        channels[channelId] = state;
        _receivers[receiver].totalClaimed += amount;
        emit Claimed({
            channelId: channelId, sender: msg.sender, claimAmount: amount, newTotalClaimed: uint128(totalClaimed)
        });
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: PACKED ROWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev All rows of one payer. The pool is read once and written once.
    function _claimGroup(address operator, uint256 index, Group calldata group, bytes32 separator) private {
        bytes memory preimage = RowLib.template(group, operator, _token);
        bytes32 poolId = getPoolId(group.payer, group.payerAuthorizer, operator);
        uint256 balance = pools[poolId].balance;
        uint256 drawn;
        uint256 rows = RowLib.count(group);
        Row memory row;
        for (uint256 i = 0; i < rows; ++i) {
            RowLib.read(group, i, preimage, separator, row);
            (SkipReason reason, uint256 shortage) = _tryClaim(operator, group, row, balance - drawn, separator);
            if (reason == SkipReason.None) drawn += shortage;
            else emit RowSkipped({group: index, row: i, reason: reason});
        }
        if (RowLib.hasTail(group)) emit RowSkipped({group: index, row: rows, reason: SkipReason.TrailingBytes});
        if (drawn > 0) _drawPool(poolId, balance, drawn);
    }

    /// @dev One packed row: the same checks as `_claim`, told instead of thrown.
    function _tryClaim(address operator, Group calldata group, Row memory row, uint256 poolBalance, bytes32 separator)
        private
        returns (SkipReason reason, uint256 shortage)
    {
        ChannelState memory state = channels[row.channelId];
        // Check: something new, under the ceiling.
        if (row.totalClaimed <= state.totalClaimed) return (SkipReason.Stale, 0);
        if (row.totalClaimed > row.maxClaimable) return (SkipReason.AboveCeiling, 0);
        // Check: what the channel lacks is in the pool, and may go there.
        if (row.totalClaimed > state.balance) {
            shortage = row.totalClaimed - state.balance;
            if (row.receiver == address(0) || !_isDelayInRange(group.withdrawDelay)) return (SkipReason.BadChannel, 0);
            if (shortage > poolBalance) return (SkipReason.Insufficient, 0);
        }
        // Check: signed by the payer's key.
        if (!_isVoucherSigned(group, row, separator)) return (SkipReason.BadSignature, 0);
        // Effect: as in full.
        if (shortage > 0 && state.balance == 0 && state.totalClaimed == 0) _emitCreated(operator, group, row);
        _apply(row.channelId, row.receiver, state, row.totalClaimed);
    }

    /// @dev Plain accounts only: no code is called from a batch.
    function _isVoucherSigned(Group calldata group, Row memory row, bytes32 separator) private pure returns (bool) {
        bytes32 digest = ChannelHash.digest(separator, ChannelHash.voucher(row.channelId, row.maxClaimable));
        address signer = SignatureLib.recoverCompact(digest, row.r, row.vs);
        address expected = group.payerAuthorizer == address(0) ? group.payer : group.payerAuthorizer;
        return signer != address(0) && signer == expected;
    }

    function _emitCreated(address operator, Group calldata group, Row memory row) private {
        emit ChannelCreated({
            channelId: row.channelId,
            config: ChannelConfig({
                payer: group.payer,
                payerAuthorizer: group.payerAuthorizer,
                receiver: row.receiver,
                receiverAuthorizer: operator,
                token: _token,
                withdrawDelay: group.withdrawDelay,
                salt: group.salt
            })
        });
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: CONFIGURATION
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev There is no admin here; the guardian alone may unpause.
    function _inflowAdmin() internal view override returns (address) {
        return guardian;
    }

    /// @dev Transient storage on every chain: all supported ones run Cancun or later.
    function _useTransientReentrancyGuardOnlyOnMainnet() internal pure override returns (bool) {
        return false;
    }
}
