// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IRandomness} from "../interfaces/IRandomness.sol";

/// @title HostileRandomness
/// @notice A source that answers what it is told to, when it is told to, or not at all. For tests.
contract HostileRandomness is IRandomness {
    /// @custom:value Answers Gives {number}.
    /// @custom:value Reverts Reverts.
    /// @custom:value Burns Spends all gas.
    enum Manner {
        Answers,
        Reverts,
        Burns
    }

    Manner public manner;

    uint256 public number;

    uint256 public requests;

    function behave(Manner manner_, uint256 number_) external {
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
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.Burns) while (true) {}
    }
}
