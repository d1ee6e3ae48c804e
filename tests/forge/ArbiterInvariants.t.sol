// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../../contracts/interfaces/IDisputeArbiter.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {ArbiterHandler} from "./handlers/ArbiterHandler.sol";

/// @notice Money, seats and rulings over random sequences.
contract ArbiterInvariants {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ArbiterHandler private _handler;
    MockUSDC private _usdc;
    IDisputeArbiter private _arbiter;

    function setUp() public {
        _handler = new ArbiterHandler();
        (address usdc, address arbiter) = _handler.world();
        (_usdc, _arbiter) = (MockUSDC(usdc), IDisputeArbiter(arbiter));
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

    /// @dev One campaign for all: the moves are dear, the looks are cheap.
    function invariant_arbiter() public view {
        require(_usdc.balanceOf(address(_arbiter)) == _handler.owed(), "money in is not money out");
        require(_handler.locksMatch(), "stake at risk is not that of the open ballots");
        require(_handler.weightsMatch(), "the tree does not hold the weights");
        require(_handler.sound(), "votes and rulings");
        for (uint256 i = 0; i < _handler.count(); ++i) {
            require(_handler.rulingsOf(_handler.ids(i)) <= 1, "a ruling delivered twice");
        }
    }

    /// @dev After any history, with nobody voting any more, every dispute ends and nothing stays behind.
    function afterInvariant() public {
        require(_handler.endAll() == 0, "a dispute cannot be ended");
        require(_usdc.balanceOf(address(_arbiter)) == _handler.free(), "something stayed behind");
        require(_handler.sound(), "votes and rulings");
    }
}
