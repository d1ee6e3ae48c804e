// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC2612} from "../interfaces/IERC2612.sol";
import {IERC3009} from "../interfaces/IERC3009.sol";
import {IPermit2} from "../interfaces/IPermit2.sol";
import {Errors} from "../libraries/Errors.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Funding
/// @notice The ways money comes into a contract, and the one token it comes in.
///
/// @dev One fixed token, a fixed set of pulls, no open callback: nothing a caller names is ever called.
abstract contract Funding {
    /// @dev Permit2, at the same address on every chain.
    IPermit2 private constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    /// @notice USDC of the network.
    address internal immutable _token;

    constructor(address token_) {
        if (token_ == address(0)) revert Errors.Ledger_ZeroAddress();
        _token = token_;
    }

    /// @dev Pulls `amount` base units out of the wallet of `from`, which has given an allowance.
    function _pull(address from, uint256 amount) internal {
        SafeTransferLib.safeTransferFrom(_token, from, address(this), amount);
    }

    /// @dev Pulls `amount` base units by an ERC-3009 authorization. Its nonce commits to what the money is for.
    function _pullWithAuthorization(
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) internal {
        IERC3009(_token)
            .receiveWithAuthorization({
            from: from,
            to: address(this),
            value: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: nonce,
            signature: signature
        });
    }

    /// @dev Pulls `amount` base units by an EIP-2612 permit of `value`. Somebody may have sent the permit before; what
    /// counts is the allowance afterwards. A permit says nothing about what the money is for: the caller checks that.
    function _pullWithPermit(address from, uint256 amount, uint256 value, uint256 deadline, bytes calldata signature)
        internal
    {
        try IERC2612(_token)
            .permit({owner: from, spender: address(this), value: value, deadline: deadline, signature: signature}) {}
            catch {}
        _pull(from, amount);
    }

    /// @dev Pulls `amount` base units by a Permit2 signature over exactly that amount. Its witness commits to what the
    /// money is for.
    function _pullWithPermit2(
        address from,
        uint256 amount,
        uint256 nonce,
        uint256 deadline,
        bytes32 witness,
        string memory witnessTypeString,
        bytes calldata signature
    ) internal {
        PERMIT2.permitWitnessTransferFrom({
            permit: IPermit2.PermitTransferFrom({
                permitted: IPermit2.TokenPermissions({token: _token, amount: amount}), nonce: nonce, deadline: deadline
            }),
            transferDetails: IPermit2.SignatureTransferDetails({to: address(this), requestedAmount: amount}),
            owner: from,
            witness: witness,
            witnessTypeString: witnessTypeString,
            signature: signature
        });
    }

    /// @dev Pays `amount` base units to `to`.
    function _push(address to, uint256 amount) internal {
        SafeTransferLib.safeTransfer(_token, to, amount);
    }

    /// @dev Pays `amount` base units to `to` if the token lets it; false if it does not, and nothing moved.
    function _tryPush(address to, uint256 amount) internal returns (bool success) {
        (address token_, bytes4 selector) = (_token, IERC20.transfer.selector);
        // Interaction: pay. At most one word of the answer is read; the token is a contract, so an empty one is a yes.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, selector)
            mstore(add(free, 0x04), to)
            mstore(add(free, 0x24), amount)
            mstore(0x00, 1)
            success := call(gas(), token_, 0, free, 0x44, 0x00, 0x20)
            success := and(success, eq(mload(0x00), 1))
        }
    }
}
