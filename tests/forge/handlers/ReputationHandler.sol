// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../../../contracts/interfaces/IReputation.sol";
import {StakeMath} from "../../../contracts/libraries/StakeMath.sol";
import {MockUSDC} from "../../../contracts/mocks/MockUSDC.sol";
import {Outcome} from "../../../contracts/types/EscrowTypes.sol";
import {Stake} from "../../../contracts/types/StakeTypes.sol";
import {StakeBase} from "../utils/StakeBase.sol";

/// @notice Random lives of stakes and epochs, with the handler as Escrow and as owner of the token. Calls that revert
/// are part of the game. What no state shows afterwards is watched here and remembered in `sound`.
contract ReputationHandler is StakeBase {
    struct Job {
        address agent;
        uint96 price;
        bool open;
    }

    uint256 public constant AGENTS = 3;

    /// @notice False once something happened that must not.
    bool public sound = true;

    /// @notice Tokens sent to Reputation past all functions.
    uint256 public donated;

    /// @notice Newest epoch seen and the roots of epochs once seen active.
    uint64 public seenEpoch;
    mapping(uint64 epoch => bytes32 root) public activeRoot;
    mapping(uint64 epoch => bool vetoed) public vetoed;

    /// @notice Outcomes reported by agent.
    mapping(address agent => uint256 count) public completed;
    mapping(address agent => uint256 count) public failed;
    mapping(address agent => uint256 count) public disputed;
    mapping(address agent => uint256 count) public lost;

    Job[] private _jobs;

    constructor() {
        for (uint256 i = 0; i < AGENTS; ++i) {
            give(agentAt(i), 1e13);
        }
        give(BUYER, 1e13);
        for (uint256 i = 0; i < AGENTS; ++i) {
            CHEAT.prank(agentAt(i));
            reputation.stake(1e9);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                  ACTIONS: STAKES
    ////////////////////////////////////////////////////////////////////////*/

    function stake(uint256 who, uint96 amount) external {
        CHEAT.prank(agentAt(who));
        reputation.stake(uint96(bound(amount, 1, 1e9)));
    }

    function requestUnstake(uint256 who, uint96 amount) external {
        address agent = agentAt(who);
        // Restarting every wait would leave none to come to its end.
        if (reputation.stakeOf(agent).unbondAt != 0 && amount % 4 != 0) return;
        uint256 staked = reputation.stakeOf(agent).staked;
        CHEAT.prank(agent);
        // Now and then more than there is.
        reputation.requestUnstake(uint96(bound(amount, 1, staked + staked / 8 + 1)));
    }

    function completeUnstake(uint256 who) external {
        address agent = _ripe(who);
        Stake memory before = reputation.stakeOf(agent);
        uint96 asked = reputation.unstakeRequest(agent);
        uint256 wallet = usdc.balanceOf(agent);
        reputation.completeUnstake(agent);
        uint256 paid = usdc.balanceOf(agent) - wallet;
        Stake memory afterwards = reputation.stakeOf(agent);
        if (before.unbondAt == 0 || block.timestamp < before.unbondAt) sound = false;
        if (paid == 0 || paid > asked || before.staked - afterwards.staked != paid) sound = false;
        if (afterwards.locked != before.locked || afterwards.staked < before.locked) sound = false;
    }

    function fundBonusPool(uint96 amount) external {
        CHEAT.prank(BUYER);
        reputation.fundBonusPool(uint96(bound(amount, 1, 1e7)));
    }

    function withdraw(uint256 who, uint96 amount) external {
        address account = _creditor(who);
        uint256 balance = reputation.balanceOf(account);
        CHEAT.prank(account);
        // Now and then more than there is.
        reputation.withdraw(uint96(bound(amount, 1, balance + balance / 8 + 1)));
    }

    function donate(uint96 amount) external {
        uint256 gift = bound(amount, 1, 1e6);
        usdc.mint(address(reputation), gift);
        donated += gift;
    }

    /*////////////////////////////////////////////////////////////////////////
                                  ACTIONS: ESCROW
    ////////////////////////////////////////////////////////////////////////*/

    function lock(uint256 who, uint96 price) external {
        Job memory job = Job(agentAt(who), uint96(bound(price, 1, 1e9)), true);
        reputation.lock(job.agent, bytes32(_jobs.length + 1), StakeMath.required(job.price));
        _jobs.push(job);
    }

    function close(uint256 which, uint8 kind, uint96 part) external {
        uint256 window = _jobs.length < 6 ? _jobs.length : 6;
        uint256 index = _jobs.length - 1 - which % window;
        Job storage job = _jobs[index];
        // Escrow reports once.
        if (!job.open) return;
        job.open = false;
        Outcome outcome = Outcome(bound(kind, uint8(Outcome.Completed), uint8(Outcome.Stalled)));
        // A partly released escrow is punished for the rest only.
        uint96 refunded = uint96(bound(part, part % 3 == 0 ? job.price : 1, job.price));
        if (outcome == Outcome.Completed) refunded = 0;
        uint256 staked = reputation.stakeOf(job.agent).staked;
        (uint96 toClient, uint96 toPool) = report(job.agent, bytes32(index + 1), job.price, outcome, refunded, 250);
        uint256 slashed = uint256(toClient) + toPool;
        if (staked - reputation.stakeOf(job.agent).staked != slashed) sound = false;
        if (slashed > StakeMath.required(job.price)) sound = false;
        if (StakeMath.severity(outcome) > 0 && slashed == 0) sound = false;
        _count(job.agent, outcome);
    }

    /*////////////////////////////////////////////////////////////////////////
                             ACTIONS: GUARD, TOKEN, TIME
    ////////////////////////////////////////////////////////////////////////*/

    function pauseInflows(uint8 dice) external {
        CHEAT.prank(WATCHER);
        if (dice % 4 == 0) reputation.pauseInflows();
        else reputation.unpauseInflows();
    }

    function blacklist(uint256 who, uint8 dice) external {
        address account = who % (AGENTS + 1) == AGENTS ? BUYER : agentAt(who);
        if (dice % 4 == 0) usdc.blacklist(account);
        else usdc.unBlacklist(account);
    }

    function pauseToken(uint8 dice) external {
        if (dice % 6 == 0) usdc.pause();
        else usdc.unpause();
    }

    function pass(uint32 time) external {
        uint256 longest = time % 3 == 0 ? 20 days : time % 2 == 0 ? 1 days : 10 minutes;
        CHEAT.warp(block.timestamp + bound(time, 1, longest));
        _watchEpochs();
    }

    /*////////////////////////////////////////////////////////////////////////
                                  ACTIONS: SCORES
    ////////////////////////////////////////////////////////////////////////*/

    function anchor(bytes32 root) external {
        if (reputation.anchorer() == address(0)) {
            CHEAT.prank(OWNER);
            reputation.setAnchorer(ANCHORER);
        }
        bool pending = block.timestamp < reputation.latestActiveAt();
        CHEAT.prank(ANCHORER);
        uint64 epoch = reputation.anchorEpoch(root, 1, root, "");
        if (pending || epoch != seenEpoch + 1) sound = false;
        seenEpoch = epoch;
        _watchEpochs();
    }

    function veto(uint64 epoch) external {
        epoch = uint64(bound(epoch, 1, reputation.latestEpoch() + 1));
        if (epoch % 2 == 0) epoch = reputation.latestEpoch();
        bool active = reputation.isActive(epoch);
        CHEAT.prank(WATCHER);
        reputation.vetoEpoch(epoch);
        if (active) sound = false;
        vetoed[epoch] = true;
        _watchEpochs();
    }

    /*////////////////////////////////////////////////////////////////////////
                                      READS
    ////////////////////////////////////////////////////////////////////////*/

    function agentAt(uint256 index) public pure returns (address) {
        return address(uint160(0xA9E0 + index % AGENTS));
    }

    function buyer() external pure returns (address) {
        return BUYER;
    }

    /// @notice Whether Escrow would not ask for a bonus although there is one.
    function bonusMissed() external view returns (bool) {
        return reputation.bonusPool() > 0 && !bonusOpen;
    }

    function jobCount() external view returns (uint256) {
        return _jobs.length;
    }

    function jobAt(uint256 index) external view returns (Job memory) {
        return _jobs[index];
    }

    function world() external view returns (MockUSDC, IReputation) {
        return (usdc, reputation);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     THE END
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice Everybody takes out what is his, with the guardian against it and nobody else acting.
    function leaveAll() external {
        usdc.unpause();
        CHEAT.prank(WATCHER);
        reputation.pauseInflows();
        for (uint256 i = 0; i < _jobs.length; ++i) {
            if (_jobs[i].open) report(_jobs[i].agent, bytes32(i + 1), _jobs[i].price, Outcome.Stalled, 0, 250);
        }
        for (uint256 i = 0; i < AGENTS; ++i) {
            address agent = agentAt(i);
            usdc.unBlacklist(agent);
            uint96 staked = reputation.stakeOf(agent).staked;
            if (staked == 0) continue;
            CHEAT.prank(agent);
            reputation.requestUnstake(staked);
        }
        CHEAT.warp(block.timestamp + UNBONDING);
        usdc.unBlacklist(BUYER);
        for (uint256 i = 0; i <= AGENTS; ++i) {
            address account = i == AGENTS ? BUYER : agentAt(i);
            if (i < AGENTS && reputation.stakeOf(account).staked > 0) reputation.completeUnstake(account);
            uint96 balance = uint96(reputation.balanceOf(account));
            if (balance == 0) continue;
            CHEAT.prank(account);
            reputation.withdraw(balance);
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev An agent whose request can be completed by now, if there is one.
    function _ripe(uint256 who) private view returns (address) {
        for (uint256 i = 0; i < AGENTS; ++i) {
            uint40 unbondAt = reputation.stakeOf(agentAt(who % AGENTS + i)).unbondAt;
            if (unbondAt != 0 && block.timestamp >= unbondAt) return agentAt(who % AGENTS + i);
        }
        return agentAt(who);
    }

    /// @dev Somebody with a balance, if there is one.
    function _creditor(uint256 who) private view returns (address) {
        for (uint256 i = 0; i < AGENTS; ++i) {
            if (reputation.balanceOf(agentAt(who % AGENTS + i)) > 0) return agentAt(who % AGENTS + i);
        }
        return BUYER;
    }

    function _count(address agent, Outcome outcome) private {
        if (outcome == Outcome.Completed || outcome == Outcome.Won) ++completed[agent];
        if (outcome == Outcome.Returned || outcome == Outcome.Missed) ++failed[agent];
        if (outcome == Outcome.Lost) ++lost[agent];
        if (outcome >= Outcome.Lost && outcome <= Outcome.Stalled) ++disputed[agent];
    }

    /// @dev Roots of active epochs stay, vetoed ones never come back, and only the newest can be pending.
    function _watchEpochs() private {
        uint64 latest = reputation.latestEpoch();
        for (uint64 epoch = 1; epoch <= latest; ++epoch) {
            bool active = reputation.isActive(epoch);
            bytes32 root = reputation.rootOf(epoch);
            if (vetoed[epoch] && (active || root != 0)) sound = false;
            if (!vetoed[epoch] && !active && (epoch != latest || block.timestamp >= reputation.latestActiveAt())) {
                sound = false;
            }
            if (activeRoot[epoch] != 0 && (!active || activeRoot[epoch] != root)) sound = false;
            if (active) activeRoot[epoch] = root;
        }
    }
}
