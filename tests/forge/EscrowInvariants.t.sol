// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Reputation} from "../../contracts/Reputation.sol";
import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
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
    Reputation private _reputation;

    function setUp() public {
        _handler = new EscrowHandler();
        (address usdc, address escrow, address reputation) = _handler.world();
        _usdc = MockUSDC(usdc);
        _escrow = IEscrow(escrow);
        _reputation = Reputation(reputation);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_escrow_money_is_conserved() public view {
        uint256 owed;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            Terms memory terms = _handler.termsAt(i);
            EscrowState memory state = _escrow.stateOf(_handler.ids(i));
            if (state.status == Status.None) continue;
            uint256 moved = uint256(state.released) + state.refunded;
            assert(moved <= terms.amount);
            assert((state.status == Status.Closed) == (moved == terms.amount));
            owed += terms.amount - moved;
            uint256 bond = _escrow.disputes(_handler.ids(i)).clientBond;
            bool disputed = state.status >= Status.Challenged && state.status <= Status.Ruled;
            assert(disputed || bond == 0);
            owed += bond;
        }
        for (uint256 i = 0; i < 3; ++i) {
            owed += _escrow.balanceOf(_handler.party(i));
        }
        assert(_usdc.balanceOf(address(_escrow)) == owed);
    }

    function invariant_stake_is_conserved_and_locked_once_per_live_escrow() public view {
        address agent = _handler.party(1);
        Stake memory stake = _reputation.stakeOf(agent);
        uint256 locked;
        for (uint256 i = 0; i < _handler.count(); ++i) {
            EscrowState memory state = _escrow.stateOf(_handler.ids(i));
            bool live = state.status >= Status.Accepted && state.status <= Status.Ruled;
            assert(live == (state.flags & 4 != 0));
            if (live) locked += _reputation.requiredStake(_handler.termsAt(i).amount);
        }
        assert(stake.locked == locked);
        assert(stake.locked <= stake.staked);
        uint256 owed = stake.staked + _reputation.bonusPool();
        for (uint256 i = 0; i < 3; ++i) {
            owed += _reputation.balanceOf(_handler.party(i));
        }
        assert(_usdc.balanceOf(address(_reputation)) == owed);
    }

    function invariant_no_forbidden_transition() public view {
        assert(_handler.sound());
    }

    function invariant_a_release_asks_for_a_bonus_whenever_there_is_one() public view {
        assert(!_handler.bonusMissed());
    }

    function invariant_no_arbiter_keeps_an_allowance() public view {
        assert(_handler.allowances() == 0);
    }

    /// @notice Runs at the end of every sequence.
    function afterInvariant() public {
        assert(_handler.closeAll() == 0);
        invariant_escrow_money_is_conserved();
        invariant_stake_is_conserved_and_locked_once_per_live_escrow();
    }
}
