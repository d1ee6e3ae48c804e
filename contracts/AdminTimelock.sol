// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title AdminTimelock
/// @notice OpenZeppelin's timelock as admin of a deployment: what an admin may do becomes visible before it happens.
///
/// ```
///  none --schedule (proposer)--> waiting --delay--> ready --execute (executor)--> done
///                                   |                 |
///                                   +-- cancel (proposer) --> none
/// ```
///
/// @dev Nobody administers it but itself: changing its roles or its delay waits as long as everything else.
contract AdminTimelock is TimelockController {
    /// @param minDelay Seconds from scheduling to execution
    /// @param proposers May schedule and cancel
    /// @param executors May execute what is ready; the zero address lets everybody
    constructor(uint256 minDelay, address[] memory proposers, address[] memory executors)
        TimelockController(minDelay, proposers, executors, address(0))
    {}
}
