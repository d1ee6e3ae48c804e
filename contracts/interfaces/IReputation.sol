// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Outcome} from "../types/EscrowTypes.sol";
import {PoolChange, Record, Stake} from "../types/StakeTypes.sol";
import {IGuardedInflow} from "./IGuardedInflow.sol";
import {ILedger} from "./ILedger.sol";
import {IScoreAnchor} from "./IScoreAnchor.sol";

/// @title IReputation
/// @notice Stakes of agents, the record of their settled escrows, and anchored scores. Only Escrow locks, unlocks and
/// slashes.
interface IReputation is ILedger, IScoreAnchor, IGuardedInflow {
    /// @notice `amount` base units were added; `staked` is the new total.
    event Staked(address indexed agent, uint96 amount, uint96 staked);

    /// @notice The agent asked for `amount` base units, payable from `unbondAt`.
    event UnstakeRequested(address indexed agent, uint96 amount, uint40 unbondAt);

    /// @notice `amount` base units went back to the agent.
    event Unstaked(address indexed agent, uint96 amount);

    /// @notice `amount` base units are bound by the escrow.
    event StakeLocked(address indexed agent, bytes32 indexed escrowId, uint96 amount);

    /// @notice The escrow's lock of `amount` base units was undone.
    event StakeUnlocked(address indexed agent, bytes32 indexed escrowId, uint96 amount);

    /// @notice `amount` = `toClient` + `toPool` base units of the escrow's lock were taken, the rest was unlocked.
    event StakeSlashed(address indexed agent, bytes32 indexed escrowId, uint96 amount, uint96 toClient, uint96 toPool);

    /// @notice The agent got a success bonus of `amount` base units, credited to his balance.
    event BonusPaid(address indexed agent, bytes32 indexed escrowId, uint96 amount);

    /// @notice The bonus pool grew by a gift of `amount` base units.
    event BonusPoolFunded(address indexed from, uint96 amount);

    /// @notice The end of an escrow entered the agent's record; `settledValue` base units were released to him.
    event OutcomeRecorded(address indexed agent, bytes32 indexed escrowId, Outcome outcome, uint96 settledValue);

    /// @notice `amount` units of a token that is not held for anybody left for `to`.
    event TokenRescued(address indexed token, address indexed to, uint256 amount);

    /// @notice Adds `amount` base units of the caller to his stake (needs an allowance).
    ///
    /// Requirements: amount > 0 (`Stake_AmountZero`) and the stake not above what a slot holds
    /// (`Stake_AboveMaximum`); inflows open (`Guarded_InflowsPaused`).
    /// Emits {Staked}.
    function stake(uint96 amount) external;

