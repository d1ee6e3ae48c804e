// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../../../contracts/interfaces/IDisputeArbiter.sol";
import {HostileArbitrable} from "../../../contracts/mocks/HostileArbitrable.sol";
import {HostileRandomness} from "../../../contracts/mocks/HostileRandomness.sol";
import {MockUSDC} from "../../../contracts/mocks/MockUSDC.sol";
import {ArbiterConfig, BallotState, DisputePeriod, SessionPhase} from "../../../contracts/types/DisputeTypes.sol";
import {Committed} from "./Committed.sol";
import {Vm} from "./Vm.sol";

interface VmBlocks {
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function roll(uint256 number) external;
}

/// @notice An arbiter with jurors, and the steps of a dispute.
abstract contract ArbiterBase {
    Vm internal constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint96 internal constant FEE = 1e6;
    uint96 internal constant STAKE = 10e6;
    uint96 internal constant WRONG = 3e6;
    uint96 internal constant LEAK = 1e6;
    address internal constant SINK = address(0x51);
    address internal constant GUARDIAN = address(0x6D);
    VmBlocks internal constant CHAIN = VmBlocks(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant VOTE_TYPEHASH =
        keccak256("Vote(uint256 disputeId,uint8 round,address juror,uint8 choice,bytes32 salt)");

    MockUSDC internal usdc;
    IDisputeArbiter internal arbiter;
    HostileRandomness internal source;
    HostileArbitrable internal asker;

    error Unequal(string what, uint256 left, uint256 right);
    error Untrue(string what);

    constructor() {
        VM.warp(1_800_000_000);
        usdc = MockUSDC(Committed.deploy("MockUSDC", abi.encode(address(this))));
        source = new HostileRandomness();
        source.behave(0, 7);
        arbiter = IDisputeArbiter(Committed.deploy("DisputeArbiter", abi.encode(config())));
        asker = new HostileArbitrable(arbiter);
        usdc.mint(address(asker), 1e12);
    }

    function config() internal view returns (ArbiterConfig memory) {
        return ArbiterConfig({
            token: address(usdc),
            admin: address(0xAD),
            guardian: GUARDIAN,
            sink: SINK,
            randomness: address(source),
            seeder: address(0),
            feePerSeat: FEE,
            stakePerSeat: STAKE,
            minStake: 2 * STAKE,
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
    }

    function juror(uint256 index) internal pure returns (address) {
        return address(uint160(0x1A000 + index));
    }

    function party(uint256 side) internal pure returns (address) {
        return address(uint160(0x9A000 + side));
    }

    function extra(uint256 topic) internal pure returns (bytes memory) {
        return abi.encode(bytes32(topic), party(1), party(2), address(0));
    }

    function give(address account, uint256 amount) internal {
        usdc.mint(account, amount);
        VM.prank(account);
        usdc.approve(address(arbiter), type(uint256).max);
    }

    function staked(uint256 count, uint96 amount) internal {
        for (uint256 i = 0; i < count; ++i) {
            give(juror(i), amount);
            VM.prank(juror(i));
            arbiter.stake(amount);
        }
    }

    /// @dev Leaves the dispute in Commit with as many seats as can be had.
    function drawn(uint256 topic) internal returns (uint256 id) {
        id = asker.ask(extra(topic));
        later(1 days);
        arbiter.advance(id);
        draw(id, topic);
    }

    function draw(uint256 id, uint256 topic) internal {
        later(1 hours);
        arbiter.advanceSession();
        arbiter.advanceSession();
        arbiter.draw(id, extra(topic), 15);
    }

    function digest(uint256 id, uint8 round, address account, uint8 choice) internal view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(VOTE_TYPEHASH, id, round, account, choice, SALT));
        return keccak256(abi.encodePacked(hex"1901", arbiter.domainSeparator(), structHash));
    }

    /// @dev Commits and reveals; the seat decides the choice, a choice above 2 means silence.
    function vote(uint256 id, uint8[15] memory choices) internal {
        uint8 round = arbiter.disputeOf(id).round;
        address[] memory panel = arbiter.panelOf(id, round);
        for (uint256 i = 0; i < panel.length; ++i) {
            if (choices[i] > 2 || _state(id, round, panel[i]) != 0) continue;
            commit(id, round, panel[i], choices[i]);
        }
        if (arbiter.disputeOf(id).period == DisputePeriod.Commit) VM.warp(arbiter.disputeOf(id).endsAt);
        for (uint256 i = 0; i < panel.length; ++i) {
            if (_state(id, round, panel[i]) == 1) arbiter.reveal(id, panel[i], choices[i], SALT);
        }
        if (arbiter.disputeOf(id).period == DisputePeriod.Reveal) VM.warp(arbiter.disputeOf(id).endsAt);
    }

    function commit(uint256 id, uint8 round, address account, uint8 choice) internal {
        bytes32 commitment = digest(id, round, account, choice);
        VM.prank(account);
        arbiter.commit(id, commitment);
    }

    /// @dev Asks the cheat code: the optimizer takes the time for constant within a call.
    function later(uint256 time) internal {
        VM.warp(CHAIN.getBlockTimestamp() + time);
    }

    function blocks(uint256 count) internal {
        CHAIN.roll(CHAIN.getBlockNumber() + count);
    }

    function all(uint8 choice) internal pure returns (uint8[15] memory choices) {
        for (uint256 i = 0; i < 15; ++i) {
            choices[i] = choice;
        }
    }

    function period(uint256 id) internal view returns (uint256) {
        return uint256(arbiter.disputeOf(id).period);
    }

    function phase() internal view returns (SessionPhase now_) {
        (, now_,,,,,,) = arbiter.session();
    }

    /// @dev 0 drawn, 1 committed, 2 revealed, 3 leaked.
    function _state(uint256 id, uint8 round, address account) internal view returns (uint256) {
        (,,, BallotState state,) = arbiter.ballotOf(id, round, account);
        return uint256(state);
    }

    function equal(string memory what, uint256 left, uint256 right) internal pure {
        if (left != right) revert Unequal(what, left, right);
    }

    function check(string memory what, bool condition) internal pure {
        if (!condition) revert Untrue(what);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
