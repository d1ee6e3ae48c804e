// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../libraries/Errors.sol";
import {ReentrancyGuardTransient} from "solady/utils/ReentrancyGuardTransient.sol";

/// @title Balances
/// @notice The balances behind a {Ledger}, and the re-entrancy guard of the contract that holds them.
///
/// @dev Without any external function, so that a second code body over the same storage can share it.
abstract contract Balances is ReentrancyGuardTransient {
    mapping(address account => uint256 amount) private _balances;

    /// @dev Adds to a balance. Amounts are backed by tokens, so their sum cannot overflow.
    function _credit(address account, uint256 amount) internal {
        _balances[account] += amount;
    }

    /// @dev Takes from a balance or reverts.
    function _debit(address account, uint256 amount) internal {
        uint256 balance = _balances[account];
        if (amount > balance) {
            // Effect: what is kept for the account elsewhere joins its balance.
            balance += _gather(account);
            // Check: the balance suffices.
            if (amount > balance) revert Errors.Ledger_InsufficientBalance(account, balance, amount);
        }
        // Effect: take it.
        unchecked {
            _balances[account] = balance - amount;
        }
    }

    /// @dev Hands out what a contract keeps for an account outside of its balance; the caller books it.
    function _gather(
        address /* account */
    )
        internal
        virtual
        returns (uint256)
    {
        return 0;
    }

    /// @dev Base units the account can take out.
    function _balanceOf(address account) internal view virtual returns (uint256) {
        return _balances[account];
    }

    /// @dev Transient storage on every chain: all supported ones run Cancun or later.
    function _useTransientReentrancyGuardOnlyOnMainnet() internal pure override returns (bool) {
        return false;
    }
}
