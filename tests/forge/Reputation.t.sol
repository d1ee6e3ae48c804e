// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../../contracts/libraries/Errors.sol";
import {StakeMath} from "../../contracts/libraries/StakeMath.sol";
import {AgentWordLib} from "../../contracts/types/AgentWord.sol";
import {Outcome} from "../../contracts/types/EscrowTypes.sol";
import {PoolChange, Record, ScoreLeaf, Stake} from "../../contracts/types/StakeTypes.sol";
import {StakeBase} from "./utils/StakeBase.sol";

/// @notice Every row of the outcome table, the record at its limits, the tree of scores, and what each call costs.
contract ReputationTest is StakeBase {
    bytes32 private constant ID = keccak256("escrow");

    function setUp() public {
        give(AGENT, 1e30);
        give(BUYER, 1e30);
        CHEAT.prank(AGENT);
        reputation.stake(25e16);
        CHEAT.prank(OWNER);
        reputation.setAnchorer(ANCHORER);
    }

    /*////////////////////////////////////////////////////////////////////////
                                  OUTCOME TABLE
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_every_outcome_moves_exactly_what_the_table_says(uint96 price, uint96 part, uint8 kind) public {
        price = uint96(bound(price, 1, 1e18));
        Outcome outcome = Outcome(bound(kind, uint8(Outcome.Completed), uint8(Outcome.Stalled)));
        uint96 refunded = uint96(bound(part, 0, price));
        uint96 lock = StakeMath.required(price);
        reputation.lock(AGENT, ID, lock);
        Stake memory before = reputation.stakeOf(AGENT);
        (uint96 toClient, uint96 toPool) = report(AGENT, ID, price, outcome, refunded, 250);
        Stake memory stake = reputation.stakeOf(AGENT);

        uint256 severity = _severity(outcome);
        uint256 slash = _slash(lock, severity, refunded, price);
        uint256 client = outcome == Outcome.Lost && slash > lock / 2 ? lock / 2 : slash;
        equal("slash", uint256(toClient) + toPool, slash);
        equal("stake", before.staked - stake.staked, slash);
        equal("lock is gone", stake.locked, 0);
        equal("client", reputation.balanceOf(BUYER), client);
        equal("pool", reputation.bonusPool(), slash - client);
        equal("agent gets no cash", reputation.balanceOf(AGENT), 0);
        check("not above the lock", slash <= lock);
        check("a punished part costs something", severity == 0 || refunded == 0 || slash > 0);
        _checkRecord(outcome, price - refunded);
    }

    function testFuzz_bonus_is_the_least_of_three(uint96 price, uint96 pool, uint16 feeBps) public {
        price = uint96(bound(price, 1, 1e18));
        feeBps = uint16(bound(feeBps, 0, 500));
        pool = uint96(bound(pool, 0, 1e16));
        if (pool > 0) {
            CHEAT.prank(BUYER);
            reputation.fundBonusPool(pool);
        }
        uint96 lock = StakeMath.required(price);
        reputation.lock(AGENT, ID, lock);
        report(AGENT, ID, price, Outcome.Completed, 0, feeBps);
        uint256 fee = (uint256(price) * feeBps) / 10_000;
        uint256 bonus = uint256(lock) * 500 / 10_000;
        if (fee / 2 < bonus) bonus = fee / 2;
        if (pool < bonus) bonus = pool;
        equal("bonus", reputation.balanceOf(AGENT), bonus);
        equal("pool", reputation.bonusPool(), pool - bonus);
        check("a sock puppet pays more than it gets", bonus * 2 <= fee);
    }

    function testFuzz_slash_never_exceeds_the_lock(uint96 lock, uint96 toClient, uint96 toPool) public {
        lock = uint96(bound(lock, 0, 1e17));
        reputation.lock(AGENT, ID, lock);
        uint256 amount = uint256(toClient) + toPool;
        if (amount > lock) {
            CHEAT.expectRevert(abi.encodeWithSelector(Errors.Stake_SlashExceedsLock.selector, ID, amount, lock));
        }
        reputation.slash(AGENT, ID, lock, Outcome.Lost, 0, toClient, toPool, BUYER);
    }

    function testFuzz_lock_never_binds_more_than_is_staked(uint96 first, uint96 second) public {
        uint96 staked = reputation.stakeOf(AGENT).staked;
        first = uint96(bound(first, 0, staked));
        reputation.lock(AGENT, ID, first);
        uint96 free = staked - first;
        if (second > free) {
            CHEAT.expectRevert(abi.encodeWithSelector(Errors.Stake_Insufficient.selector, AGENT, free, second));
        }
        reputation.lock(AGENT, ID, second);
        Stake memory stake = reputation.stakeOf(AGENT);
        check("locked <= staked", stake.locked <= stake.staked);
    }

    function testFuzz_unbonding_stake_pays_for_what_was_done_before(uint96 price, uint32 late) public {
        price = uint96(bound(price, 5, 1e18));
        uint96 lock = StakeMath.required(price);
        uint96 staked = reputation.stakeOf(AGENT).staked;
        CHEAT.prank(AGENT);
        reputation.requestUnstake(staked);
        // Nothing stops a lock while the request runs, and the request does not stop the slash.
        reputation.lock(AGENT, ID, lock);
        CHEAT.warp(block.timestamp + UNBONDING + late);
        reputation.completeUnstake(AGENT);
        equal("the lock stayed", reputation.stakeOf(AGENT).staked, lock);
        report(AGENT, ID, price, Outcome.Lost, price, 250);
        equal("all of it is gone", reputation.stakeOf(AGENT).staked, 0);
        equal("client", reputation.balanceOf(BUYER), lock / 2);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     RECORD
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_a_full_record_never_keeps_a_stake_locked(
        uint256 word,
        uint256 notes,
        uint96 settledValue,
        uint8 kind
    ) public {
        (bytes32 slot, bytes32 notesSlot) = _slots();
        // Any record at all over a stake of 25 that is not locked.
        CHEAT.store(address(reputation), slot, bytes32(((word >> 116) << 116) | 25));
        CHEAT.store(address(reputation), notesSlot, bytes32(notes));
        Record memory before = reputation.recordOf(AGENT);
        Stake memory stakeBefore = reputation.stakeOf(AGENT);
        Outcome outcome = Outcome(bound(kind, uint8(Outcome.Completed), uint8(Outcome.Stalled)));
        reputation.lock(AGENT, ID, 10);
        equal("locked", reputation.stakeOf(AGENT).locked, 10);
        _equal(reputation.recordOf(AGENT), before);
        reputation.unlock(AGENT, ID, 10, outcome, settledValue, 0);
        uint256 value = uint256(before.settledValue) + settledValue;
        before.settledValue = uint88(value < 2 ** 60 ? value : 2 ** 60 - 1);
        if (outcome == Outcome.Completed || outcome == Outcome.Won) _count(before, 0, 2 ** 28 - 1);
        if (outcome == Outcome.Returned || outcome == Outcome.Missed) _count(before, 1, 2 ** 20 - 1);
        if (outcome >= Outcome.Lost && outcome <= Outcome.Stalled) _count(before, 2, type(uint32).max);
        if (outcome == Outcome.Lost) _count(before, 3, type(uint32).max);
        before.lastOutcomeAt = uint40(block.timestamp);
        _equal(reputation.recordOf(AGENT), before);
        equal("unlocked", reputation.stakeOf(AGENT).locked, 0);
        equal("stake", reputation.stakeOf(AGENT).staked, 25);
        equal("unbonding", reputation.stakeOf(AGENT).unbondAt, stakeBefore.unbondAt);
    }

    function testFuzz_stake_stops_where_its_slot_ends(uint96 amount) public {
        uint256 staked = uint256(reputation.stakeOf(AGENT).staked) + bound(amount, 1, type(uint96).max);
        usdc.mint(AGENT, type(uint96).max);
        if (staked > AgentWordLib.MAX_STAKE) {
            CHEAT.expectRevert(
                abi.encodeWithSelector(Errors.Stake_AboveMaximum.selector, AGENT, staked, AgentWordLib.MAX_STAKE)
            );
        }
        CHEAT.prank(AGENT);
        reputation.stake(uint96(bound(amount, 1, type(uint96).max)));
    }

    function test_the_end_of_an_escrow_tells_what_it_did_to_the_pool() public {
        reputation.lock(AGENT, ID, 1000);
        check("no pool", reputation.unlock(AGENT, ID, 400, Outcome.Completed, 1, 5) == PoolChange.Emptied);
        check("client only", reputation.slash(AGENT, ID, 100, Outcome.Returned, 1, 10, 0, BUYER) == PoolChange.None);
        check("filled", reputation.slash(AGENT, ID, 100, Outcome.Lost, 1, 50, 50, BUYER) == PoolChange.Filled);
        check("not asked", reputation.unlock(AGENT, ID, 100, Outcome.Won, 1, 0) == PoolChange.None);
        check("some is left", reputation.unlock(AGENT, ID, 100, Outcome.Completed, 1, 49) == PoolChange.None);
        check("emptied", reputation.unlock(AGENT, ID, 100, Outcome.Completed, 1, 49) == PoolChange.Emptied);
        equal("bonus", reputation.balanceOf(AGENT), 50);
        check("not told yet", !bonusOpen);
        CHEAT.prank(BUYER);
        reputation.fundBonusPool(1);
        check("told", bonusOpen);
    }

    function test_the_dearest_report_takes_less_than_half_of_its_gas() public {
        // A first slash that fills every slot anew.
        reputation.lock(AGENT, ID, 1000);
        reputation.slash(AGENT, ID, 1000, Outcome.Lost, 1, 500, 500, BUYER);
        uint256 used = CHEAT.lastCallGas().gasTotalUsed;
        // Five slots, each read first, at 3,360 more a cold read under Polygon's prices.
        check("slash", used - 21_000 + 5 * 3360 < 100_000);
        reputation.lock(AGENT, ID, 1000);
        reputation.unlock(AGENT, ID, 1000, Outcome.Completed, 1, 500);
        used = CHEAT.lastCallGas().gasTotalUsed;
        check("unlock with bonus", used - 21_000 + 5 * 3360 < 100_000);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     SCORES
    ////////////////////////////////////////////////////////////////////////*/

    function testFuzz_a_leaf_is_proven_by_its_own_path_only(ScoreLeaf memory a, ScoreLeaf memory b, bytes32 junk)
        public
    {
        (a.epoch, b.epoch) = (1, 1);
        if (leafHash(a) == leafHash(b)) b.jobs = a.jobs ^ 1;
        _anchor(pairHash(leafHash(a), leafHash(b)));
        CHEAT.warp(reputation.latestActiveAt());
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = leafHash(b);
        equal("score", reputation.verifyScore(1, a, proof), a.score);
        proof[0] = junk;
        if (junk != leafHash(b)) {
            CHEAT.expectRevert(abi.encodeWithSelector(Errors.Anchor_InvalidProof.selector, uint64(1), a.agent));
            reputation.verifyScore(1, a, proof);
        }
        proof[0] = leafHash(b);
        a.score ^= 1;
        CHEAT.expectRevert(abi.encodeWithSelector(Errors.Anchor_InvalidProof.selector, uint64(1), a.agent));
        reputation.verifyScore(1, a, proof);
        // An inner node is no leaf, and the empty path proves only a tree of one.
        CHEAT.expectRevert(abi.encodeWithSelector(Errors.Anchor_InvalidProof.selector, uint64(1), b.agent));
        reputation.verifyScore(1, b, new bytes32[](0));
    }

    function testFuzz_a_leaf_of_another_epoch_is_worthless(ScoreLeaf memory leaf) public {
        if (leaf.epoch == 1) leaf.epoch = 2;
        _anchor(leafHash(leaf));
        CHEAT.warp(reputation.latestActiveAt());
        CHEAT.expectRevert(abi.encodeWithSelector(Errors.Anchor_InvalidProof.selector, uint64(1), leaf.agent));
        reputation.verifyScore(1, leaf, new bytes32[](0));
    }

    /*////////////////////////////////////////////////////////////////////////
                                       GAS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Every slot was written before, as in the life of an agent.
    function test_gas_of_a_second_escrow() public {
        reputation.lock(AGENT, ID, 1000);
        reputation.slash(AGENT, ID, 1000, Outcome.Lost, 1, 500, 500, BUYER);
        CHEAT.prank(AGENT);
        reputation.stake(1e6);
        _below("stake", 64_000);
        reputation.lock(AGENT, ID, 1000);
        _below("lock", 33_000);
        reputation.unlock(AGENT, ID, 1000, Outcome.Completed, 1e6, 0);
        _below("unlock without bonus", 34_000);
        reputation.lock(AGENT, ID, 1000);
        reputation.slash(AGENT, ID, 1000, Outcome.Lost, 1, 500, 500, BUYER);
        _below("slash", 50_500);
    }

    function test_gas_of_an_epoch() public {
        _anchor(keccak256("one"));
        CHEAT.warp(reputation.latestActiveAt());
        _anchor(keccak256("two"));
        _below("anchor epoch", 57_000);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     HELPERS
    ////////////////////////////////////////////////////////////////////////*/

    function _anchor(bytes32 root) private {
        CHEAT.prank(ANCHORER);
        reputation.anchorEpoch({
            root: root, leafCount: 2, manifestHash: keccak256("manifest"), uri: "https://example.org/epochs/1.json"
        });
    }

    function _below(string memory what, uint256 most) private view {
        uint256 used = CHEAT.lastCallGas().gasTotalUsed;
        if (used > most) revert Unequal(what, used, most);
    }

    function _checkRecord(Outcome outcome, uint256 settledValue) private view {
        Record memory record = reputation.recordOf(AGENT);
        bool disputed = outcome >= Outcome.Lost && outcome <= Outcome.Stalled;
        equal("completed", record.completed, outcome == Outcome.Completed || outcome == Outcome.Won ? 1 : 0);
        equal("failed", record.failed, outcome == Outcome.Returned || outcome == Outcome.Missed ? 1 : 0);
        equal("disputed", record.disputed, disputed ? 1 : 0);
        equal("lost", record.lost, outcome == Outcome.Lost ? 1 : 0);
        equal("settled value", record.settledValue, settledValue);
        equal("time", record.lastOutcomeAt, block.timestamp);
    }

    /// @dev One more in a count, unless it is at its maximum.
    function _count(Record memory record, uint256 which, uint32 most) private pure {
        if (which == 0 && record.completed < most) ++record.completed;
        if (which == 1 && record.failed < most) ++record.failed;
        if (which == 2 && record.disputed < most) ++record.disputed;
        if (which == 3 && record.lost < most) ++record.lost;
    }

    function _equal(Record memory left, Record memory right) private pure {
        equal("record", uint256(keccak256(abi.encode(left))), uint256(keccak256(abi.encode(right))));
    }

    /// @dev The slots of the agent's word and notes, found by what `recordOf` reads.
    function _slots() private returns (bytes32 word, bytes32 notes) {
        for (uint256 index = 0; index < 16; ++index) {
            bytes32 slot = keccak256(abi.encode(AGENT, index));
            bytes32 before = CHEAT.load(address(reputation), slot);
            CHEAT.store(address(reputation), slot, bytes32(type(uint256).max));
            Record memory record = reputation.recordOf(AGENT);
            CHEAT.store(address(reputation), slot, before);
            if (record.completed == 2 ** 28 - 1) word = slot;
            if (record.lost == type(uint32).max) notes = slot;
        }
        check("slots", word != 0 && notes != 0);
    }

    function _severity(Outcome outcome) private pure returns (uint256) {
        if (outcome == Outcome.Returned) return 1000;
        if (outcome == Outcome.Missed) return 5000;
        return outcome == Outcome.Lost ? 10_000 : 0;
    }

    /// @dev Rounded up.
    function _slash(uint256 lock, uint256 severity, uint256 refunded, uint256 price) private pure returns (uint256) {
        uint256 whole = price * 10_000;
        return (lock * severity * refunded + whole - 1) / whole;
    }
}
