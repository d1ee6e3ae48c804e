// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ArbiterBase} from "./utils/ArbiterBase.sol";

interface ArbiterGasVm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);
}

/// @notice What a juror's steps cost: whole transactions on cold state, in a panel of three accounts.
contract ArbiterGasTest is ArbiterBase {
    event Measured(string what, uint256 gas);

    /// @dev Accounts as real ones are, twenty bytes long: each byte of calldata that is not zero costs.
    function setUp() public {
        for (uint256 i = 0; i < 3; ++i) {
            address account = address(bytes20(keccak256(abi.encode("juror", i))));
            give(account, 5 * STAKE);
            VM.prank(account);
            arbiter.stake(5 * STAKE);
        }
    }

    function test_gas__commit_and_reveal() public {
        (uint256 id, address[] memory panel) = _panel();
        commit(id, 0, panel[0], 1);
        _atMost("juror, commit", 56_000);
        commit(id, 0, panel[1], 1);
        commit(id, 0, panel[2], 1);
        arbiter.reveal(id, panel[0], 1, SALT);
        _atMost("juror, reveal", 39_000);
        arbiter.reveal(id, panel[1], 1, SALT);
        arbiter.reveal(id, panel[2], 1, SALT);
        _atMost("juror, reveal that ends the period", 48_000);
    }

    /// @dev Not everybody commits, so that the stored period lags behind the clock.
    function test_gas__reveal_after_the_clock() public {
        (uint256 id, address[] memory panel) = _panel();
        commit(id, 0, panel[0], 1);
        commit(id, 0, panel[1], 1);
        VM.warp(arbiter.disputeOf(id).endsAt);
        arbiter.reveal(id, panel[0], 1, SALT);
        _atMost("juror, reveal after the time for commitments", 39_000);
    }

    /// @dev A dispute whose three seats went to three accounts.
    function _panel() private returns (uint256 id, address[] memory panel) {
        for (uint256 topic = 1; topic < 40; ++topic) {
            id = drawn(topic);
            panel = arbiter.panelOf(id, 0);
            if (panel[0] != panel[1] && panel[1] != panel[2] && panel[0] != panel[2]) return (id, panel);
        }
        revert Untrue("no panel of three");
    }

    function _atMost(string memory what, uint256 target) private {
        uint256 gas = ArbiterGasVm(address(VM)).lastCallGas().gasTotalUsed;
        emit Measured(what, gas);
        if (gas > target) revert Unequal(what, gas, target);
    }
}
