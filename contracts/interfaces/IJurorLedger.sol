// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SessionPhase} from "../types/DisputeTypes.sol";
import {IGuardedInflow} from "./IGuardedInflow.sol";
import {ILedger} from "./ILedger.sol";

/// @title IJurorLedger
/// @notice Stakes of jurors, their weights in the draw, and the session of drawings that all disputes share.
interface IJurorLedger is ILedger, IGuardedInflow {
    /// @notice `amount` base units were added; `staked` is the new total, what is at risk included.
    event JurorStaked(address indexed juror, uint96 amount, uint96 staked);

    /// @notice The juror asked for `amount` base units, payable from `unbondAt`; 0 takes an earlier request back.
    event JurorUnstakeRequested(address indexed juror, uint96 amount, uint40 unbondAt);

    /// @notice `amount` base units went back to the juror.
    event JurorUnstaked(address indexed juror, uint96 amount);

    /// @notice The juror is drawn with `weight` base units from now on.
    event JurorWeighted(address indexed juror, uint96 weight);

    /// @notice The session of drawings moved on.
    event SessionAdvanced(uint32 indexed number, SessionPhase phase);

    /// @notice Adds `amount` base units of the caller to his stake (needs an allowance).
    ///
    /// Requirements: amount > 0 (`Arbiter_AmountZero`); inflows open (`Guarded_InflowsPaused`).
    /// Emits {JurorStaked}, and {JurorWeighted} when weights are not frozen.
    function stake(uint96 amount) external;

    /// @notice Adds stake by the juror's ERC-3009 `ReceiveWithAuthorization` with
    /// nonce = keccak256(abi.encode(juror, salt)). Anyone may send it.
    ///
    /// Requirements: as {stake}; the token's own checks of window, nonce and signature.
    /// Emits as {stake}.
    function stakeWithAuthorization(
        address juror,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external;

    /// @notice Asks for `amount` base units of the caller's stake; replaces an open request, 0 only takes it back.
    /// What is asked for leaves the weight as soon as weights are not frozen.
    ///
    /// Requirements: not above the stake (`Arbiter_InsufficientStake`).
    /// Emits {JurorUnstakeRequested}, and {JurorWeighted} when weights are not frozen.
    function requestUnstake(uint96 amount) external;

    /// @notice As {requestUnstake}, by the juror's signature of `Unstake(agent,amount,nonce,validUntil)`.
    ///
    /// Requirements: now <= validUntil (`Arbiter_SignatureExpired`); `Arbiter_InvalidSignature`.
    /// Emits as {requestUnstake}.
    function requestUnstakeWithSignature(address juror, uint96 amount, uint40 validUntil, bytes calldata signature)
        external;

    /// @notice Pays the requested stake to the juror, as far as it is not at risk, and ends the request. Anyone may
    /// call.
    ///
    /// Requirements: a request whose time has come (`Arbiter_Unbonding`); weights not frozen
    /// (`Arbiter_SessionNotReady`), which ends by itself; something not at risk (`Arbiter_InsufficientStake`).
    /// Emits {JurorUnstaked}.
    function completeUnstake(address juror) external;

    /// @notice Brings the juror's weight up to date after a change that came while weights were frozen. Anyone may
    /// call.
    ///
    /// Requirements: weights not frozen (`Arbiter_SessionNotReady`).
    /// Emits {JurorWeighted} if it changes.
    function syncWeight(address juror) external;

    /// @notice Moves the session on: asks for a random number when rounds wait and the staking period is over; takes
    /// the number; replaces a silent source by the hash of a future block; ends a session nobody draws in. Anyone may
    /// call.
    ///
    /// Requirements: the next step is possible (`Arbiter_SessionNotReady`); enough gas for the source
    /// (`Arbiter_InsufficientGas`).
    /// Emits {SessionAdvanced}.
    function advanceSession() external;

    /// @notice Stake of a juror; the fields are those of `Juror`.
    function jurorOf(address juror)
        external
        view
        returns (uint96 free, uint96 locked, uint32 leaf, uint96 weight, uint96 requested, uint40 unbondAt);

    /// @notice Nonce the juror's next signed unstake request must carry.
    function unstakeNonce(address juror) external view returns (uint256);

    /// @notice The session of drawings; the fields are those of `Session`.
    function session()
        external
        view
        returns (
            uint32 number,
            SessionPhase phase,
            uint40 since,
            uint32 waiting,
            uint32 coming,
            uint32 jurors,
            uint32 seated,
            uint40 fallbackBlock
        );

    /// @notice Sum of all weights in base units.
    function totalWeight() external view returns (uint256);

    /// @notice Source of random numbers.
    function randomness() external view returns (address);
}
