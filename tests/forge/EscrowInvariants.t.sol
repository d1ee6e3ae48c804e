// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {EscrowState, Status, Terms} from "../../contracts/types/EscrowTypes.sol";
import {Stake} from "../../contracts/types/StakeTypes.sol";
import {EscrowHandler} from "./handlers/EscrowHandler.sol";

/// @notice Conservation of money and stake over random sequences of deals and disputes, with hostile arbiters, a token
/// that is paused or refuses accounts, and paused inflows; and that everything can still be ended.
contract EscrowInvariants {
    EscrowHandler private _handler;
    MockUSDC private _usdc;
    IEscrow private _escrow;
    IReputation private _reputation;

    function setUp() public {
        _handler = new EscrowHandler();
        (address usdc, address escrow, address reputation) = _handler.world();
        _usdc = MockUSDC(usdc);
        _escrow = IEscrow(escrow);
        _reputation = IReputation(reputation);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @dev One campaign for all: the moves are dear, the looks are cheap.
    function invariant_escrow() public view {
        _checkMoney();
        _checkStake();
        require(_handler.sound(), "a forbidden transition");
        require(!_handler.bonusMissed(), "a release asked for no bonus though there was one");
        require(_handler.allowances() == 0, "an arbiter kept an allowance");
    }

    /// @notice Runs at the end of every sequence.
    function afterInvariant() public {
        require(_handler.closeAll() == 0, "an escrow cannot be ended");
        _checkMoney();
        _checkStake();
    }

    function _checkMoney() private view {
        uint256 owed;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            Terms memory terms = _handler.termsAt(i);
            EscrowState memory state = _escrow.stateOf(_handler.ids(i));
            if (state.status == Status.None) continue;
            uint256 moved = uint256(state.released) + state.refunded;
            require(moved <= terms.amount, "more moved than the price");
            require((state.status == Status.Closed) == (moved == terms.amount), "closed, and not paid out");
            owed += terms.amount - moved;
            uint256 bond = _escrow.disputes(_handler.ids(i)).clientBond;
            bool disputed = state.status >= Status.Challenged && state.status <= Status.Ruled;
            require(disputed || bond == 0, "a bond without a dispute");
            owed += bond;
        }
        for (uint256 i = 0; i < 3; ++i) {
            owed += _escrow.balanceOf(_handler.party(i));
        }
        require(_usdc.balanceOf(address(_escrow)) == owed, "money of escrows");
    }

    function _checkStake() private view {
        address agent = _handler.party(1);
        Stake memory stake = _reputation.stakeOf(agent);
        uint256 locked;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            EscrowState memory state = _escrow.stateOf(_handler.ids(i));
            bool live = state.status >= Status.Accepted && state.status <= Status.Ruled;
            require(live == (state.flags & 4 != 0), "a live escrow without its lock");
            if (live) locked += _reputation.requiredStake(_handler.termsAt(i).amount);
        }
        require(stake.locked == locked, "locks");
        require(stake.locked <= stake.staked, "more locked than staked");
        uint256 owed = stake.staked + _reputation.bonusPool();
        for (uint256 i = 0; i < 3; ++i) {
            owed += _reputation.balanceOf(_handler.party(i));
        }
        require(_usdc.balanceOf(address(_reputation)) == owed, "money of stakes");
    }
}
