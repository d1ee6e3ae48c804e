// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJurorLedger} from "../interfaces/IJurorLedger.sol";
import {IRandomness} from "../interfaces/IRandomness.sol";
import {Errors} from "../libraries/Errors.sol";
import {FutureBlock} from "../randomness/FutureBlock.sol";
import {SeededRandomness} from "../randomness/SeededRandomness.sol";
import {ArbiterConfig, Session, SessionPhase} from "../types/DisputeTypes.sol";
import {JurorLedger} from "./JurorLedger.sol";

/// @title JurorSession
/// @notice One random number for all rounds that wait, and the freeze of weights around it. See {IJurorLedger}.
///
/// ```
///  Staking --rounds wait, stakingPeriod over--> Generating --number--> Drawing --last seat, or drawingPeriod over--+
///     ^                                           |    ^                                                            |
///     |                 source silent: a future block's hash instead                                                |
///     +-------------------------------------------------------------------------------------------------------------+
/// ```
///
/// @dev The source is called with fixed gas and believed in nothing but one word. Once its time is up it is not asked
/// again, so a late answer cannot compete with a block hash that is already known.
abstract contract JurorSession is
    JurorLedger // 9 inherited components
{
    using FutureBlock for uint64;

    /// @dev Gas a called contract is entitled to; a call with less left reverts whole.
    uint256 private constant CALL_GAS = 300_000;

    uint40 internal immutable _stakingPeriod;
    uint40 internal immutable _randomnessTimeout;
    uint40 internal immutable _drawingPeriod;

    /// @inheritdoc IJurorLedger
    address public immutable override randomness;

    /// @dev Random number of the session in phase Drawing.
    uint256 internal _seed;

    /// @dev Request under way.
    uint256 private _request;

    constructor(ArbiterConfig memory config) {
        // Check: the source, and everybody after it, has time.
        if (config.randomnessTimeout < 2 || config.drawingPeriod == 0) revert Errors.Arbiter_InvalidConfig();
        _stakingPeriod = config.stakingPeriod;
        _randomnessTimeout = config.randomnessTimeout;
        _drawingPeriod = config.drawingPeriod;
        randomness = config.randomness != address(0)
            ? config.randomness
            : address(new SeededRandomness(address(this), config.seeder, config.randomnessTimeout / 2));
    }

    /// @inheritdoc IJurorLedger
    function advanceSession() external override nonReentrant {
        Session memory current = _session;
        if (current.phase == SessionPhase.Staking) _generate(current);
        else if (current.phase == SessionPhase.Generating) _takeNumber(current);
        else if (block.timestamp >= current.since + _drawingPeriod) _close(current);
        else revert Errors.Arbiter_SessionNotReady(current.phase);
    }

    /// @dev Queues a round; returns the session it can be drawn in.
    function _enqueue() internal returns (uint32 number) {
        Session memory current = _session;
        number = current.number;
        if (current.phase == SessionPhase.Staking) {
            ++current.waiting;
        } else {
            ++number;
            ++current.coming;
        }
        // Effect: one slot.
        _session = current;
    }

    /// @dev Takes a drawn round off the queue; the last one ends the session.
    function _dequeue() internal {
        Session memory current = _session;
        if (--current.waiting == 0) _close(current);
        else _session = current;
    }

    /// @dev Calls `target` with `CALL_GAS` and reads at most one word of the answer.
    function _boundedCall(address target, bytes memory data) internal returns (bool ok, uint256 word) {
        _requireCallGas();
        uint256 stipend = CALL_GAS;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            ok := call(stipend, target, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            word := mul(and(ok, gt(returndatasize(), 0x1f)), mload(0x00))
        }
    }

    /// @dev As {_boundedCall} for a view; 0 after a failure.
    function _boundedRead(address target, bytes memory data) private view returns (uint256 word) {
        _requireCallGas();
        uint256 stipend = CALL_GAS;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            let ok := staticcall(stipend, target, add(data, 0x20), mload(data), 0x00, 0x20)
            word := mul(and(ok, gt(returndatasize(), 0x1f)), mload(0x00))
        }
    }

    /// @dev A starved call must not look like a failed one.
    function _requireCallGas() private view {
        // Check: what is left gives the full stipend, after the 64th part the caller keeps, and lets the rest finish.
        uint256 need = CALL_GAS + CALL_GAS / 63 + 60_000;
        if (gasleft() < need) revert Errors.Arbiter_InsufficientGas(gasleft(), need);
    }

    function _generate(Session memory current) private {
        // Check: somebody waits, and stakes had their time.
        if (current.waiting == 0 || block.timestamp < current.since + _stakingPeriod) {
            revert Errors.Arbiter_SessionNotReady(current.phase);
        }
        // Effect: freeze the weights.
        _enter(current, SessionPhase.Generating);
        // Interaction: ask. The guard is held and the answer only tells which word to read later.
        (bool ok, uint256 id) = _boundedCall(randomness, abi.encodeCall(IRandomness.request, ()));
        // Effect: remember the request; a source that fails is replaced at once.
        _request = id;
        if (!ok) _session.fallbackBlock = FutureBlock.choose();
    }

    function _takeNumber(Session memory current) private {
        uint256 random;
        uint64 chosen = current.fallbackBlock;
        if (chosen != 0) {
            random = uint256(chosen.hashOf());
        } else {
            // Interaction: read the answer.
            random = _boundedRead(randomness, abi.encodeCall(IRandomness.result, (_request)));
        }
        if (random != 0) {
            // Effect: the number belongs to this session.
            _seed = uint256(keccak256(abi.encode(random, address(this), current.number)));
            _enter(current, SessionPhase.Drawing);
            return;
        }
        // Check: the source had its time, or the hash is forgotten.
        bool late = chosen == 0 ? block.timestamp >= current.since + _randomnessTimeout : chosen.missed();
        if (!late) revert Errors.Arbiter_SessionNotReady(current.phase);
        // Effect: name a block instead.
        _session.fallbackBlock = FutureBlock.choose();
    }

    function _close(Session memory current) private {
        // Effect: what is not drawn waits for the next session together with what came later.
        current.waiting += current.coming;
        current.coming = 0;
        ++current.number;
        _enter(current, SessionPhase.Staking);
    }

    function _enter(Session memory current, SessionPhase phase) private {
        current.phase = phase;
        current.since = uint40(block.timestamp);
        current.fallbackBlock = 0;
        _session = current;
        emit SessionAdvanced({number: current.number, phase: phase});
    }
}
