// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJurorLedger} from "../interfaces/IJurorLedger.sol";
import {IRandomness} from "../interfaces/IRandomness.sol";
import {Errors} from "../libraries/Errors.sol";
import {FutureBlock} from "../randomness/FutureBlock.sol";
import {SeededRandomness} from "../randomness/SeededRandomness.sol";
import {ArbiterConfig, SessionPhase} from "../types/DisputeTypes.sol";
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
        SessionPhase phase = session.phase;
        if (phase == SessionPhase.Staking) _generate();
        else if (phase == SessionPhase.Generating) _takeNumber();
        else if (_lasted(_drawingPeriod)) _close();
        else _notReady();
    }

    /// @dev Queues a round; returns the session it can be drawn in.
    function _enqueue() internal returns (uint32 number) {
        number = session.number;
        // Effect: in this session while its number is not asked for, else in the next.
        if (session.phase == SessionPhase.Staking) {
            ++session.waiting;
        } else {
            ++number;
            ++session.coming;
        }
    }

    /// @dev Takes a drawn round off the queue; the last one ends the session.
    function _dequeue() internal {
        if (--session.waiting == 0) _close();
    }

    /// @dev Calls `target` with `CALL_GAS`, as a view where it must not write, and reads one word of the answer.
    function _boundedCall(address target, bytes memory data, bool isView) internal returns (bool ok, uint256 word) {
        // Check: what is left gives the full stipend, after the 64th part the caller keeps, and lets the rest finish: a
        // starved call must not look like a failed one.
        uint256 need = CALL_GAS + CALL_GAS / 63 + 60_000;
        if (gasleft() < need) revert Errors.Arbiter_InsufficientGas(gasleft(), need);
        uint256 stipend = CALL_GAS;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            switch isView
            case 0 { ok := call(stipend, target, 0, add(data, 0x20), mload(data), 0x00, 0x20) }
            default { ok := staticcall(stipend, target, add(data, 0x20), mload(data), 0x00, 0x20) }
            word := mul(and(ok, gt(returndatasize(), 0x1f)), mload(0x00))
        }
    }

    function _generate() private {
        // Check: somebody waits, and stakes had their time.
        if (session.waiting == 0 || !_lasted(_stakingPeriod)) _notReady();
        // Effect: freeze the weights.
        _enter(SessionPhase.Generating);
        // Interaction: ask. The guard is held and the answer only tells which word to read later.
        (bool ok, uint256 id) = _boundedCall(randomness, abi.encodeCall(IRandomness.request, ()), false);
        // Effect: remember the request; a source that fails is replaced at once.
        _request = id;
        if (!ok) session.fallbackBlock = uint40(FutureBlock.choose());
    }

    function _takeNumber() private {
        uint256 random;
        uint64 chosen = session.fallbackBlock;
        if (chosen != 0) {
            random = uint256(chosen.hashOf());
        } else {
            // Interaction: read the answer.
            (, random) = _boundedCall(randomness, abi.encodeCall(IRandomness.result, (_request)), true);
        }
        if (random != 0) {
            // Effect: the number belongs to this session.
            _seed = uint256(keccak256(abi.encode(random, address(this), session.number)));
            _enter(SessionPhase.Drawing);
            return;
        }
        // Check: the source had its time, or the hash is forgotten.
        if (chosen == 0 ? !_lasted(_randomnessTimeout) : !chosen.missed()) _notReady();
        // Effect: name a block instead.
        session.fallbackBlock = uint40(FutureBlock.choose());
    }

    function _close() private {
        // Effect: what is not drawn waits for the next session together with what came later.
        session.waiting += session.coming;
        session.coming = 0;
        ++session.number;
        _enter(SessionPhase.Staking);
    }

    function _enter(SessionPhase phase) private {
        session.phase = phase;
        session.since = uint40(block.timestamp);
        session.fallbackBlock = 0;
        emit SessionAdvanced({number: session.number, phase: phase});
    }

    function _lasted(uint40 period) private view returns (bool) {
        return block.timestamp - session.since >= period;
    }
}
