// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {StakeLedger} from "./abstracts/StakeLedger.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Reputation
/// @notice Stakes of agents and the record of their settled escrows, see `IReputation`.
///
/// @dev Created by the constructor of Escrow, so `escrow` is the creator and both addresses are fixed without either
/// being an argument of the other: Escrow's address is deterministic, and this one follows from it as the address of
/// its first creation (nonce 1).
contract Reputation is StakeLedger {
    /// @param token_ USDC of the network
    /// @param guardian_ May pause new stakes
    /// @param unbondingPeriod_ Seconds an agent waits for his stake
    constructor(address token_, address guardian_, uint40 unbondingPeriod_)
        Funding(token_)
        EIP712("AICP Reputation", "1")
        GuardedInflow(guardian_)
        StakeLedger(msg.sender, unbondingPeriod_)
    {}

    /// @dev Whoever is admin of Escrow at the time.
    function _inflowAdmin() internal view override returns (address) {
        return Ownable(escrow).owner();
    }
}
