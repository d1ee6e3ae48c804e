// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ILedger
/// @notice Money waits in a balance per account until its owner takes it out. A blacklisted account so blocks only
/// itself.
interface ILedger {
    /// @notice `amount` base units of `account` were paid out to `to`.
    event Withdrawn(address indexed account, address indexed to, uint96 amount);

    /// @notice Pays `amount` base units of the caller's balance to the caller.
    ///
    /// Requirements: amount > 0 (`Ledger_AmountZero`) and not above the balance (`Ledger_InsufficientBalance`).
    /// Emits {Withdrawn}.
    function withdraw(uint96 amount) external;

    /// @notice Pays `amount` base units of the caller's balance to `to`.
    ///
    /// Requirements: as {withdraw}; `to` is not zero (`Ledger_ZeroAddress`).
    /// Emits {Withdrawn}.
    function withdrawTo(address to, uint96 amount) external;

    /// @notice Pays `amount` base units of `account` to `to` by its signature of
    /// `Withdrawal(account,to,amount,nonce,validUntil)` with the current {withdrawalNonce}. Anyone may send it.
    ///
    /// Requirements: as {withdrawTo}; now <= validUntil (`Ledger_SignatureExpired`); `Ledger_InvalidSignature`.
    /// Emits {Withdrawn}.
    function withdrawWithSignature(
        address account,
        address to,
        uint96 amount,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Base units the account can withdraw.
    function balanceOf(address account) external view returns (uint256);

    /// @notice Nonce the account's next signed withdrawal must carry.
    function withdrawalNonce(address account) external view returns (uint256);

    /// @notice The token held.
    function token() external view returns (address);

    /// @notice EIP-712 domain separator in force.
    function domainSeparator() external view returns (bytes32);
}
