// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrowExtension} from "./IEscrowExtension.sol";
import {IEscrowMain} from "./IEscrowMain.sol";

/// @title IEscrow
/// @notice Escrow of one price between a client and a provider. Terms travel in calldata, one word per escrow is
/// stored.
///
/// Every function that takes terms works on the escrow whose id is the EIP-712 digest of exactly these terms; changed
/// terms are another, unfunded escrow (`Escrow_WrongStatus` with status None). All `...WithSignature` calls may be sent
/// by anyone; the signer may be a plain account, an EIP-7702 account or an ERC-1271 contract, and a signed message
/// counts while now <= validUntil (`Escrow_SignatureExpired`, `Escrow_InvalidSignature`).
///
/// The code is in two bodies, Escrow and its extension; to a caller they are one contract at one address.
///
/// The sum of {EscrowReleased} amounts of an id is its `released`, the sum of {EscrowRefunded} amounts its `refunded`,
/// whatever road the money took.
interface IEscrow is IEscrowMain, IEscrowExtension {}
