// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelLedger} from "./abstracts/ChannelLedger.sol";
import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {IPaymentChannel} from "./interfaces/IPaymentChannel.sol";
import {ChannelHash} from "./libraries/ChannelHash.sol";
import {Errors} from "./libraries/Errors.sol";
import {GroupTerms, RowLib} from "./libraries/RowLib.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {ChannelConfig, Group, SkipReason, VoucherClaim} from "./types/ChannelTypes.sol";
import {ChannelWord, ChannelWordLib} from "./types/ChannelWord.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title PaymentChannel
/// @notice Claims under vouchers, one by one or packed. See `IPaymentChannel`.
///
/// ```
///  payer --deposit--> channel -----------claim-----------> receiver's total --settle--> receiver
///  payer --depositPool--> pool --what the channel lacks--^  |   (only if the receiver authorizer attests)
///                                                           +--claimAndPay----------------------------> receiver
/// ```
///
/// @dev Money in this contract is the sum of channels (balance - totalClaimed), receivers (totalClaimed - totalSettled)
/// and pools (balance). Three consents move a pool's money: the payer's deposit names voucher key and operator, the key
/// signs a ceiling for one receiver, the operator attests what was earned. Each of the three alone moves nothing.
/// A draw from a pool leaves the channel's balance equal to its new claimed total.
contract PaymentChannel is
    ChannelLedger, // 7 inherited components
    Multicall // 1 inherited component
{
    /// @param token_ USDC of the network
    /// @param guardian_ May pause deposits
    /// @param erc3009Collector_ Collector of ERC-3009 deposits; address(0) lets this constructor create its own
    /// @param permit2Collector_ Collector of Permit2 deposits; address(0) lets this constructor create its own
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
    function claimAndPay(VoucherClaim calldata voucherClaim, bytes calldata authorizerSignature)
        external
        override
        nonReentrant
    {
        ChannelConfig calldata config = voucherClaim.voucher.channel;
        bytes32 channelId = getChannelId(config);
        // Check: the caller is on the receiver's side, or the authorizer signed this row; only the authorizer attests.
        bool attested = true;
        if (authorizerSignature.length == 0) {
            attested = msg.sender == config.receiverAuthorizer;
            if (!attested && msg.sender != config.receiver) revert Errors.NotAuthorizedToClaim();
        } else if (!SignatureLib.isValid(
                config.receiverAuthorizer, _rowDigest(channelId, voucherClaim), authorizerSignature
            )) {
            revert Errors.InvalidSignature();
        }
        // Effect: claimed.
        uint256 amount = _take(voucherClaim, channelId, attested);
        if (amount == 0) return;
        emit ClaimedAndPaid({
            channelId: channelId,
            sender: msg.sender,
            claimAmount: uint128(amount),
            newTotalClaimed: voucherClaim.totalClaimed
        });
        // Interaction: pay this claim, and only this one.
        _push(config.receiver, amount);
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
        bytes32[] memory ids = RowLib.channelIds(operator, groups, _token, separator);
        if (operatorSignature.length == 0) {
            if (msg.sender != operator || operator == address(0)) revert Errors.NotAuthorizedToClaim();
        } else {
            bytes32 digest = ChannelHash.digest(separator, RowLib.batchHash(groups, ids));
            if (!SignatureLib.isValid(operator, digest, operatorSignature)) revert Errors.InvalidSignature();
        }
        uint256 cursor = RowLib.cursorOf(ids);
        for (uint256 g = 0; g < groups.length; ++g) {
            cursor = _claimGroup(operator, g, groups[g], separator, cursor);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                     RESCUE
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function rescueToken(address token_, address to, uint256 amount) external override nonReentrant {
        // Check: the guardian asks for a token that has no business here.
        if (msg.sender != guardian) revert Errors.Guarded_CallerNotGuardian(msg.sender);
        if (token_ == _token) revert Errors.UnsupportedToken(token_);
        emit TokenRescued({token: token_, to: to, amount: amount});
        // Interaction: send it.
        SafeTransferLib.safeTransfer(token_, to, amount);
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
        bytes32 separator = _domainSeparatorV4();
        bytes32[] memory ids = RowLib.channelIds(operator, groups, _token, separator);
        return ChannelHash.digest(separator, RowLib.batchHash(groups, ids));
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
        uint256 amount = _take(row, channelId, attested);
        if (amount > 0) _promise(channelId, config.receiver, amount, row.totalClaimed);
    }

    /// @dev Raises a channel's claimed total, after a draw if it lacks something; returns by how much, 0 if the row is
    /// an old one. The caller promises or pays it.
    function _take(VoucherClaim calldata row, bytes32 channelId, bool attested) private returns (uint256) {
        ChannelConfig calldata config = row.voucher.channel;
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        (uint256 balance, uint256 claimed, uint256 total) = (word.balance(), word.totalClaimed(), row.totalClaimed);
        // Check: something new, under the ceiling, and signed.
        if (total <= claimed) return 0;
        if (total > row.voucher.maxClaimableAmount) revert Errors.ClaimExceedsCeiling();
        if (total > balance && !attested) revert Errors.ClaimExceedsBalance();
        _checkVoucher(config, getVoucherDigest(channelId, row.voucher.maxClaimableAmount), row.signature);
        // Effect: draw what is missing.
        if (total > balance) {
            _checkConfig(config);
            if (total > ChannelWordLib.MAX_UNITS) revert Errors.DepositOverflow();
            _draw(config, total - balance);
            if (balance == 0) emit ChannelCreated({channelId: channelId, config: config});
            balance = total;
        }
        // Effect: claimed.
        _storeChannel(slot, word.withTotals(balance, total));
        unchecked {
            return total - claimed;
        }
    }

    /// @dev Digest of a `ClaimBatch` of one row.
    function _rowDigest(bytes32 channelId, VoucherClaim calldata row) private view returns (bytes32) {
        bytes32[] memory entries = new bytes32[](1);
        entries[0] = ChannelHash.claimEntry(channelId, row.voucher.maxClaimableAmount, row.totalClaimed);
        return _hashTypedDataV4(ChannelHash.claimBatch(entries));
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

    /// @dev Effect: the receiver may be paid `amount` more.
    function _promise(bytes32 channelId, address receiver, uint256 amount, uint256 totalClaimed) private {
        _creditReceiver(receiver, amount);
        emit Claimed({
            channelId: channelId,
            sender: msg.sender,
            claimAmount: uint128(amount),
            newTotalClaimed: uint128(totalClaimed)
        });
    }

    /*////////////////////////////////////////////////////////////////////////
                              INTERNALS: PACKED ROWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev All rows of one payer. The pool is read once and written once. `cursor` walks along the channel ids.
    function _claimGroup(address operator, uint256 index, Group calldata group, bytes32 separator, uint256 cursor)
        private
        returns (uint256)
    {
        bytes32 poolId = getPoolId(group.payer, group.payerAuthorizer, operator);
        uint256 balance = pools[poolId].balance;
        GroupTerms memory terms = GroupTerms({
            separator: separator,
            signer: group.payerAuthorizer == address(0) ? group.payer : group.payerAuthorizer,
            isDelayInRange: _isDelayInRange(group.withdrawDelay),
            available: balance
        });
        uint256 rows = RowLib.count(group);
        uint256 offset = RowLib.start(group);
        for (uint256 i = 0; i < rows;) {
            SkipReason reason = _tryClaim(operator, group, terms, RowLib.idAt(cursor), offset);
            if (reason != SkipReason.None) emit RowSkipped({group: index, row: i, reason: reason});
            unchecked {
                (i, cursor, offset) = (i + 1, cursor + 32, offset + RowLib.SIZE);
            }
        }
        if (RowLib.hasTail(group)) emit RowSkipped({group: index, row: rows, reason: SkipReason.TrailingBytes});
        if (terms.available < balance) _drawPool(poolId, balance, balance - terms.available);
        return cursor;
    }

    /// @dev One packed row: the same checks as `_claim`, told instead of thrown.
    function _tryClaim(
        address operator,
        Group calldata group,
        GroupTerms memory terms,
        bytes32 channelId,
        uint256 offset
    ) private returns (SkipReason) {
        (uint256 total, uint256 ceiling) = RowLib.amounts(offset);
        (uint256 slot, ChannelWord word) = _loadChannel(channelId);
        (uint256 balance, uint256 claimed) = (word.balance(), word.totalClaimed());
        // Check: something new, under the ceiling.
        if (total <= claimed) return SkipReason.Stale;
        if (total > ceiling) return SkipReason.AboveCeiling;
        address receiver = RowLib.receiver(offset);
        // Check: what the channel lacks is in the pool, and may go there.
        uint256 shortage = total > balance ? total - balance : 0;
        if (shortage > 0) {
            if (receiver == address(0) || !terms.isDelayInRange) return SkipReason.BadChannel;
            if (shortage > terms.available || total > ChannelWordLib.MAX_UNITS) return SkipReason.Insufficient;
        }
        // Check: signed by the payer's key.
        bytes32 digest = ChannelHash.digest(terms.separator, ChannelHash.voucher(channelId, ceiling));
        if (!_isSigned(terms.signer, digest, offset)) return SkipReason.BadSignature;
        // Effect: draw what is missing.
        if (shortage > 0) {
            if (balance == 0) _emitCreated(operator, group, channelId, receiver);
            balance = total;
        }
        // Effect: claimed. The checks above keep both differences positive.
        _storeChannel(slot, word.withTotals(balance, total));
        unchecked {
            terms.available -= shortage;
            _promise(channelId, receiver, total - claimed, total);
        }
        return SkipReason.None;
    }

    /// @dev Plain accounts only: no code is called from a batch.
    function _isSigned(address expected, bytes32 digest, uint256 offset) private pure returns (bool) {
        (bytes32 r, bytes32 vs) = RowLib.signature(offset);
        address signer = SignatureLib.recoverCompact(digest, r, vs);
        return signer == expected && signer != address(0);
    }

    function _emitCreated(address operator, Group calldata group, bytes32 channelId, address receiver) private {
        emit ChannelCreated({
            channelId: channelId,
            config: ChannelConfig({
                payer: group.payer,
                payerAuthorizer: group.payerAuthorizer,
                receiver: receiver,
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
