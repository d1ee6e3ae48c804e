// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrator} from "../interfaces/IArbitrator.sol";
import {DisputeStatus} from "../interfaces/IArbitrator.sol";
import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {Errors} from "../libraries/Errors.sol";
import {
    AppealState,
    ArbiterConfig,
    Ballot,
    BallotState,
    DisputePeriod,
    DisputeState,
    RoundState
} from "../types/DisputeTypes.sol";
import {JurorSession} from "./JurorSession.sol";

/// @title ArbiterCore
/// @notice Disputes, rounds, and what time does to them. See {IDisputeArbiter}.
///
/// @dev From Commit on a dispute moves by the clock: {_current} derives where it is from the stored slot, the tally and
/// the appeal funding, in views and calls alike, so nobody has to be awake. Parameters are immutables: no round can see
/// them change.
abstract contract ArbiterCore is
    IDisputeArbiter, // 5 inherited components
    JurorSession // 10 inherited components
{
    /// @dev Panels are 3, 7 and 15 seats.
    uint8 internal constant LAST_ROUND = 2;

    uint40 internal immutable _evidencePeriod;
    uint40 internal immutable _commitPeriod;
    uint40 internal immutable _revealPeriod;
    uint40 internal immutable _appealPeriod;

    /// @dev How long a round waits for a panel: whatever else holds the jurors is over by then.
    uint40 internal immutable _patience;

    /// @inheritdoc IDisputeArbiter
    uint96 public immutable override feePerSeat;

    /// @inheritdoc IDisputeArbiter
    uint96 public immutable override stakePerSeat;

    /// @inheritdoc IDisputeArbiter
    uint96 public immutable override incoherencePenalty;

    /// @inheritdoc IDisputeArbiter
    uint96 public immutable override leakShare;

    /// @inheritdoc IDisputeArbiter
    address public immutable override sink;

    /// @inheritdoc IDisputeArbiter
    uint256 public immutable override maxDuration;

    mapping(uint256 disputeID => DisputeState dispute) internal _disputes;

    /// @dev Rounds and what belongs to them are found by {_key}.
    mapping(uint256 key => RoundState round) internal _rounds;

    mapping(uint256 key => mapping(address juror => Ballot ballot)) internal _ballots;

    mapping(uint256 key => AppealState raised) internal _appeals;

    constructor(ArbiterConfig memory config) {
        // Check: a lost seat costs most, a wrong vote less, and reporting oneself never pays.
        uint96 penalty = uint96(uint256(config.stakePerSeat) * config.incoherenceBps / 10_000);
        uint96 share = uint96(uint256(config.stakePerSeat) * config.leakBps / 10_000);
        if (config.incoherenceBps > 10_000 || share >= penalty) revert Errors.Arbiter_InvalidConfig();
        // Check: what nobody earns has somewhere to go.
        if (config.sink == address(0)) revert Errors.Arbiter_InvalidConfig();
        // Check: jurors are paid, everybody has time, and amounts of a last round fit.
        if (config.feePerSeat == 0 || config.feePerSeat > type(uint64).max) revert Errors.Arbiter_InvalidConfig();
        if (config.commitPeriod == 0 || config.revealPeriod == 0 || config.appealPeriod < 2) {
            revert Errors.Arbiter_InvalidConfig();
        }
        (feePerSeat, stakePerSeat) = (config.feePerSeat, config.stakePerSeat);
        (incoherencePenalty, leakShare) = (penalty, share);
        sink = config.sink;
        _evidencePeriod = config.evidencePeriod;
        _commitPeriod = config.commitPeriod;
        _revealPeriod = config.revealPeriod;
        _appealPeriod = config.appealPeriod;
        // a round that just misses a session waits for the next one; a day for blocks and slow hands
        uint256 draws = 2 * (uint256(config.stakingPeriod) + config.randomnessTimeout + config.drawingPeriod);
        uint256 votes = uint256(config.commitPeriod) + config.revealPeriod;
        uint256 patience = draws + votes + config.appealPeriod;
        _patience = uint40(patience);
        uint256 rounds = 3 * (patience + draws + votes);
        maxDuration = config.evidencePeriod + rounds + 2 * uint256(config.appealPeriod) + 1 days;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function advance(uint256 disputeID) external override {
        DisputeState memory dispute = _current(disputeID);
        if (dispute.period == DisputePeriod.Evidence) {
            // Check: the time for evidence is over.
            if (block.timestamp < dispute.endsAt) _wrongPeriod(disputeID, dispute);
            _startRound(disputeID, dispute, 0);
            return;
        }
        // Check: time has done something that is not written down.
        if (dispute.period == _disputes[disputeID].period) {
            revert Errors.Arbiter_WrongPeriod(disputeID, dispute.period);
        }
        _write(disputeID, dispute);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IArbitrator
    function currentRuling(uint256 disputeID) external view override returns (uint256) {
        return _current(disputeID).ruling;
    }

    /// @inheritdoc IArbitrator
    function disputeStatus(uint256 disputeID) external view override returns (DisputeStatus) {
        DisputePeriod period = _current(disputeID).period;
        if (period == DisputePeriod.Solved) return DisputeStatus.Solved;
        return period == DisputePeriod.Appeal ? DisputeStatus.Appealable : DisputeStatus.Waiting;
    }

    /// @inheritdoc IArbitrator
    function appealPeriod(uint256 disputeID) external view override returns (uint256 start, uint256 end) {
        DisputeState memory dispute = _current(disputeID);
        if (dispute.period == DisputePeriod.Appeal) (start, end) = (dispute.endsAt - _appealPeriod, dispute.endsAt);
    }

    /// @inheritdoc IDisputeArbiter
    function disputeOf(uint256 disputeID) external view override returns (DisputeState memory) {
        return _current(disputeID);
    }

    /// @inheritdoc IDisputeArbiter
    function roundOf(uint256 disputeID, uint8 round) external view override returns (RoundState memory) {
        return _rounds[_key(disputeID, round)];
    }

    /// @inheritdoc IDisputeArbiter
    function ballotOf(uint256 disputeID, uint8 round, address juror)
        external
        view
        override
        returns (bytes25 commitment, uint8 seats, uint8 choice, BallotState state, bool settled)
    {
        Ballot storage ballot = _ballots[_key(disputeID, round)][juror];
        return (ballot.commitment, ballot.seats, ballot.choice, ballot.state, ballot.settled);
    }

    /// @inheritdoc IDisputeArbiter
    function appealOf(uint256 disputeID, uint8 round) external view override returns (uint96 first, uint96 second) {
        AppealState storage raised = _appeals[_key(disputeID, round)];
        return (raised.first, raised.second);
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev The dispute as time has made it.
    function _current(uint256 disputeID) internal view returns (DisputeState memory dispute) {
        dispute = _disputes[disputeID];
        // Check: the dispute exists.
        if (dispute.period == DisputePeriod.None) _wrongPeriod(disputeID, dispute);
        if (dispute.period == DisputePeriod.Commit && block.timestamp >= dispute.endsAt) {
            dispute.period = DisputePeriod.Reveal;
            dispute.endsAt += _revealPeriod;
        }
        if (dispute.period == DisputePeriod.Reveal && block.timestamp >= dispute.endsAt) {
            _tally(dispute, _rounds[_key(disputeID, dispute.round)], dispute.endsAt);
        }
        if (dispute.period == DisputePeriod.Appeal) _default(disputeID, dispute);
    }

    /// @dev As {_current}, for calls that belong to one period.
    function _inPeriod(uint256 disputeID, DisputePeriod period) internal view returns (DisputeState memory dispute) {
        dispute = _current(disputeID);
        if (dispute.period != period) _wrongPeriod(disputeID, dispute);
    }

    function _wrongPeriod(uint256 disputeID, DisputeState memory dispute) internal pure {
        revert Errors.Arbiter_WrongPeriod(disputeID, dispute.period);
    }

    /// @dev Ends Reveal at `endedAt`. A round without a vote decides nothing: what was ruled before stands.
    function _tally(DisputeState memory dispute, RoundState memory round, uint40 endedAt) internal view {
        bool voted = _revealed(round) != 0;
        if (voted) {
            // most votes win; a tie of any two leaders is 0
            uint8 verdict = round.first > round.second ? 1 : 2;
            uint8 most = verdict == 1 ? round.first : round.second;
            if (round.first == round.second || round.refused >= most) verdict = 0;
            dispute.verdict = verdict;
        }
        dispute.ruling = dispute.verdict;
        if (voted && dispute.round != LAST_ROUND) {
            dispute.period = DisputePeriod.Appeal;
            dispute.endsAt = endedAt + _appealPeriod;
        } else {
            dispute.period = DisputePeriod.Solved;
            dispute.endsAt = 0;
        }
    }

    /// @dev Writes the dispute and says what became of it.
    function _write(uint256 disputeID, DisputeState memory dispute) internal {
        // Effect: one slot.
        _disputes[disputeID] = dispute;
        emit NewPeriod({disputeID: disputeID, period: dispute.period});
        if (dispute.period == DisputePeriod.Appeal) {
            emit AppealPossible({disputeID: disputeID, arbitrable: dispute.arbitrable});
        }
    }

    /// @dev Sends a round to the queue for the draw.
    function _startRound(uint256 disputeID, DisputeState memory dispute, uint8 round) internal {
        // Effect: an empty round.
        RoundState storage fresh = _rounds[_key(disputeID, round)];
        fresh.seats = _seatsOf(round);
        fresh.session = _enqueue();
        // Effect: the dispute waits for its jurors.
        dispute.round = round;
        dispute.period = DisputePeriod.Drawing;
        dispute.endsAt = uint40(block.timestamp) + _patience;
        _write(disputeID, dispute);
    }

    /// @dev Base units `side` needs for the appeal against `round` with verdict `verdict`.
    function _required(uint8 round, uint8 verdict, uint8 side) internal view returns (uint96) {
        uint96 cost = _costOf(round + 1);
        unchecked {
            return side == verdict ? cost : 2 * cost;
        }
    }

    function _costOf(uint8 round) internal view returns (uint96) {
        // the fee is below 2^64
        unchecked {
            return feePerSeat * _seatsOf(round);
        }
    }

    /// @dev 3, 7, 15.
    function _seatsOf(uint8 round) internal pure returns (uint8) {
        unchecked {
            return uint8((uint256(4) << round) - 1);
        }
    }

    /// @dev Ids have 160 bits.
    function _key(uint256 disputeID, uint8 round) internal pure returns (uint256) {
        return disputeID << 8 | round;
    }

    function _revealed(RoundState memory round) internal pure returns (uint8) {
        // at most 15 seats
        unchecked {
            return round.refused + round.first + round.second;
        }
    }

    /// @dev Ends Appeal: at half time when nobody challenged the verdict, at the end for the unanswered side.
    function _default(uint256 disputeID, DisputeState memory dispute) private view {
        unchecked {
            if (block.timestamp < dispute.endsAt - _appealPeriod / 2) return;
        }
        AppealState storage raised = _appeals[_key(disputeID, dispute.round)];
        uint8 verdict = dispute.verdict;
        bool first = verdict != 1 && raised.first == _required(dispute.round, verdict, 1);
        bool second = verdict != 2 && raised.second == _required(dispute.round, verdict, 2);
        bool challenged = first || second;
        if (challenged && block.timestamp < dispute.endsAt) return;
        // both sides funded would have started a round, so at most one is
        if (challenged) dispute.ruling = first ? 1 : 2;
        dispute.period = DisputePeriod.Solved;
        dispute.endsAt = 0;
    }
}
