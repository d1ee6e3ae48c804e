// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Fixed parameters of a channel; their EIP-712 digest is the channel id.
///
/// @param payer Owner of the money
/// @param payerAuthorizer Key that signs vouchers, address(0) if the payer signs them himself
/// @param receiver Account that is paid
/// @param receiverAuthorizer Key that says how much was earned; the operator in a marketplace channel
/// @param token The token of this contract
/// @param withdrawDelay Seconds between asking for and getting unclaimed money back
/// @param salt Makes the id unique
struct ChannelConfig {
    address payer;
    address payerAuthorizer;
    address receiver;
    address receiverAuthorizer;
    address token;
    uint40 withdrawDelay;
    bytes32 salt;
}

/// @notice What a receiver was promised and what was paid out, in base units.
struct ReceiverState {
    // slot 0
    uint128 totalClaimed;
    uint128 totalSettled;
}

/// @notice A cumulative ceiling on one channel.
struct Voucher {
    ChannelConfig channel;
    uint128 maxClaimableAmount;
}

/// @notice A voucher with its signature and the cumulative amount really earned under it.
struct VoucherClaim {
    Voucher voucher;
    bytes signature;
    uint128 totalClaimed;
}

/// @notice A deposit that pays any number of receivers. One storage slot.
///
/// @param balance Base units that can be drawn
/// @param withdrawAmount Base units asked back, 0 if no withdrawal is pending
/// @param finalizeAt Unix second from which the withdrawal can be finalised
/// @param nonce Raised by each initiate, cancel and finalise
struct Pool {
    // slot 0
    uint96 balance;
    uint96 withdrawAmount;
    uint40 finalizeAt;
    uint24 nonce;
}

/// @notice Rows of one payer for `claimBatch`; the operator is the receiver authorizer of every channel in it.
///
/// @param rows Rows of 108 bytes: receiver 20, totalClaimed 12, maxClaimable 12, r 32, vs 32 (EIP-2098)
struct Group {
    address payer;
    address payerAuthorizer;
    uint40 withdrawDelay;
    bytes32 salt;
    bytes rows;
}

/// @notice Why a row of `claimBatch` was left out.
///
/// @custom:value None Not left out.
/// @custom:value Stale The channel has already claimed as much.
/// @custom:value AboveCeiling More claimed than the voucher allows.
/// @custom:value BadSignature Not signed by the payer's key.
/// @custom:value Insufficient Neither the channel nor the pool has the money.
/// @custom:value BadChannel Zero payer or receiver, or a withdraw delay out of range.
/// @custom:value TrailingBytes Bytes after the last whole row.
enum SkipReason {
    None,
    Stale,
    AboveCeiling,
    BadSignature,
    Insufficient,
    BadChannel,
    TrailingBytes
}
