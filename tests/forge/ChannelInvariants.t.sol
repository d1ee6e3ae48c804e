// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../../contracts/interfaces/IPaymentChannel.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {ChannelHandler} from "./handlers/ChannelHandler.sol";

/// @notice Conservation, the payer's bound, receipts and exits over random sequences.
contract ChannelInvariants {
    uint256 private constant RECEIVERS = 4;
    uint256 private constant PAYER_START = 1e12;

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    ChannelHandler private _handler;
    MockUSDC private _usdc;
    IPaymentChannel private _channel;

    function setUp() public {
        _handler = new ChannelHandler();
        (address usdc, address channel) = _handler.world();
        (_usdc, _channel) = (MockUSDC(usdc), IPaymentChannel(channel));
    }

    /// @dev Everything but the closing, which ends a history.
    function excludeSelectors() public view returns (Selectors[] memory excluded) {
        excluded = new Selectors[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ChannelHandler.closeEverything.selector;
        excluded[0] = Selectors(address(_handler), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev One campaign for all: the moves are dear, the looks are cheap.
    function invariant_channel() public view {
        _checkConservation();
        _checkBalances();
        _checkHonestPayer();
        if (bytes(_handler.broken()).length > 0) revert(_handler.broken());
    }

    /// @dev After any history, with operator, guardian and receivers silent, everything can be paid out.
    function afterInvariant() public {
        _handler.closeEverything();
        assert(_usdc.balanceOf(address(_channel)) == 0);
    }

    function _checkConservation() private view {
        assert(_usdc.balanceOf(address(_channel)) == _unclaimed(false) + _unsettled() + _pooled(3));
    }

    function _checkBalances() private view {
        for (uint256 i = 0; i < _handler.count(); ++i) {
            (uint128 balance, uint128 claimed) = _channel.channels(_handler.ids(i));
            assert(claimed <= balance);
        }
    }

    /// @dev The honest payer's wallet, channels and pools hold all but what his two keys signed away.
    function _checkHonestPayer() private view {
        uint256 bound;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            bytes32 id = _handler.ids(i);
            if (!_handler.isHonest(id)) continue;
            (, uint128 claimed) = _channel.channels(id);
            assert(claimed <= _handler.ceiling(id));
            bound += _handler.ceiling(id);
        }
        uint256 kept = _usdc.balanceOf(_handler.payer()) + _unclaimed(true) + _pooled(2);
        assert(PAYER_START - kept <= bound);
    }

    function _unclaimed(bool honestOnly) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _handler.count(); ++i) {
            bytes32 id = _handler.ids(i);
            if (honestOnly && !_handler.isHonest(id)) continue;
            (uint128 balance, uint128 claimed) = _channel.channels(id);
            sum += balance - claimed;
        }
    }

    function _unsettled() private view returns (uint256 sum) {
        for (uint256 i = 0; i < RECEIVERS; ++i) {
            (uint128 claimed, uint128 settled) = _channel.receivers(_handler.receiver(i), address(_usdc));
            sum += claimed - settled;
        }
    }

    /// @dev The honest payer's pools come first.
    function _pooled(uint256 pools) private view returns (uint256 sum) {
        bytes32[3] memory poolIds = _handler.poolIds();
        for (uint256 i = 0; i < pools; ++i) {
            (uint96 balance,,,) = _channel.pools(poolIds[i]);
            sum += balance;
        }
    }
}
