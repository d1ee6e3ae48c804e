// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DisputeArbiter} from "../../contracts/DisputeArbiter.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {ArbiterHandler} from "./handlers/ArbiterHandler.sol";

/// @notice Money, seats and rulings over random sequences (invariants 38, 39 and 42 to 46).
contract ArbiterInvariants {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ArbiterHandler private _handler;
    MockUSDC private _usdc;
    DisputeArbiter private _arbiter;

    function setUp() public {
        _handler = new ArbiterHandler();
        (address usdc, address arbiter) = _handler.world();
        (_usdc, _arbiter) = (MockUSDC(usdc), DisputeArbiter(arbiter));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev `endAll` is the end of the game and no move in it.
    function excludeSelectors() public view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ArbiterHandler.endAll.selector;
        excluded[0] = FuzzSelector(address(_handler), selectors);
    }

    function invariant_arbiter_money_in_is_money_out() public view {
        assert(_usdc.balanceOf(address(_arbiter)) == _handler.owed());
    }

    function invariant_stake_at_risk_is_that_of_the_open_ballots() public view {
        assert(_handler.locksMatch());
    }

    function invariant_tree_holds_the_weights() public view {
        assert(_handler.weightsMatch());
    }

    function invariant_rulings_are_final_and_delivered_at_most_once() public view {
        assert(_handler.sound());
        for (uint256 i = 0; i < _handler.count(); ++i) {
            assert(_handler.rulingsOf(_handler.ids(i)) <= 1);
        }
    }

    /// @dev After any history, with nobody voting any more, every dispute ends and nothing stays behind.
    function afterInvariant() public {
        assert(_handler.endAll() == 0);
        assert(_usdc.balanceOf(address(_arbiter)) == _handler.free());
        assert(_handler.sound());
    }
}
