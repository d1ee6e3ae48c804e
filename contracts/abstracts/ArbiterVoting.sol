// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {Errors} from "../libraries/Errors.sol";
import {Ballot, BallotState, DisputePeriod, DisputeState, Juror, RoundState} from "../types/DisputeTypes.sol";
import {ArbiterDrawing} from "./ArbiterDrawing.sol";

/// @title ArbiterVoting
/// @notice Votes, and what they earn or cost. See {IDisputeArbiter}.
///
/// @dev The pot of a round is its fee and the stake of its seats, less what reporters of leaks got at once. What each
/// juror gets out of it follows from the tally and the final verdict alone, so jurors are settled in any order, one by
/// one, and {sweep} takes exactly the rest. A wrong vote is one against a verdict of 1 or 2; a verdict of 0 makes
/// nobody wrong and pays everybody who voted.
abstract contract ArbiterVoting is
    ArbiterDrawing // 13 inherited components
{
    bytes32 private constant VOTE_TYPEHASH =
        keccak256("Vote(uint256 disputeId,uint8 round,address juror,uint8 choice,bytes32 salt)");
    bytes32 private constant COMMIT_TYPEHASH = keccak256("Commit(uint256 disputeId,uint8 round,bytes32 commitment)");

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function commit(uint256 disputeID, bytes32 commitment) external override {
        _commit(disputeID, _inPeriod(disputeID, DisputePeriod.Commit), msg.sender, commitment);
    }

    /// @inheritdoc IDisputeArbiter
    function commitWithSignature(uint256 disputeID, address juror, bytes32 commitment, bytes calldata signature)
        external
        override
    {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Commit);
        _requireSigned(juror, keccak256(abi.encode(COMMIT_TYPEHASH, disputeID, dispute.round, commitment)), signature);
        _commit(disputeID, dispute, juror, commitment);
    }

    /// @inheritdoc IDisputeArbiter
    function reveal(uint256 disputeID, address juror, uint8 choice, bytes32 salt) external override {
        // Check: it is time for votes, and this one was committed to.
        (bool isOpen, uint8 number) = _revealing(_disputes[disputeID]);
        if (!isOpen) _wrongPeriod(disputeID, _current(disputeID));
        (Ballot storage ballot, uint8 seats) = _opened(disputeID, number, juror, choice, salt);
        // Effect: the vote is shown.
        _show(ballot, choice);
        // Effect: it counts once for each seat.
        bool isLast = _count(_rounds[_key(disputeID, number)], choice, seats);
        emit VoteCast({disputeID: disputeID, juror: juror, choice: choice, seats: seats});
        // Effect: the last vote ends the period.
        if (isLast) _endReveal(disputeID);
    }

    /// @inheritdoc IDisputeArbiter
    function reportLeak(uint256 disputeID, address juror, uint8 choice, bytes32 salt) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Commit);
        (Ballot storage ballot, uint8 seats) = _opened(disputeID, dispute.round, juror, choice, salt);
        // Effect: the vote is void.
        ballot.state = BallotState.Leaked;
        ballot.settled = true;
        _rounds[_key(disputeID, dispute.round)].leaked += seats;
        // Effect: the stake stays in the pot of the round, less the share.
        unchecked {
            jurorOf[juror].locked -= stakePerSeat * seats;
            session.seated -= seats;
        }
        _sync(juror);
        uint96 share = leakShare * seats;
        _credit(msg.sender, share);
        emit LeakReported({disputeID: disputeID, juror: juror, reporter: msg.sender, share: share});
    }

    /// @inheritdoc IDisputeArbiter
    function claim(uint256 disputeID, uint8 number, address account) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Solved);
        Ballot storage ballot = _ballots[_key(disputeID, number)][account];
        (uint96 seats, BallotState state, uint8 choice) = (ballot.seats, ballot.state, ballot.choice);
        // Check: there are seats that were not settled.
        if (seats == 0 || ballot.settled) revert Errors.Arbiter_NothingDue(disputeID);
        // Effect: settle them once.
        ballot.settled = true;
        uint8 verdict = dispute.verdict;
        bool shown = state == BallotState.Revealed;
        uint96 reward;
        if (shown && (verdict == 0 || choice == verdict)) {
            (uint256 each,) = _shares(number, _rounds[_key(disputeID, number)], verdict);
            reward = uint96(each * seats);
        }
        bool wrong = shown && verdict != 0 && choice != 0 && choice != verdict;
        uint96 penalty = wrong ? incoherencePenalty : shown ? 0 : stakePerSeat;
        uint96 returned = (stakePerSeat - penalty) * seats;
        // Effect: free the stake, less the penalty, and pay.
        Juror storage juror = jurorOf[account];
        unchecked {
            // the seats put exactly this at risk
            juror.locked -= stakePerSeat * seats;
            juror.free += returned;
            session.seated -= uint32(seats);
        }
        _sync(account);
        _credit(account, reward);
        emit BallotSettled({disputeID: disputeID, round: number, juror: account, returned: returned, reward: reward});
    }

    /// @inheritdoc IDisputeArbiter
    function sweep(uint256 disputeID, uint8 number) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Solved);
        RoundState memory round = _rounds[_key(disputeID, number)];
        // Check: there was such a round, and it was not swept.
        if (round.seats == 0 || round.swept) revert Errors.Arbiter_NothingDue(disputeID);
        // Effect: pass the rest on.
        _rounds[_key(disputeID, number)].swept = true;
        (, uint256 rest) = _shares(number, round, dispute.verdict);
        _credit(sink, rest);
        emit RoundSwept({disputeID: disputeID, round: number, amount: uint96(rest)});
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    function _commit(uint256 disputeID, DisputeState memory dispute, address juror, bytes32 commitment) private {
        Ballot storage ballot = _ballots[_key(disputeID, dispute.round)][juror];
        uint8 seats = ballot.seats;
        // Check: the juror has a seat and has not committed: the first commitment stands.
        if (seats == 0 || ballot.state != BallotState.None) revert Errors.Arbiter_NoBallot(disputeID, juror);
        // Check: there is a commitment.
        if (bytes25(commitment) == bytes25(0)) revert Errors.Arbiter_InvalidVote(disputeID, juror);
        // Effect: keep it in the juror's slot.
        ballot.commitment = bytes25(commitment);
        ballot.state = BallotState.Committed;
        RoundState storage round = _rounds[_key(disputeID, dispute.round)];
        uint8 committed = round.committed + seats;
        round.committed = committed;
        emit CommitCast({disputeID: disputeID, juror: juror, commitment: commitment});
        // Effect: the last commitment ends the period.
        if (committed != round.drawn) return;
        dispute.period = DisputePeriod.Reveal;
        dispute.endsAt = uint40(block.timestamp) + _revealPeriod;
        _write(disputeID, dispute);
    }

    /// @dev Whether votes may be shown, be the period written down or begun by the clock, and the round. Reads one slot
    /// and copies nothing.
    function _revealing(DisputeState storage dispute) private view returns (bool isOpen, uint8 number) {
        (DisputePeriod period, uint40 endsAt) = (dispute.period, dispute.endsAt);
        number = dispute.round;
        if (period == DisputePeriod.Commit && block.timestamp >= endsAt) {
            isOpen = block.timestamp < uint256(endsAt) + _revealPeriod;
        } else {
            isOpen = period == DisputePeriod.Reveal && block.timestamp < endsAt;
        }
    }

    /// @dev Writes choice and state of a committed ballot, whose choice is 0 and whose next state is Revealed, at once.
    function _show(Ballot storage ballot, uint8 choice) private {
        assembly ("memory-safe") {
            // from the low end: commitment 200 bits, seats 8, choice 8, state 8
            sstore(ballot.slot, add(sload(ballot.slot), or(shl(208, and(choice, 0xff)), shl(216, 1))))
        }
    }

    /// @dev Adds a vote; returns whether it was the last that can come. The tally cannot overflow: 15 seats at most.
    function _count(RoundState storage round, uint8 choice, uint8 seats) private returns (bool isLast) {
        assembly ("memory-safe") {
            // from bit 48, 8 bits each: committed, refused, first, second, leaked
            let word := add(sload(round.slot), shl(add(56, shl(3, and(choice, 0xff))), and(seats, 0xff)))
            sstore(round.slot, word)
            // the product's fourth byte is the sum of the four counters
            let done := byte(28, mul(and(shr(56, word), 0xffffffff), 0x01010101))
            isLast := eq(done, and(shr(48, word), 0xff))
        }
    }

    /// @dev Ends Reveal now.
    function _endReveal(uint256 disputeID) private {
        DisputeState memory dispute = _disputes[disputeID];
        _tally(dispute, _rounds[_key(disputeID, dispute.round)], uint40(block.timestamp));
        _write(disputeID, dispute);
    }

    /// @dev The committed ballot that choice and salt open, and its seats.
    function _opened(uint256 disputeID, uint8 round, address juror, uint8 choice, bytes32 salt)
        private
        view
        returns (Ballot storage ballot, uint8 seats)
    {
        ballot = _ballots[_key(disputeID, round)][juror];
        seats = ballot.seats;
        // Check: it is committed and neither revealed nor leaked.
        if (ballot.state != BallotState.Committed) revert Errors.Arbiter_NoBallot(disputeID, juror);
        // Check: the choice exists, and the commitment was made of it for this dispute, round and juror.
        bytes32 digest = _hashTypedDataV4(_vote(disputeID, round, juror, choice, salt));
        if (choice > 2 || bytes25(digest) != ballot.commitment) revert Errors.Arbiter_InvalidVote(disputeID, juror);
    }

    /// @dev Struct hash of `Vote`, in memory that is left free.
    function _vote(uint256 disputeID, uint256 round, address juror, uint256 choice, bytes32 salt)
        private
        pure
        returns (bytes32 result)
    {
        bytes32 typehash = VOTE_TYPEHASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore(pointer, typehash)
            mstore(add(pointer, 0x20), disputeID)
            mstore(add(pointer, 0x40), round)
            mstore(add(pointer, 0x60), shr(96, shl(96, juror)))
            mstore(add(pointer, 0x80), choice)
            mstore(add(pointer, 0xa0), salt)
            result := keccak256(pointer, 0xc0)
        }
    }

    /// @dev What each coherent seat gets of fee and penalties, and what is left: everything if there is none, else the
    /// rounding.
    function _shares(uint8 number, RoundState memory round, uint8 verdict)
        private
        view
        returns (uint256 each, uint256 rest)
    {
        // tally and stakes are bounded by 15 seats of backed amounts
        unchecked {
            uint256 shown = _revealed(round);
            uint256 coherent = verdict == 0 ? shown : verdict == 1 ? round.first : round.second;
            uint256 wrong = verdict == 0 ? 0 : shown - coherent - round.refused;
            uint256 silent = round.drawn - shown - round.leaked;
            rest = _costOf(number) + wrong * incoherencePenalty + silent * stakePerSeat + round.leaked
                * uint256(stakePerSeat - leakShare);
            if (coherent != 0) {
                each = rest / coherent;
                rest -= each * coherent;
            }
        }
    }
}
