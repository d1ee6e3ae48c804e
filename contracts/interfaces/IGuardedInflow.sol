// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IGuardedInflow
/// @notice New money can be stopped. Nothing else can: no exit knows of the pause.
interface IGuardedInflow {
    /// @notice New money is no longer taken in.
    event InflowsPaused(address indexed by);

    /// @notice New money is taken in again.
    event InflowsUnpaused(address indexed by);

    /// @notice Stops new money. Only the guardian (`Guarded_CallerNotGuardian`). Emits {InflowsPaused}.
    function pauseInflows() external;

    /// @notice Takes new money again. The guardian or the admin (`Guarded_CallerNotGuardian`). Emits {InflowsUnpaused}.
    function unpauseInflows() external;

    /// @notice True while new money is refused.
    function inflowsPaused() external view returns (bool);

    /// @notice The account that may pause, fixed for ever.
    function guardian() external view returns (address);
}
