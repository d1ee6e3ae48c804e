// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig, Group, Voucher, VoucherClaim} from "../../../contracts/types/ChannelTypes.sol";
import {Base} from "../utils/Base.sol";

/// @notice Random use of pools and channels by a hostile operator. It holds every key but the wallet and the session key
/// of one honest payer; those two sign ceilings and the payer's own deposits and withdrawals only. Somebody else pays
/// from the same contract, the token can be paused, and any account can be blacklisted.
///
/// What must never happen sets `broken` to a sentence; nothing here reverts because of it, as a revert would undo it.
contract ChannelHandler is Base {
    uint256 internal constant AGENTS = 3;
    uint256 internal constant MOST = 1e9;

    /// @notice Every channel ever touched.
    bytes32[] public ids;

    /// @notice The config behind an id.
    mapping(bytes32 channelId => ChannelConfig config) private _configs;

    /// @notice Highest ceiling the honest payer's keys signed.
    mapping(bytes32 channelId => uint256 amount) public ceiling;

    /// @notice What went wrong, empty if nothing.
    string public broken;

    struct Receipt {
        VoucherClaim[] row;
        bytes attestation;
    }

    mapping(bytes32 channelId => bool known) private _known;
    mapping(bytes32 channelId => uint128 total) private _claimed;
    mapping(bytes32 channelId => uint256 nonce) private _refundNonce;
    mapping(address receiver => uint128 total) private _settled;
    mapping(bytes32 channelId => uint256 time) private _channelAsked;
    uint256 private _poolAsked;
    uint256 private _poolReleased;
    uint24 private _poolNonce;
    uint256 private _salt;
    Receipt[] private _receipts;

    constructor() {
        give(payer(), 1e12, address(channel));
        give(other(), 1e12, address(channel));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    DEPOSITS
    ////////////////////////////////////////////////////////////////////////*/

    function depositPool(uint96 amount, bool byOther) external {
        VM.prank(byOther ? other() : payer());
        channel.depositPool(VM.addr(SESSION), VM.addr(OPERATOR), uint96(bound(amount, 1, MOST)));
        _observe();
    }

    function depositChannel(uint256 agent, uint128 amount, bool byOther) external {
        ChannelConfig memory config = configOf(agent, byOther ? 2 : 0);
        _note(config);
        VM.prank(config.payer);
        channel.deposit(config, uint128(bound(amount, 1, MOST)), address(0), "");
        _observe();
    }

    /// @dev The payer signs one deposit; whoever sends it changes where it goes or how much it is.
    function depositPoolSigned(uint96 amount, uint8 change) external {
        amount = uint96(bound(amount, 1, MOST));
        (address key, address operator) = (VM.addr(SESSION), VM.addr(OPERATOR));
        bytes32 nonce = keccak256(abi.encode(channel.getPoolId(payer(), key, operator), ++_salt));
        bytes memory signature = authorization(CLIENT, address(channel), amount, type(uint256).max, nonce);
        uint96 sent = amount;
        if (change % 4 == 1) key = VM.addr(STRANGER);
        if (change % 4 == 2) operator = VM.addr(STRANGER);
        if (change % 4 == 3) ++sent;
        try channel.depositPoolWithAuthorization(payer(), key, operator, sent, 0, type(uint256).max, _salt, signature) {
            if (change % 4 != 0) broken = "a changed pool deposit was taken";
        } catch {}
        _observe();
    }

    function depositChannelSigned(uint256 agent, uint128 amount, uint8 change) external {
        amount = uint128(bound(amount, 1, MOST));
        ChannelConfig memory config = configOf(agent, 0);
        _note(config);
        bytes32 nonce = keccak256(abi.encode(channel.getChannelId(config), ++_salt));
        address collector = channel.erc3009Collector();
        bytes memory signature = authorization(CLIENT, collector, amount, type(uint256).max, nonce);
        uint128 sent = amount;
        if (change % 4 == 1) config.receiver = VM.addr(STRANGER);
        if (change % 4 == 2) config.payerAuthorizer = VM.addr(STRANGER);
        if (change % 4 == 3) ++sent;
        bytes memory data = abi.encode(uint256(0), type(uint256).max, _salt, signature);
        try channel.deposit(config, sent, collector, data) {
            if (change % 4 == 2 || change % 4 == 3 || config.receiver != receiver(agent)) {
                broken = "a changed channel deposit was taken";
            }
        } catch {}
        _observe();
    }

    /*////////////////////////////////////////////////////////////////////////
                                     CLAIMS
    ////////////////////////////////////////////////////////////////////////*/

    function claim(uint256 agent, uint256 kind, uint96 ceiling_, uint96 total, bool byReceiver) external {
        ChannelConfig memory config = configOf(agent, kind);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = _row(config, uint96(bound(ceiling_, 1, MOST)), uint96(bound(total, 1, MOST)));
        VM.prank(byReceiver ? config.receiver : config.receiverAuthorizer);
        channel.claim(rows);
        _observe();
    }

    function claimAndPay(uint256 agent, uint256 kind, uint96 ceiling_, uint96 total, bool byReceiver) external {
        ChannelConfig memory config = configOf(agent, kind);
        VoucherClaim memory row = _row(config, uint96(bound(ceiling_, 1, MOST)), uint96(bound(total, 1, MOST)));
        VM.prank(byReceiver ? config.receiver : config.receiverAuthorizer);
        channel.claimAndPay(row, "");
        _observe();
    }

    function claimBatch(uint256 seed, uint96 ceiling_, uint96 total, uint256 kind) external {
        Group[] memory groups = new Group[](1);
        ChannelConfig memory config = configOf(0, kind);
        groups[0] = Group(config.payer, config.payerAuthorizer, config.withdrawDelay, config.salt, "");
        for (uint256 i = 0; i < 4; ++i) {
            config = configOf(seed >> (i * 8), kind);
            uint96 max = uint96(bound(uint256(ceiling_) >> i, 1, MOST));
            VoucherClaim memory row = _row(config, max, uint96(bound(uint256(total) >> i, 1, MOST)));
            bytes32 digest = channel.getVoucherDigest(channel.getChannelId(config), max);
            (bytes32 r, bytes32 vs) = compact(_keyOf(kind), digest);
            groups[0].rows = abi.encodePacked(groups[0].rows, config.receiver, uint96(row.totalClaimed), max, r, vs);
        }
        VM.prank(VM.addr(OPERATOR));
        try channel.claimBatch(VM.addr(OPERATOR), groups, "") {}
        catch {
            broken = "a batch reverted";
        }
        _observe();
    }

    /// @dev An agent takes a voucher with the operator's attestation home.
    function attest(uint256 agent, uint96 total) external {
        Receipt storage receipt = _receipts.push();
        uint96 amount = uint96(bound(total, 1, MOST));
        VoucherClaim memory row = _row(configOf(agent, 0), amount, amount);
        receipt.row.push(row);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = row;
        receipt.attestation = signed(OPERATOR, channel.getClaimBatchDigest(rows));
    }

    /// @dev Whatever happened since: if the money is there, the receipt gets it, by anyone's hand.
    function redeem(uint256 which) external {
        if (_receipts.length == 0) return;
        Receipt memory receipt = _receipts[which % _receipts.length];
        ChannelConfig memory config = receipt.row[0].voucher.channel;
        (uint128 balance,) = channel.channels(channel.getChannelId(config));
        (uint96 pooled,,,) =
            channel.pools(channel.getPoolId(config.payer, config.payerAuthorizer, config.receiverAuthorizer));
        bool covered = receipt.row[0].totalClaimed <= uint256(balance) + pooled;
        try channel.claimWithSignature(receipt.row, receipt.attestation) {
            if (!covered) broken = "a receipt got money that was not there";
        } catch {
            if (covered) broken = "a receipt did not get the money that was there";
        }
        _observe();
    }

    /*////////////////////////////////////////////////////////////////////////
                            SETTLEMENT AND THE WAYS BACK
    ////////////////////////////////////////////////////////////////////////*/

    function settle(uint256 agent) external {
        channel.settle(receiver(agent), address(usdc));
        _observe();
    }

    function settleMany() external {
        address[] memory all = new address[](AGENTS + 1);
        for (uint256 i = 0; i <= AGENTS; ++i) {
            all[i] = receiver(i);
        }
        try channel.settleMany(all) {}
        catch {
            broken = "one receiver blocked the others";
        }
        _observe();
    }

    function refund(uint256 agent, uint256 kind, uint128 amount) external {
        ChannelConfig memory config = configOf(agent, kind);
        VM.prank(config.receiverAuthorizer);
        channel.refund(config, uint128(bound(amount, 1, MOST)));
        _observe();
    }

    function withdraw(uint256 agent, uint256 kind, uint128 amount, bool finalize) external {
        ChannelConfig memory config = configOf(agent, kind);
        bytes32 id = channel.getChannelId(config);
        VM.prank(config.payer);
        if (!finalize) {
            channel.initiateWithdraw(config, uint128(bound(amount, 1, MOST)));
            _channelAsked[id] = block.timestamp;
        } else {
            channel.finalizeWithdraw(config);
            if (block.timestamp < _channelAsked[id] + config.withdrawDelay) broken = "withdrawn before the delay";
            _channelAsked[id] = type(uint128).max;
        }
        _observe();
    }

    function withdrawPool(uint96 amount, uint256 step) external {
        (address key, address operator) = (VM.addr(SESSION), VM.addr(OPERATOR));
        bytes32 id = channel.getPoolId(payer(), key, operator);
        (,, uint40 finalizeAt, uint24 nonce) = channel.pools(id);
        if (step % 4 == 0) {
            VM.prank(operator);
            channel.releasePool(payer(), key, operator, nonce);
            if (_poolReleased == 0) _poolReleased = block.timestamp;
        } else if (step % 4 == 1) {
            channel.finalizePoolWithdraw(payer(), key, operator);
            bool waited = block.timestamp >= _poolAsked + 1 days;
            bool released = _poolReleased != 0 && block.timestamp >= _poolReleased + 15 minutes;
            if (finalizeAt == 0 || !(waited || released)) broken = "a pool was emptied too early";
            ++_poolNonce;
        } else {
            VM.prank(payer());
            if (step % 4 == 2) channel.initiatePoolWithdraw(key, operator, uint96(bound(amount, 1, MOST)));
            else channel.cancelPoolWithdraw(key, operator);
            (_poolAsked, _poolReleased) = (block.timestamp, 0);
            ++_poolNonce;
        }
        _observe();
    }

    /// @dev Everybody else tries to start, cancel or sign the payer's withdrawal.
    function meddle(uint96 amount, uint256 step) external {
        (address key, address operator) = (VM.addr(SESSION), VM.addr(OPERATOR));
        bytes32 id = channel.getPoolId(payer(), key, operator);
        (,,, uint24 nonce) = channel.pools(id);
        uint40 until = uint40(block.timestamp + 1);
        bool cancel = step % 2 == 0;
        amount = cancel ? 0 : uint96(bound(amount, 1, MOST));
        bytes memory signature =
            signed(step % 3 == 0 ? SESSION : OPERATOR, channel.getPoolWithdrawDigest(id, amount, cancel, nonce, until));
        VM.prank(operator);
        if (cancel) {
            channel.cancelPoolWithdrawWithSignature(payer(), key, operator, nonce, until, signature);
        } else {
            channel.initiatePoolWithdrawWithSignature(payer(), key, operator, amount, nonce, until, signature);
        }
        // Not undone by a revert, so it must have been taken.
        broken = "somebody else moved the payer's withdrawal";
    }

    /*////////////////////////////////////////////////////////////////////////
                                    THE WORLD
    ////////////////////////////////////////////////////////////////////////*/

    function pass(uint32 time) external {
        VM.warp(block.timestamp + bound(time, 1, time % 4 == 0 ? 2 days : 10 minutes));
    }

    function pauseToken(uint8 chance) external {
        if (chance % 4 == 0) usdc.pause();
        else usdc.unpause();
    }

    function blacklist(uint8 who, uint8 chance) external {
        address account = who % 6 == 4 ? payer() : who % 6 == 5 ? other() : receiver(who % 6);
        if (chance % 3 == 0) usdc.blacklist(account);
        else usdc.unBlacklist(account);
    }

    function pauseInflows(uint8 chance) external {
        VM.prank(GUARDIAN);
        if (chance % 4 == 0) channel.pauseInflows();
        else channel.unpauseInflows();
    }

    /// @notice Operator, guardian and receivers stay silent: the payers leave by themselves, anyone settles.
    function closeEverything() external {
        VM.prank(GUARDIAN);
        channel.pauseInflows();
        usdc.unpause();
        for (uint256 i = 0; i < 6; ++i) {
            usdc.unBlacklist(i == 4 ? payer() : i == 5 ? other() : receiver(i));
        }
        uint256 time = block.timestamp;
        for (uint256 round = 0; round < 2; ++round) {
            time += 31 days;
            VM.warp(time);
            for (uint256 i = 0; i < ids.length; ++i) {
                _leave(_configs[ids[i]]);
            }
            _leavePool(payer());
            _leavePool(other());
        }
        for (uint256 i = 0; i <= AGENTS; ++i) {
            channel.settle(receiver(i), address(usdc));
        }
    }

    function _leave(ChannelConfig memory config) private {
        bytes32 id = channel.getChannelId(config);
        (, uint40 initiatedAt) = channel.pendingWithdrawals(id);
        if (initiatedAt != 0) {
            VM.prank(config.payer);
            channel.finalizeWithdraw(config);
        }
        (uint128 balance, uint128 claimed) = channel.channels(id);
        if (balance == claimed) return;
        VM.prank(config.payer);
        channel.initiateWithdraw(config, balance - claimed);
    }

    function _leavePool(address owner) private {
        (address key, address operator) = (VM.addr(SESSION), VM.addr(OPERATOR));
        bytes32 id = channel.getPoolId(owner, key, operator);
        (uint96 balance,, uint40 finalizeAt,) = channel.pools(id);
        if (finalizeAt != 0) {
            channel.finalizePoolWithdraw(owner, key, operator);
            (balance,,,) = channel.pools(id);
        }
        if (balance == 0) return;
        VM.prank(owner);
        channel.initiatePoolWithdraw(key, operator, balance);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    function count() external view returns (uint256) {
        return ids.length;
    }

    function payer() public pure returns (address) {
        return VM.addr(CLIENT);
    }

    /// @notice Another payer; the attacker has his keys.
    function other() public pure returns (address) {
        return VM.addr(VERIFIER);
    }

    /// @notice Agent, or the attacker as the last one.
    function receiver(uint256 agent) public pure returns (address) {
        uint256 index = agent % (AGENTS + 1);
        return index == AGENTS ? VM.addr(STRANGER) : address(uint160(0xA000 + index));
    }

    /// @notice Every pool that can hold money here.
    function poolIds() external view returns (bytes32[3] memory) {
        address operator = VM.addr(OPERATOR);
        return [
            channel.getPoolId(payer(), VM.addr(SESSION), operator),
            channel.getPoolId(payer(), VM.addr(STRANGER), operator),
            channel.getPoolId(other(), VM.addr(SESSION), operator)
        ];
    }

    function isHonest(bytes32 id) external view returns (bool) {
        return _configs[id].payer == payer();
    }

    function world() external view returns (address, address) {
        return (address(usdc), address(channel));
    }

    /// @notice The marketplace channel of an agent: as it is, with the attacker's own voucher key, of the other payer,
    /// or with a delay of the attacker's choice.
    function configOf(uint256 agent, uint256 kind) public view returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: kind % 4 == 2 ? other() : payer(),
            payerAuthorizer: VM.addr(_keyOf(kind)),
            receiver: receiver(agent),
            receiverAuthorizer: VM.addr(OPERATOR),
            token: address(usdc),
            withdrawDelay: kind % 4 == 3 ? 15 minutes : 1 days,
            salt: bytes32(0)
        });
    }

    function _keyOf(uint256 kind) private pure returns (uint256) {
        return kind % 4 == 1 ? STRANGER : SESSION;
    }

    function _row(ChannelConfig memory config, uint96 max, uint96 total) private returns (VoucherClaim memory) {
        bytes32 id = _note(config);
        uint256 key = config.payerAuthorizer == VM.addr(SESSION) ? SESSION : STRANGER;
        if (key == SESSION && max > ceiling[id]) ceiling[id] = max;
        return VoucherClaim(Voucher(config, max), signed(key, channel.getVoucherDigest(id, max)), total);
    }

    function _note(ChannelConfig memory config) private returns (bytes32 id) {
        id = channel.getChannelId(config);
        if (_known[id]) return id;
        _known[id] = true;
        _configs[id] = config;
        ids.push(id);
    }

    /// @dev Totals and nonces only rise; the pool's nonce only by the payer's hand or when he is paid.
    function _observe() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes32 id = ids[i];
            (, uint128 total) = channel.channels(id);
            uint256 nonce = channel.refundNonce(id);
            if (total < _claimed[id] || nonce < _refundNonce[id]) broken = "a total or nonce of a channel fell";
            (_claimed[id], _refundNonce[id]) = (total, nonce);
        }
        for (uint256 i = 0; i <= AGENTS; ++i) {
            (, uint128 settled) = channel.receivers(receiver(i), address(usdc));
            if (settled < _settled[receiver(i)]) broken = "a settled total fell";
            _settled[receiver(i)] = settled;
        }
        (,,, uint24 poolNonce) = channel.pools(channel.getPoolId(payer(), VM.addr(SESSION), VM.addr(OPERATOR)));
        if (poolNonce != _poolNonce) broken = "the pool's nonce moved without its payer";
    }
}
