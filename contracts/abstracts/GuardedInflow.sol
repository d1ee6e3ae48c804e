// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGuardedInflow} from "../interfaces/IGuardedInflow.sol";
import {Errors} from "../libraries/Errors.sol";
import {InflowGate} from "./InflowGate.sol";

/// @title GuardedInflow
/// @notice See {IGuardedInflow}.
///
/// @dev Inherit this last: the flag then shares a slot with the first small variables of the contract.
abstract contract GuardedInflow is
    IGuardedInflow,
    InflowGate // 0 inherited components
{
    /// @inheritdoc IGuardedInflow
    address public immutable override guardian;

    constructor(address guardian_) {
        if (guardian_ == address(0)) revert Errors.Guarded_ZeroAddress();
        guardian = guardian_;
    }

    /// @inheritdoc IGuardedInflow
    function pauseInflows() external override {
        // Check: the caller is the guardian.
        if (msg.sender != guardian) revert Errors.Guarded_CallerNotGuardian(msg.sender);
        // Effect: pause.
        _inflowsPaused = true;
        emit InflowsPaused({by: msg.sender});
    }

    /// @inheritdoc IGuardedInflow
    function unpauseInflows() external override {
        // Check: the caller is the guardian, or the admin in case the guardian is lost or hostile.
        if (msg.sender != guardian && msg.sender != _inflowAdmin()) {
            revert Errors.Guarded_CallerNotGuardian(msg.sender);
        }
        // Effect: unpause.
        _inflowsPaused = false;
        emit InflowsUnpaused({by: msg.sender});
    }

    /// @inheritdoc IGuardedInflow
    function inflowsPaused() external view override returns (bool) {
        return _inflowsPaused;
    }

    /// @dev The account that may unpause beside the guardian.
    function _inflowAdmin() internal view virtual returns (address);
}
