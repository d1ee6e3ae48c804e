// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {StakeMath} from "../../contracts/libraries/StakeMath.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {Record, Stake} from "../../contracts/types/StakeTypes.sol";
import {ReputationHandler} from "./handlers/ReputationHandler.sol";

/// @notice Conservation of stake over random sequences with a hostile token.
contract ReputationInvariants {
    ReputationHandler private _handler;
    MockUSDC private _usdc;
    IReputation private _reputation;

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

    /// @dev One campaign for all: the moves are dear, the looks are cheap.
    function invariant_reputation() public view {
        _checkMoney();
        for (uint256 i = 0; i < _handler.AGENTS(); ++i) {
            _checkLocks(_handler.agentAt(i));
            _checkRecord(_handler.agentAt(i));
        }
        require(_handler.sound(), "slashes, waits and epochs");
        require(!_handler.bonusMissed(), "a release asked for no bonus though there was one");
    }

    /// @dev At the end of every sequence everybody can leave with what is his.
    function afterInvariant() public {
        _handler.leaveAll();
        uint256 kept = _reputation.bonusPool() + _handler.donated();
        require(_usdc.balanceOf(address(_reputation)) == kept, "something stayed behind");
    }

    function _checkMoney() private view {
        uint256 owed = _reputation.bonusPool() + _reputation.balanceOf(_handler.buyer());
        for (uint256 i = 0; i < _handler.AGENTS(); ++i) {
            address agent = _handler.agentAt(i);
            owed += _reputation.stakeOf(agent).staked + _reputation.balanceOf(agent);
        }
        require(_usdc.balanceOf(address(_reputation)) == owed + _handler.donated(), "money of stakes");
    }

    function _checkLocks(address agent) private view {
        uint256 locked;
        for (uint256 j = 0; j < _handler.jobCount(); ++j) {
            ReputationHandler.Job memory job = _handler.jobAt(j);
            if (job.open && job.agent == agent) locked += StakeMath.required(job.price);
        }
        Stake memory stake = _reputation.stakeOf(agent);
        require(stake.locked == locked, "locks");
        require(stake.locked <= stake.staked, "more locked than staked");
        require((stake.unbondAt == 0) == (_reputation.unstakeRequest(agent) == 0), "half of a request");
    }

    function _checkRecord(address agent) private view {
        Record memory record = _reputation.recordOf(agent);
        require(record.completed == _handler.completed(agent), "completed");
        require(record.failed == _handler.failed(agent), "failed");
        require(record.disputed == _handler.disputed(agent), "disputed");
        require(record.lost == _handler.lost(agent), "lost");
    }
}
