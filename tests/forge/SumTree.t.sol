// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SumTree} from "../../contracts/libraries/SumTree.sol";

/// @notice The tree against a plain array.
contract SumTreeTest {
    using SumTree for SumTree.Tree;

    uint256 private constant LEAVES = 40;

    SumTree.Tree private _tree;

    uint256[LEAVES + 1] private _weights;

    /// @notice After any changes in any order, sums and finds are those of the array.
    function testFuzz_tree_equals_the_array(uint256[24] memory seeds) public {
        for (uint256 i = 0; i < seeds.length; ++i) {
            uint256 leaf = 1 + seeds[i] % LEAVES;
            uint256 weight = seeds[i] % 3 == 0 ? 0 : (seeds[i] >> 128) % 1e15;
            _tree.update(leaf, _weights[leaf], weight);
            _weights[leaf] = weight;
            _compare(seeds[i] >> 32);
        }
    }

    /// @notice Leaves that come in their order, as jurors do, with the tree growing under them.
    function test_tree_grows() public {
        for (uint256 leaf = 1; leaf <= LEAVES; ++leaf) {
            _tree.update(leaf, 0, leaf);
            _weights[leaf] = leaf;
            _compare(leaf * 7919);
        }
        for (uint256 ticket = 0; ticket < _tree.total(); ++ticket) {
            _check(ticket);
        }
    }

    function _compare(uint256 random) private view {
        uint256 sum;
        for (uint256 leaf = 1; leaf <= LEAVES; ++leaf) {
            assert(_tree.before(leaf) == sum || leaf > _tree.capacity);
            sum += _weights[leaf];
        }
        assert(_tree.total() == sum);
        if (sum == 0) return;
        _check(random % sum);
        _check(0);
        _check(sum - 1);
    }

    function _check(uint256 ticket) private view {
        uint256 leaf = _tree.find(ticket);
        uint256 start;
        for (uint256 i = 1; i < leaf; ++i) {
            start += _weights[i];
        }
        assert(start <= ticket && ticket < start + _weights[leaf]);
    }
}
