// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../../contracts/interfaces/IDisputeArbiter.sol";
import {ArbiterConfig, BallotState} from "../../contracts/types/DisputeTypes.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice A vote is shown only by opening the juror's own commitment, from any state of dispute, round and ballot.
contract ArbiterProofs is Proof {
    bytes32 private constant VOTE_TYPEHASH =
        keccak256("Vote(uint256 disputeId,uint8 round,address juror,uint8 choice,bytes32 salt)");

    IDisputeArbiter private _arbiter;
    bytes32 private _domain;

    function setUp() public {
        ArbiterConfig memory config = ArbiterConfig({
            token: _token,
            admin: ADMIN,
            guardian: GUARDIAN,
            sink: TREASURY,
            randomness: address(0xDA7A),
            seeder: address(0),
            feePerSeat: 1e6,
            stakePerSeat: 10e6,
            minStake: 20e6,
            incoherenceBps: 3000,
            leakBps: 1000,
            evidencePeriod: 1 days,
            commitPeriod: 1 days,
            revealPeriod: 1 days,
            appealPeriod: 2 days,
            unbondingPeriod: 7 days,
            stakingPeriod: 1 hours,
            randomnessTimeout: 1 hours,
            drawingPeriod: 6 hours
        });
        address made = deploy("DisputeArbiter", abi.encode(config));
        _arbiter = IDisputeArbiter(made);
        (bool ok, bytes memory answer) = made.staticcall(abi.encodeWithSignature("domainSeparator()"));
        assert(ok);
        _domain = abi.decode(answer, (bytes32));
        SVM.enableSymbolicStorage(made);
    }

    /// @notice A commitment copied from another juror, dispute or round reveals nothing: what opens a ballot is the digest
    /// that names all three.
    function check_reveal_opens_the_jurors_own_commitment(
        uint256 id,
        address juror,
        uint8 choice,
        bytes32 salt,
        address caller,
        uint40 time
    ) public {
        VM.warp(time);
        uint8 round = _arbiter.disputeOf(id).round;
        (bytes25 commitment,,, BallotState state,) = _arbiter.ballotOf(id, round, juror);
        VM.prank(caller);
        _arbiter.reveal(id, juror, choice, salt);
        assert(state == BallotState.Committed && choice <= 2);
        assert(commitment == bytes25(_digest(id, round, juror, choice, salt)));
    }

    /// @notice A leak is reported only by who knows the vote, by the same digest.
    function check_leak_opens_the_jurors_own_commitment(
        uint256 id,
        address juror,
        uint8 choice,
        bytes32 salt,
        address caller,
        uint40 time
    ) public {
        VM.warp(time);
        uint8 round = _arbiter.disputeOf(id).round;
        (bytes25 commitment,,, BallotState state,) = _arbiter.ballotOf(id, round, juror);
        VM.prank(caller);
        _arbiter.reportLeak(id, juror, choice, salt);
        assert(state == BallotState.Committed && choice <= 2);
        assert(commitment == bytes25(_digest(id, round, juror, choice, salt)));
    }

    /// @notice The first commitment stands: committing again reverts, whoever tries for whomever.
    function check_first_commitment_stands(uint256 id, uint40 time, address caller, bytes32 commitment) public {
        VM.warp(time);
        uint8 round = _arbiter.disputeOf(id).round;
        (, uint8 seats,, BallotState state,) = _arbiter.ballotOf(id, round, caller);
        VM.prank(caller);
        _arbiter.commit(id, commitment);
        assert(state == BallotState.None && seats != 0);
        (bytes25 kept,,, BallotState later,) = _arbiter.ballotOf(id, round, caller);
        assert(kept == bytes25(commitment) && later == BallotState.Committed);
    }

    function _digest(uint256 id, uint8 round, address juror, uint8 choice, bytes32 salt)
        private
        view
        returns (bytes32)
    {
        bytes32 vote = keccak256(abi.encode(VOTE_TYPEHASH, id, round, juror, choice, salt));
        return keccak256(abi.encodePacked(hex"1901", _domain, vote));
    }
}
