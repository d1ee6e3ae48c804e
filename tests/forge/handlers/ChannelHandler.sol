// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig, Group, Voucher, VoucherClaim} from "../../../contracts/types/ChannelTypes.sol";
import {Base} from "../utils/Base.sol";

/// @notice Random use of one payer's pool and channels by a hostile operator: it holds every key but the payer's wallet
/// and session key, and those two sign ceilings only.
contract ChannelHandler is Base {
    uint256 internal constant AGENTS = 3;

    /// @notice Every channel ever touched.
    bytes32[] public ids;

    /// @notice Highest ceiling the payer's keys signed.
    mapping(bytes32 channelId => uint256 amount) public ceiling;

    /// @notice False once a total that must never fall has fallen.
    bool public sound = true;

    mapping(bytes32 channelId => bool known) private _known;
    mapping(bytes32 channelId => uint128 total) private _claimed;

    constructor() {
        give(payer(), 1e12, address(channel));
    }

    function depositPool(uint96 amount) external {
        VM.prank(payer());
        channel.depositPool(VM.addr(SESSION), VM.addr(OPERATOR), uint96(bound(amount, 1, 1e9)));
    }

    function depositChannel(uint256 agent, uint128 amount) external {
        ChannelConfig memory config = configOf(agent, 0);
        _note(config);
        VM.prank(payer());
        channel.deposit(config, uint128(bound(amount, 1, 1e9)), address(0), "");
    }

    function claim(uint256 agent, uint256 forged, uint96 ceiling_, uint96 total, bool byReceiver) external {
        ChannelConfig memory config = configOf(agent, forged);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = _row(config, uint96(bound(ceiling_, 1, 1e9)), uint96(bound(total, 1, 1e9)));
        VM.prank(byReceiver ? config.receiver : config.receiverAuthorizer);
        channel.claim(rows);
        _observe();
    }

    function claimBatch(uint256 seed, uint96 ceiling_, uint96 total, uint256 forged) external {
        Group[] memory groups = new Group[](1);
        ChannelConfig memory config = configOf(0, forged);
        groups[0] = Group(config.payer, config.payerAuthorizer, config.withdrawDelay, config.salt, "");
        for (uint256 i = 0; i < 4; ++i) {
            config = configOf(seed >> (i * 8), forged);
            uint96 max = uint96(bound(uint256(ceiling_) >> i, 1, 1e9));
            VoucherClaim memory row = _row(config, max, uint96(bound(uint256(total) >> i, 1, 1e9)));
            bytes32 digest = channel.getVoucherDigest(channel.getChannelId(config), max);
            (bytes32 r, bytes32 vs) = compact(_keyOf(forged), digest);
            groups[0].rows = abi.encodePacked(groups[0].rows, config.receiver, uint96(row.totalClaimed), max, r, vs);
        }
        VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, "");
        _observe();
    }

    function settle(uint256 agent) external {
        channel.settle(receiver(agent), address(usdc));
    }

    function settleMany(bool blacklisted) external {
        address[] memory all = new address[](AGENTS + 1);
        for (uint256 i = 0; i <= AGENTS; ++i) {
            all[i] = receiver(i);
        }
        if (blacklisted) usdc.blacklist(all[0]);
        channel.settleMany(all);
        usdc.unBlacklist(all[0]);
    }

    function refund(uint256 agent, uint128 amount) external {
        ChannelConfig memory config = configOf(agent, 0);
        VM.prank(config.receiverAuthorizer);
        channel.refund(config, uint128(bound(amount, 1, 1e9)));
        _observe();
    }

    function withdraw(uint256 agent, uint128 amount, bool finalize) external {
        ChannelConfig memory config = configOf(agent, 0);
        VM.prank(payer());
        if (finalize) channel.finalizeWithdraw(config);
        else channel.initiateWithdraw(config, uint128(bound(amount, 1, 1e9)));
        _observe();
    }

    function withdrawPool(uint96 amount, uint256 step) external {
        (address key, address operator) = (VM.addr(SESSION), VM.addr(OPERATOR));
        if (step % 4 == 0) {
            (,,, uint24 nonce) = channel.pools(channel.getPoolId(payer(), key, operator));
            VM.prank(operator);
            channel.releasePool(payer(), key, operator, nonce);
            return;
        }
        if (step % 4 == 1) {
            channel.finalizePoolWithdraw(payer(), key, operator);
            return;
        }
        VM.prank(payer());
        if (step % 4 == 2) channel.initiatePoolWithdraw(key, operator, uint96(bound(amount, 1, 1e9)));
        else channel.cancelPoolWithdraw(key, operator);
    }

    function pass(uint32 time) external {
        VM.warp(block.timestamp + bound(time, 1, time % 4 == 0 ? 2 days : 10 minutes));
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function payer() public pure returns (address) {
        return VM.addr(CLIENT);
    }

    /// @notice Agent, or the attacker as the last one.
    function receiver(uint256 agent) public pure returns (address) {
        uint256 index = agent % (AGENTS + 1);
        return index == AGENTS ? VM.addr(STRANGER) : address(uint160(0xA000 + index));
    }

    function poolIds() external view returns (bytes32 honest, bytes32 forged) {
        honest = channel.getPoolId(payer(), VM.addr(SESSION), VM.addr(OPERATOR));
        forged = channel.getPoolId(payer(), VM.addr(STRANGER), VM.addr(OPERATOR));
    }

    function world() external view returns (address, address) {
        return (address(usdc), address(channel));
    }

    /// @notice The marketplace channel of an agent; every third one with the attacker's own voucher key instead.
    function configOf(uint256 agent, uint256 forged) public view returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: payer(),
            payerAuthorizer: VM.addr(_keyOf(forged)),
            receiver: receiver(agent),
            receiverAuthorizer: VM.addr(OPERATOR),
            token: address(usdc),
            withdrawDelay: 1 days,
            salt: bytes32(0)
        });
    }

    function _keyOf(uint256 forged) private pure returns (uint256) {
        return forged % 3 == 1 ? STRANGER : SESSION;
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
        ids.push(id);
    }

    function _observe() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            (, uint128 total) = channel.channels(ids[i]);
            if (total < _claimed[ids[i]]) sound = false;
            _claimed[ids[i]] = total;
        }
    }
}
