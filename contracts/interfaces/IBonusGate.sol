// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IBonusGate
/// @notice What Reputation tells Escrow about the bonus pool.
interface IBonusGate {
    /// @notice Asks Reputation whether its bonus pool holds anything, and from then on asks for bonuses or does not.
    /// Reputation calls it when a gift opens the pool; anyone may.
    function noteBonusPool() external;
}