    /// @notice Adds stake by the agent's ERC-3009 `ReceiveWithAuthorization` with
    /// nonce = keccak256(abi.encode(agent, salt)). Anyone may send it.
    ///
    /// Requirements: as {stake}; the token's own checks of window, nonce and signature.
    /// Emits {Staked}.
    function stakeWithAuthorization(
        address agent,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external;

    /// @notice Asks for `amount` base units of the caller's stake; a new request replaces an open one.
    ///
    /// Requirements: amount > 0 (`Stake_AmountZero`) and not above the stake (`Stake_Insufficient`).
    /// Emits {UnstakeRequested}.
    function requestUnstake(uint96 amount) external;

    /// @notice As {requestUnstake}, by the agent's signature of `Unstake(agent,amount,nonce,validUntil)`.
    ///
    /// Requirements: now <= validUntil (`Stake_SignatureExpired`); `Stake_InvalidSignature`.
    /// Emits {UnstakeRequested}.
    function requestUnstakeWithSignature(address agent, uint96 amount, uint40 validUntil, bytes calldata signature)
        external;

    /// @notice Pays the requested stake to the agent, as far as it is not locked, and ends the request. Anyone may
    /// call.
    ///
    /// Requirements: a request (`Stake_NotRequested`) whose time has come (`Stake_Unbonding`); something not
    /// locked (`Stake_Insufficient`).
    /// Emits {Unstaked}.
    function completeUnstake(address agent) external;

    /// @notice Gives `amount` base units of the caller to the bonus pool (needs an allowance), and tells Escrow when
    /// that opens it.
    ///
    /// Requirements: amount > 0 (`Stake_AmountZero`); inflows open (`Guarded_InflowsPaused`).
    /// Emits {BonusPoolFunded}.
    function fundBonusPool(uint96 amount) external;

    /// @notice Binds `amount` base units of the agent's free stake to an escrow. Unbonding stake counts as free.
    ///
    /// Requirements: caller is Escrow (`Stake_CallerNotEscrow`); enough free stake (`Stake_Insufficient`).
    /// Emits {StakeLocked}.
    function lock(address agent, bytes32 escrowId, uint96 amount) external;

    /// @notice Undoes an escrow's lock, records the outcome and pays a bonus of at most `bonusCap` base units.
    ///
    /// Requirements: caller is Escrow (`Stake_CallerNotEscrow`), which calls it at most once an escrow.
    /// Emits {StakeUnlocked}, {OutcomeRecorded} and {BonusPaid} if there is one.
    ///
    /// @param agent Provider of the escrow
    /// @param escrowId Its id
    /// @param lockAmount Base units that were locked for it
    /// @param outcome How it ended
    /// @param settledValue Base units released to the provider, fee included
    /// @param bonusCap Base units of bonus at most
    /// @return change Whether that emptied the bonus pool
    function unlock(
        address agent,
        bytes32 escrowId,
        uint96 lockAmount,
        Outcome outcome,
        uint96 settledValue,
        uint96 bonusCap
    ) external returns (PoolChange change);

    /// @notice Takes `toClient` + `toPool` base units of an escrow's lock, unlocks the rest and records the outcome.
    ///
    /// Requirements: caller is Escrow (`Stake_CallerNotEscrow`), which calls it at most once an escrow; not above the
    /// lock (`Stake_SlashExceedsLock`).
    /// Emits {StakeSlashed} and {OutcomeRecorded}.
    ///
    /// @param agent Provider of the escrow
    /// @param escrowId Its id
    /// @param lockAmount Base units that were locked for it
    /// @param outcome How it ended
    /// @param settledValue Base units released to the provider, fee included
    /// @param toClient Base units of the lock for the client
    /// @param toPool Base units of the lock for the bonus pool
    /// @param client Who gets the client's part
    /// @return change Whether the bonus pool got something
    function slash(
        address agent,
        bytes32 escrowId,
        uint96 lockAmount,
        Outcome outcome,
        uint96 settledValue,
        uint96 toClient,
        uint96 toPool,
        address client
    ) external returns (PoolChange change);

    /// @notice Sends tokens that were sent here by mistake to `to`. Never USDC.
    ///
    /// Requirements: caller is the admin of Escrow (`Rescue_CallerNotAdmin`); another token than USDC
    /// (`Rescue_TokenInUse`).
    /// Emits {TokenRescued}.
    function rescueToken(address token_, address to, uint256 amount) external;

    /// @notice Stake of an agent.
    function stakeOf(address agent) external view returns (Stake memory);

    /// @notice Base units not locked by any escrow.
    function freeStake(address agent) external view returns (uint256);

    /// @notice Base units the agent has asked back.
    function unstakeRequest(address agent) external view returns (uint96);

    /// @notice Nonce the agent's next signed unstake request must carry.
    function unstakeNonce(address agent) external view returns (uint256);

    /// @notice Record of an agent from settled escrows. Its numbers stop at their type's maximum.
    function recordOf(address agent) external view returns (Record memory);

    /// @notice Base units available for success bonuses.
    function bonusPool() external view returns (uint256);

    /// @notice Base units an escrow over `amount` locks: 20%, rounded up.
    function requiredStake(uint96 amount) external pure returns (uint96);

    /// @notice The only contract that may lock, unlock and slash.
    function escrow() external view returns (address);

    /// @notice Seconds between asking for stake and getting it.
    function unbondingPeriod() external view returns (uint40);
}
