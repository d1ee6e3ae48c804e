// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title SumTree
/// @notice Weights at leaves 1, 2, 3, ... and the leaf a ticket falls on, each in logarithmic time (a Fenwick tree).
///
/// @dev Node `i` holds the weights of the `lowest set bit of i` leaves that end at `i`. The capacity is a power of two,
/// so the node of that number holds all weights; doubling it adds one node that starts with the sum so far.
library SumTree {
    /// @param nodes Partial sums
    /// @param capacity Leaves there is room for, 0 or a power of two
    struct Tree {
        mapping(uint256 node => uint256 sum) nodes;
        uint256 capacity;
    }

    /// @notice Changes the weight of `leaf` (not 0) from `earlier`, which the caller remembers, to `later`.
    function update(Tree storage tree, uint256 leaf, uint256 earlier, uint256 later) internal {
        uint256 capacity = _reserve(tree, leaf);
        unchecked {
            // every node counts `earlier` of this leaf, so wrapping arithmetic ends at a true sum
            uint256 delta = later - earlier;
            for (uint256 node = leaf; node <= capacity; node += node & (~node + 1)) {
                tree.nodes[node] += delta;
            }
        }
    }

    /// @notice Sum of all weights.
    function total(Tree storage tree) internal view returns (uint256) {
        return tree.nodes[tree.capacity];
    }

    /// @notice Sum of the weights of the leaves before `leaf`.
    function before(Tree storage tree, uint256 leaf) internal view returns (uint256 sum) {
        for (uint256 node = leaf - 1; node != 0; node &= node - 1) {
            sum += tree.nodes[node];
        }
    }

    /// @notice The leaf whose weights cover `ticket`: before(leaf) <= ticket < before(leaf) + weight.
    ///
    /// @param ticket Below {total}
    function find(Tree storage tree, uint256 ticket) internal view returns (uint256 leaf) {
        for (uint256 step = tree.capacity; step != 0; step >>= 1) {
            uint256 sum = tree.nodes[leaf + step];
            if (sum <= ticket) {
                ticket -= sum;
                leaf += step;
            }
        }
        ++leaf;
    }

    /// @dev Doubles the capacity until `leaf` has a place.
    function _reserve(Tree storage tree, uint256 leaf) private returns (uint256 capacity) {
        capacity = tree.capacity;
        if (leaf <= capacity) return capacity;
        uint256 sum = tree.nodes[capacity];
        if (capacity == 0) capacity = 1;
        while (capacity < leaf) {
            capacity <<= 1;
            tree.nodes[capacity] = sum;
        }
        tree.capacity = capacity;
    }
}
