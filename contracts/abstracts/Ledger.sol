// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILedger} from "../interfaces/ILedger.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {Balances} from "./Balances.sol";
import {Funding} from "./Funding.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Ledger
/// @notice See {ILedger}.
abstract contract Ledger is
    ILedger, // 1 inherited component
    Funding, // 0 inherited components
    Balances, // 1 inherited component
    EIP712 // 1 inherited component
{
    bytes32 private constant WITHDRAWAL_TYPEHASH =
        keccak256("Withdrawal(address account,address to,uint96 amount,uint256 nonce,uint40 validUntil)");

    /// @inheritdoc ILedger
    mapping(address account => uint256 nonce) public override withdrawalNonce;

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc ILedger
    function withdraw(uint96 amount) external override nonReentrant {
        _withdraw(msg.sender, msg.sender, amount);
    }

    /// @inheritdoc ILedger
    function withdrawTo(address to, uint96 amount) external override nonReentrant {
        _withdraw(msg.sender, to, amount);
    }

    /// @inheritdoc ILedger
    function withdrawWithSignature(
        address account,
        address to,
        uint96 amount,
        uint40 validUntil,
        bytes calldata signature
    ) external override nonReentrant {
        // Check: the message is still valid.
        if (block.timestamp > validUntil) revert Errors.Ledger_SignatureExpired(validUntil);
        // Check: the account signed it for its current nonce.
        uint256 nonce = withdrawalNonce[account];
        bytes32 digest =
            _hashTypedDataV4(keccak256(abi.encode(WITHDRAWAL_TYPEHASH, account, to, amount, nonce, validUntil)));
        if (!SignatureLib.isValid(account, digest, signature)) revert Errors.Ledger_InvalidSignature(account);
        // Effect: use the nonce up.
        withdrawalNonce[account] = nonce + 1;
        _withdraw(account, to, amount);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc ILedger
    function balanceOf(address account) external view override returns (uint256) {
        return _balanceOf(account);
    }

    /// @inheritdoc ILedger
    function token() external view override returns (address) {
        return _token;
    }

    /// @inheritdoc ILedger
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev The whole road out.
    function _withdraw(address account, address to, uint96 amount) private {
        // Check: there is an amount and somebody to pay.
        if (amount == 0) revert Errors.Ledger_AmountZero();
        if (to == address(0)) revert Errors.Ledger_ZeroAddress();
        // Effect: take it from the balance.
        _debit(account, amount);
        emit Withdrawn({account: account, to: to, amount: amount});
        // Interaction: pay.
        _push(to, amount);
    }
}
