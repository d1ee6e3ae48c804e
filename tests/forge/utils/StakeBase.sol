// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../../../contracts/interfaces/IReputation.sol";
import {StakeMath} from "../../../contracts/libraries/StakeMath.sol";
import {MockUSDC} from "../../../contracts/mocks/MockUSDC.sol";
import {Outcome} from "../../../contracts/types/EscrowTypes.sol";
import {PoolChange, ScoreLeaf} from "../../../contracts/types/StakeTypes.sol";
import {Committed} from "./Committed.sol";

/// @notice The cheatcodes the tests of Reputation use.
interface StakeVm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function expectRevert(bytes calldata data) external;
    function lastCallGas() external view returns (Gas memory gas);
    function load(address target, bytes32 slot) external view returns (bytes32);
    function prank(address sender) external;
    function store(address target, bytes32 slot, bytes32 value) external;
    function warp(uint256 timestamp) external;
}

/// @notice A Reputation whose Escrow is the test itself: it created it, and it answers for the admin.
abstract contract StakeBase {
    StakeVm internal constant CHEAT = StakeVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address internal constant OWNER = address(0xAD);
    address internal constant WATCHER = address(0x6D);
    address internal constant ANCHORER = address(0xA2C);
    address internal constant BUYER = address(0xB1);
    address internal constant AGENT = address(0xA1);
    uint40 internal constant UNBONDING = 14 days;

    MockUSDC internal usdc;
    IReputation internal reputation;

    /// @dev As Escrow keeps it.
    bool internal bonusOpen;

    error Unequal(string what, uint256 left, uint256 right);
    error Untrue(string what);

    constructor() {
        CHEAT.warp(1_800_000_000);
        usdc = MockUSDC(Committed.deploy("MockUSDC", abi.encode(address(this))));
        reputation = IReputation(Committed.deploy("Reputation", abi.encode(address(usdc), WATCHER, UNBONDING)));
    }

    /// @dev What Reputation asks Escrow for the admin.
    function owner() external pure returns (address) {
        return OWNER;
    }

    /// @dev What Reputation tells Escrow when a gift opens the pool.
    function noteBonusPool() external {
        if (msg.sender == address(reputation)) bonusOpen = reputation.bonusPool() > 0;
    }

    /// @dev A wallet with `amount` that lets Reputation take it.
    function give(address account, uint256 amount) internal {
        usdc.mint(account, amount);
        CHEAT.prank(account);
        usdc.approve(address(reputation), type(uint256).max);
    }

    /// @dev What Escrow does with the stake when an escrow over `price` closes.
    function report(address agent, bytes32 id, uint96 price, Outcome outcome, uint96 refunded, uint256 feeBps)
        internal
        returns (uint96 toClient, uint96 toPool)
    {
        uint96 lock = StakeMath.required(price);
        (toClient, toPool) = StakeMath.slashed(lock, outcome, refunded, price);
        PoolChange change;
        if (uint256(toClient) + toPool > 0) {
            change = reputation.slash(agent, id, lock, outcome, price - refunded, toClient, toPool, BUYER);
        } else {
            change = _unlock(agent, id, lock, outcome, price - refunded, feeBps);
        }
        if (change != PoolChange.None) bonusOpen = change == PoolChange.Filled;
    }

    function _unlock(address agent, bytes32 id, uint96 lock, Outcome outcome, uint96 settled, uint256 feeBps)
        private
        returns (PoolChange)
    {
        uint96 cap;
        if (outcome == Outcome.Completed && bonusOpen) {
            cap = StakeMath.bonusCap(lock, uint256(settled) * feeBps / 10_000);
        }
        return reputation.unlock(agent, id, lock, outcome, settled, cap);
    }

    function leafHash(ScoreLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(leaf))));
    }

    function pairHash(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
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
