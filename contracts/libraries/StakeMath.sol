// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Outcome} from "../types/EscrowTypes.sol";
import {FeeMath} from "./FeeMath.sol";

/// @title StakeMath
/// @notice How much stake a price needs and what an outcome costs. The only place where severity is decided.
library StakeMath {
    /// @notice Stake behind a price, in basis points of it.
    uint256 internal constant STAKE_BPS = 2000;

    /// @notice Highest success bonus, in basis points of the required stake.
    uint256 internal constant BONUS_BPS = 500;

    /// @notice Base units of stake an escrow over `amount` locks, rounded up.
    function required(uint96 amount) internal pure returns (uint96) {
        // 96 and 11 bits make 107.
        unchecked {
            return uint96((uint256(amount) * STAKE_BPS + FeeMath.BPS - 1) / FeeMath.BPS);
        }
    }

    /// @notice Share of the lock an outcome costs when the whole price was refunded, in basis points.
    function severity(Outcome outcome) internal pure returns (uint256) {
        if (outcome == Outcome.Returned) return 1000;
        if (outcome == Outcome.Missed) return 5000;
        if (outcome == Outcome.Lost) return 10_000;
        return 0;
    }

    /// @notice Splits the slashed part of a lock. Only the refunded share of the price is punished, rounded up.
    ///
    /// @param lockAmount Base units locked
    /// @param outcome How the escrow ended
    /// @param refunded Base units that went back to the client
    /// @param amount Price of the escrow in base units
    /// @return toClient Base units for the client
    /// @return toPool Base units for the bonus pool: what a lost dispute costs above half of the lock
    function slashed(uint96 lockAmount, Outcome outcome, uint96 refunded, uint96 amount)
        internal
        pure
        returns (uint96 toClient, uint96 toPool)
    {
        uint256 whole = uint256(amount) * FeeMath.BPS;
        uint96 total = uint96((uint256(lockAmount) * severity(outcome) * refunded + whole - 1) / whole);
        toClient = total;
        if (outcome == Outcome.Lost && total > lockAmount / 2) {
            toClient = lockAmount / 2;
            toPool = total - toClient;
        }
    }

    /// @notice Highest bonus of a completed escrow: 5% of the required stake, but not above half of the fee it paid.
    function bonusCap(uint96 lockAmount, uint256 feePaid) internal pure returns (uint96) {
        // 96 and 9 bits make 105; the smaller of the two is below the lock.
        unchecked {
            uint256 share = (uint256(lockAmount) * BONUS_BPS) / FeeMath.BPS;
            return uint96(share < feePaid / 2 ? share : feePaid / 2);
        }
    }
}
