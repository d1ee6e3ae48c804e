// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {PaymentChannel} from "../../contracts/PaymentChannel.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {ChannelHandler} from "./handlers/ChannelHandler.sol";

/// @notice Conservation and the payer's bound over random sequences (invariants 16 to 19 of the design).
contract ChannelInvariants {
    uint256 private constant RECEIVERS = 4;
    uint256 private constant PAYER_START = 1e12;

    ChannelHandler private _handler;
    MockUSDC private _usdc;
    PaymentChannel private _channel;

    function setUp() public {
        _handler = new ChannelHandler();
        (address usdc, address channel) = _handler.world();
        (_usdc, _channel) = (MockUSDC(usdc), PaymentChannel(channel));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_channel_money_is_conserved() public view {
        assert(_usdc.balanceOf(address(_channel)) == _unclaimed() + _unsettled() + _pooled());
    }

    function invariant_payer_loses_at_most_the_ceilings_his_keys_signed() public view {
        uint256 bound;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            bytes32 id = _handler.ids(i);
            (uint128 balance, uint128 claimed) = _channel.channels(id);
            assert(claimed <= balance);
            assert(claimed <= _handler.ceiling(id));
            bound += _handler.ceiling(id);
        }
        uint256 kept = _usdc.balanceOf(_handler.payer()) + _unclaimed() + _pooled();
        assert(PAYER_START - kept <= bound);
    }

    function invariant_totals_never_fall() public view {
        assert(_handler.sound());
    }

    function _unclaimed() private view returns (uint256 sum) {
        for (uint256 i = 0; i < _handler.count(); ++i) {
            (uint128 balance, uint128 claimed) = _channel.channels(_handler.ids(i));
            sum += balance - claimed;
        }
    }

    function _unsettled() private view returns (uint256 sum) {
        for (uint256 i = 0; i < RECEIVERS; ++i) {
            (uint128 claimed, uint128 settled) = _channel.receivers(_handler.receiver(i), address(_usdc));
            sum += claimed - settled;
        }
    }

    function _pooled() private view returns (uint256) {
        (bytes32 honest, bytes32 forged) = _handler.poolIds();
        (uint96 a,,,) = _channel.pools(honest);
        (uint96 b,,,) = _channel.pools(forged);
        return uint256(a) + b;
    }
}
