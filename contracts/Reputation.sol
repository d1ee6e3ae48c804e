// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {ScoreAnchor} from "./abstracts/ScoreAnchor.sol";
import {StakeLedger} from "./abstracts/StakeLedger.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {Errors} from "./libraries/Errors.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Reputation
/// @notice Stakes of agents, the record of their settled escrows and the anchored scores, see `IReputation`.
///
/// ```
///  wallet --stake*--> free stake --lock (Escrow accepts)--> locked stake
///    ^                  |   ^                                 |     |
///    |                  |   +---- unlock (Escrow closes) -----+     | slash (Escrow closes), at most the lock
///    |                  |                                           v
///    |                  | requestUnstake, wait, completeUnstake   balance of the client, or bonus pool
///    +------------------+ (as far as it is not locked by then)      |                        |
///    ^                                                              | withdraw*              | unlock: bonus
///    +--------------------------------------------------------------+<-- balance of agent <--+
/// ```
///
/// @dev Created by the constructor of Escrow, so `escrow` is the creator and both addresses are fixed without either
/// being an argument of the other: Escrow's address is deterministic, and this one follows from it as the address of
/// its first creation (nonce 1).
contract Reputation is StakeLedger, ScoreAnchor {
    /// @dev Longest time from anchoring to activation. A deployment whose stakes wait less activates sooner, too.
    uint40 private constant MAX_ANCHOR_DELAY = 12 hours;

    /// @param token_ USDC of the network
    /// @param guardian_ May pause new stakes and veto a pending epoch
    /// @param unbondingPeriod_ Seconds an agent waits for his stake
    constructor(address token_, address guardian_, uint40 unbondingPeriod_)
        Funding(token_)
        EIP712("AICP Reputation", "1")
        GuardedInflow(guardian_)
        StakeLedger(msg.sender, unbondingPeriod_)
        ScoreAnchor(unbondingPeriod_ < MAX_ANCHOR_DELAY ? unbondingPeriod_ : MAX_ANCHOR_DELAY)
    {}

    /// @inheritdoc IReputation
    function rescueToken(address token_, address to, uint256 amount) external override nonReentrant {
        // Check: the caller is the admin.
        if (msg.sender != _inflowAdmin()) revert Errors.Rescue_CallerNotAdmin(msg.sender);
        // Check: not the token that agents, clients and the pool own.
        if (token_ == _token) revert Errors.Rescue_TokenInUse(token_);
        emit TokenRescued({token: token_, to: to, amount: amount});
        // Interaction: pay.
        SafeTransferLib.safeTransfer(token_, to, amount);
    }

    /// @dev Whoever is admin of Escrow at the time.
    function _inflowAdmin() internal view override returns (address) {
        return Ownable(escrow).owner();
    }
}
