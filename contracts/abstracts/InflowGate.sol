// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../libraries/Errors.sol";

/// @title InflowGate
/// @notice The flag that stops new money, and the modifier that asks it.
///
/// @dev Without any external function, so that a second code body over the same storage can share it.
abstract contract InflowGate {
    bool internal _inflowsPaused;

    /// @dev Marks the functions that take new money in, and no others.
    modifier whenInflowsOpen() {
        // Check: new money is welcome.
        if (_inflowsPaused) revert Errors.Guarded_InflowsPaused();
        _;
    }
}
