// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGuardedInflow} from "../interfaces/IGuardedInflow.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title GuardedInflow
/// @notice See {IGuardedInflow}.
///
/// @dev Inherit this last: the flag then shares a slot with the first small variables of the contract.
abstract contract GuardedInflow is IGuardedInflow {
    /// @inheritdoc IGuardedInflow
    address public immutable override guardian;

    /// @inheritdoc IGuardedInflow
    bool public override inflowsPaused;

    /// @dev Marks the functions that take new money in, and no others.
    modifier whenInflowsOpen() {
        // Check: new money is welcome.
        if (inflowsPaused) revert Errors.Guarded_InflowsPaused();
        _;
    }

    constructor(address guardian_) {
        if (guardian_ == address(0)) revert Errors.Guarded_ZeroAddress();
        guardian = guardian_;
    }

    /// @inheritdoc IGuardedInflow
    function pauseInflows() external override {
        // Check: the caller is the guardian.
        if (msg.sender != guardian) revert Errors.Guarded_CallerNotGuardian(msg.sender);
        // Effect: pause.
        inflowsPaused = true;
        emit InflowsPaused({by: msg.sender});
    }

    /// @inheritdoc IGuardedInflow
    function unpauseInflows() external override {
        // Check: the caller is the guardian, or the admin in case the guardian is lost or hostile.
        if (msg.sender != guardian && msg.sender != _inflowAdmin()) {
            revert Errors.Guarded_CallerNotGuardian(msg.sender);
        }
        // Effect: unpause.
        inflowsPaused = false;
        emit InflowsUnpaused({by: msg.sender});
    }

    /// @dev The account that may unpause beside the guardian.
    function _inflowAdmin() internal view virtual returns (address);
}
