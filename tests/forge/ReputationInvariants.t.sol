// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reputation} from "../../contracts/Reputation.sol";
import {StakeMath} from "../../contracts/libraries/StakeMath.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {Record, Stake} from "../../contracts/types/StakeTypes.sol";
import {ReputationHandler} from "./handlers/ReputationHandler.sol";

/// @notice Conservation of stake over random sequences with a hostile token (invariants 30 to 36 of the design).
contract ReputationInvariants {
    ReputationHandler private _handler;
    MockUSDC private _usdc;
    Reputation private _reputation;

    function setUp() public {
        _handler = new ReputationHandler();
        (_usdc, _reputation) = _handler.world();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev `leaveAll` is the end of the game and no move in it.
    function excludeSelectors() public view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ReputationHandler.leaveAll.selector;
        excluded[0] = FuzzSelector(address(_handler), selectors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function invariant_stake_money_is_conserved() public view {
        uint256 owed = _reputation.bonusPool() + _reputation.balanceOf(_handler.buyer());
        for (uint256 i = 0; i < _handler.AGENTS(); ++i) {
            address agent = _handler.agentAt(i);
            owed += _reputation.stakeOf(agent).staked + _reputation.balanceOf(agent);
        }
        assert(_usdc.balanceOf(address(_reputation)) == owed + _handler.donated());
    }

    function invariant_locked_is_the_sum_of_open_locks_and_never_above_the_stake() public view {
        for (uint256 i = 0; i < _handler.AGENTS(); ++i) {
            address agent = _handler.agentAt(i);
            uint256 locked;
            for (uint256 j = 0; j < _handler.jobCount(); ++j) {
                ReputationHandler.Job memory job = _handler.jobAt(j);
                if (job.open && job.agent == agent) locked += StakeMath.required(job.price);
            }
            Stake memory stake = _reputation.stakeOf(agent);
            assert(stake.locked == locked);
            assert(stake.locked <= stake.staked);
            assert((stake.unbondAt == 0) == (_reputation.unstakeRequest(agent) == 0));
        }
    }

    function invariant_record_counts_every_outcome_once() public view {
        for (uint256 i = 0; i < _handler.AGENTS(); ++i) {
            address agent = _handler.agentAt(i);
            Record memory record = _reputation.recordOf(agent);
            assert(record.completed == _handler.completed(agent));
            assert(record.failed == _handler.failed(agent));
            assert(record.disputed == _handler.disputed(agent));
            assert(record.lost == _handler.lost(agent));
        }
    }

    function invariant_slashes_waits_and_epochs_follow_the_rules() public view {
        assert(_handler.sound());
    }

    function invariant_escrow_asks_for_a_bonus_whenever_there_is_one() public view {
        assert(!_handler.bonusMissed());
    }

    /// @dev At the end of every sequence everybody can leave with what is his.
    function afterInvariant() public {
        _handler.leaveAll();
        assert(_usdc.balanceOf(address(_reputation)) == _reputation.bonusPool() + _handler.donated());
    }
}
