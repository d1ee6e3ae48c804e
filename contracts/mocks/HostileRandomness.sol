// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../interfaces/IRandomness.sol";

/// @title HostileRandomness
/// @notice A source that answers what it is told to, when it is told to, or not at all: 0 gives the number, 1
/// reverts, 2 spends all gas. For tests.
contract HostileRandomness is IRandomness {
    uint8 public manner;

    uint256 public number;

    uint256 public requests;

    function behave(uint8 manner_, uint256 number_) external {
        (manner, number) = (manner_, number_);
    }

    function request() external override returns (uint256) {
        _misbehave();
        return ++requests;
    }

    function result(uint256) external view override returns (uint256) {
        _misbehave();
        return number;
    }

    function _misbehave() private view {
        if (manner == 1) revert("no");
        if (manner == 2) while (true) {}
    }
}
