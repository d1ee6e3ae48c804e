// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig, Group, SkipReason, VoucherClaim} from "../types/ChannelTypes.sol";
import {IGuardedInflow} from "./IGuardedInflow.sol";

/// @title IPaymentChannel
/// @notice The x402 `batch-settlement` interface, plus pools (one deposit pays any number of receivers) and batches
/// that leave a bad row out instead of failing.
///
/// A voucher is a cumulative ceiling, signed by the payer's key. What was really earned under it is said by the
/// receiver authorizer, in a marketplace the operator. A claim moves no tokens; {settle} pays what was claimed, and
/// {claimAndPay} does both for one voucher.
/// All amounts are base units of the token.
interface IPaymentChannel is IGuardedInflow {
    /*////////////////////////////////////////////////////////////////////////
                                      x402
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice A channel holds money for the first time, by a deposit or by a claim from a pool.
    event ChannelCreated(bytes32 indexed channelId, ChannelConfig config);

    /// @notice A channel that was never claimed from is empty again.
    event ChannelClosed(bytes32 indexed channelId, ChannelConfig config);

    /// @notice `amount` was deposited into a channel.
    event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance);

    /// @notice The claimed total of a channel rose by `claimAmount`.
    event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed);

    /// @notice Claimed money was paid out.
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);

    /// @notice Unclaimed money of a channel went back to the payer.
    event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount);

    /// @notice The payer asked unclaimed money of a channel back.
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 finalizeAfter);

    /// @notice Unclaimed money of a channel went back to the payer after the delay.
    event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount);

    /// @notice Puts `amount` into a channel.
    ///
    /// Requirements: complete config (`InvalidChannel`, `WithdrawDelayOutOfRange`) with the token of this contract
    /// (`UnsupportedToken`), amount > 0 (`ZeroDeposit`), inflows open (`Guarded_InflowsPaused`), a collector of this
    /// deployment (`UnsupportedCollector`) or, with address(0), the payer as caller (`InvalidCollector`).
    /// Emits {Deposited}, and {ChannelCreated} the first time.
    ///
    /// @param config The channel
    /// @param amount Base units
    /// @param collector How the money comes; address(0) is a plain `transferFrom` of the caller
    /// @param collectorData For ERC-3009: abi.encode(validAfter, validBefore, salt, signature), where the authorization
    /// carries nonce = keccak256(abi.encode(channelId, salt)). For Permit2: abi.encode(nonce, deadline, signature,
    /// permit), where the signature names the collector as spender and has the witness
    /// `DepositWitness(bytes32 channelId)`, and `permit` is empty or abi.encode(value, deadline, v, r, s)
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external;

    /// @notice Claims under vouchers. The receiver or the receiver authorizer of each row; all rows or none.
    ///
    /// A row whose total is not above the channel's is left as it is. Rows called by the receiver authorizer may draw
    /// what the channel lacks from the pool of (payer, payerAuthorizer, receiverAuthorizer).
    ///
    /// Requirements: rows (`EmptyBatch`), authorised caller (`NotAuthorizedToClaim`), not above ceiling
    /// (`ClaimExceedsCeiling`) or money (`ClaimExceedsBalance`, `PoolInsufficient`), signed voucher
    /// (`InvalidSignature`).
    /// Emits {Claimed}; {PoolDrawn} for a row that draws, with {ChannelCreated} the first time.
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice As {claim}, by one signature of the common receiver authorizer over `ClaimBatch`. Anyone may send it.
    ///
    /// Requirements: as {claim}; one authorizer (`NotReceiverAuthorizer`); its signature (`InvalidSignature`).
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Pays a receiver all that was claimed for him. Anyone may call; nothing happens when there is nothing.
    ///
    /// Requirements: the token of this contract (`UnsupportedToken`).
    /// Emits {Settled}.
    function settle(address receiver, address token) external;

    /// @notice Asks unclaimed money of a channel back. Payer or payer authorizer (`InvalidChannel`).
    ///
    /// Requirements: amount > 0 (`NothingToWithdraw`), none pending (`WithdrawalAlreadyPending`), unclaimed
    /// (`WithdrawAmountExceedsAvailable`).
    /// Emits {WithdrawInitiated}.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Pays a pending withdrawal, as far as it is still unclaimed, to the payer. Payer or payer authorizer
    /// (`NotAuthorizedToFinalizeWithdraw`).
    ///
    /// Requirements: pending (`WithdrawalNotPending`), delay passed (`WithdrawDelayNotElapsed`).
    /// Emits {WithdrawFinalized}, and {ChannelClosed} when empty and never claimed.
    function finalizeWithdraw(ChannelConfig calldata config) external;

    /// @notice Gives at most `amount` of unclaimed money back to the payer. Receiver or receiver authorizer
    /// (`NotAuthorizedToRefund`). Raises the refund nonce, even if nothing is left to give back. A pending withdrawal
    /// shrinks by as much, and ends when nothing of it is left.
    ///
    /// Requirements: amount > 0 (`ZeroRefund`).
    /// Emits {Refunded} unless there is nothing, and {ChannelClosed} when empty and never claimed.
    function refund(ChannelConfig calldata config, uint128 amount) external;

    /// @notice As {refund}, by the receiver authorizer's signature of `Refund(channelId,nonce,amount)`.
    ///
    /// Requirements: current nonce (`InvalidRefundNonce`), `InvalidSignature`.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external;

    /// @notice Balance and claimed total of a channel.
    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);

    /// @notice Pending withdrawal of a channel; `initiatedAt` 0 means none.
    function pendingWithdrawals(bytes32 channelId) external view returns (uint128 amount, uint40 initiatedAt);

    /// @notice Nonce the next signed refund must carry.
    function refundNonce(bytes32 channelId) external view returns (uint256);

    /// @notice Claimed and paid totals of a receiver; zero for other tokens.
    function receivers(address receiver, address token)
        external
        view
        returns (uint128 totalClaimed, uint128 totalSettled);

    /// @notice EIP-712 digest of a config.
    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);

    /// @notice EIP-712 digest of `Voucher`.
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32);

    /// @notice EIP-712 digest of `ClaimBatch`.
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);

    /// @notice EIP-712 digest of `Refund`.
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32);

    /*////////////////////////////////////////////////////////////////////////
                              ONE VOUCHER IN ONE STEP
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice The claimed total of a channel rose by `claimAmount`, which was paid to its receiver at once. The totals
    /// of {receivers} know nothing of it.
    event ClaimedAndPaid(
        bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed
    );

    /// @notice Claims under one voucher and pays this claim to the receiver; what was claimed before waits for
    /// {settle}. With an empty signature the caller is the receiver or the receiver authorizer, as in {claim}; else
    /// anyone may send the receiver authorizer's signature over a `ClaimBatch` of this row, as in {claimWithSignature}.
    ///
    /// A row whose total is not above the channel's does nothing.
    ///
    /// Requirements: as {claim} and {claimWithSignature}; the token pays the receiver.
    /// Emits {ClaimedAndPaid}; {PoolDrawn} if it draws, with {ChannelCreated} the first time.
    function claimAndPay(VoucherClaim calldata voucherClaim, bytes calldata authorizerSignature) external;

    /*////////////////////////////////////////////////////////////////////////
                                      POOLS
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice `amount` was put into a pool.
    event PoolDeposited(
        bytes32 indexed poolId,
        address indexed payer,
        address payerAuthorizer,
        address indexed operator,
        uint96 amount,
        uint96 balance
    );

    /// @notice `amount` went from a pool into channels.
    event PoolDrawn(bytes32 indexed poolId, uint96 amount);

    /// @notice The payer asked `amount` back; `nonce` is the pool's new nonce.
    event PoolWithdrawInitiated(bytes32 indexed poolId, uint96 amount, uint40 finalizeAt, uint24 nonce);

    /// @notice The payer took his request back; `nonce` is the pool's new nonce.
    event PoolWithdrawCancelled(bytes32 indexed poolId, uint96 amount, uint24 nonce);

    /// @notice `amount` went back to the payer and `balance` is left; `nonce` is the pool's new nonce.
    event PoolWithdrawFinalized(bytes32 indexed poolId, uint96 amount, uint96 balance, uint24 nonce);

    /// @notice The operator shortened a pending withdrawal to `finalizeAt`.
    event PoolReleased(bytes32 indexed poolId, uint40 finalizeAt, uint24 nonce);

    /// @notice A row of {claimBatch} was left out.
    event RowSkipped(uint256 indexed group, uint256 indexed row, SkipReason reason);

    /// @notice A receiver could not be paid; his claim stays.
    event SettleSkipped(address indexed receiver);

    /// @notice The guardian sent tokens on that came by mistake.
    event TokenRescued(address indexed token, address indexed to, uint256 amount);

    /// @notice Puts `amount` of the caller into his pool for this authorizer and operator (needs an allowance).
    ///
    /// Requirements: amount > 0 (`PoolAmountZero`), operator not zero (`InvalidChannel`), inflows open.
    /// Emits {PoolDeposited}.
    function depositPool(address payerAuthorizer, address operator, uint96 amount) external;

    /// @notice Puts `amount` into the payer's pool by his ERC-3009 `ReceiveWithAuthorization` with
    /// nonce = keccak256(abi.encode(poolId, salt)). Anyone may send it.
    ///
    /// Requirements: as {depositPool}; the token's own checks.
    /// Emits {PoolDeposited}.
    function depositPoolWithAuthorization(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external;

    /// @notice Puts `amount` of the caller into his pool by his EIP-2612 permit of exactly `amount`. A permit sent by
    /// somebody else before does no harm.
    ///
    /// Requirements: as {depositPool}; an allowance of `amount` after the permit was tried.
    /// Emits {PoolDeposited}.
    function depositPoolWithPermit(
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Puts `amount` into the payer's pool by his Permit2 signature over exactly `amount`, with this contract
    /// as spender and the witness `PoolDepositWitness(bytes32 poolId)`. Anyone may send it.
    ///
    /// Requirements: as {depositPool}; the checks of Permit2 and an allowance of the payer for it.
    /// Emits {PoolDeposited}.
    function depositPoolWithPermit2(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Asks `amount` of the caller's pool back. More than the balance means all of it.
    ///
    /// Requirements: amount > 0 (`PoolAmountZero`), none pending (`PoolWithdrawalAlreadyPending`).
    /// Emits {PoolWithdrawInitiated}.
    function initiatePoolWithdraw(address payerAuthorizer, address operator, uint96 amount) external;

    /// @notice As {initiatePoolWithdraw}, by the payer's signature of
    /// `PoolWithdraw(poolId,amount,cancel=false,nonce,validUntil)`.
    ///
    /// Requirements: current nonce (`PoolNonceMismatch`), now <= validUntil (`AuthorizationExpired`),
    /// `InvalidSignature`.
    function initiatePoolWithdrawWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Takes the caller's request back.
    ///
    /// Requirements: pending (`PoolWithdrawalNotPending`).
    /// Emits {PoolWithdrawCancelled}.
    function cancelPoolWithdraw(address payerAuthorizer, address operator) external;

    /// @notice As {cancelPoolWithdraw}, by the payer's signature of
    /// `PoolWithdraw(poolId,amount=0,cancel=true,nonce,validUntil)`.
    ///
    /// Requirements: as {initiatePoolWithdrawWithSignature}.
    function cancelPoolWithdrawWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Pays a pending withdrawal, at most the balance, to the payer. Anyone may call.
    ///
    /// Requirements: pending (`PoolWithdrawalNotPending`), time come (`PoolWithdrawDelayNotElapsed`).
    /// Emits {PoolWithdrawFinalized}.
    function finalizePoolWithdraw(address payer, address payerAuthorizer, address operator) external;

    /// @notice Shortens a pending withdrawal to 15 minutes from now, if that is earlier. Only the operator
    /// (`NotPoolOperator`); it never pays at once, so that holders of receipts can claim first.
    ///
    /// Requirements: pending (`PoolWithdrawalNotPending`), current nonce (`PoolNonceMismatch`).
    /// Emits {PoolReleased}.
    function releasePool(address payer, address payerAuthorizer, address operator, uint24 nonce) external;

    /// @notice As {releasePool}, by the operator's signature of `PoolRelease(poolId,nonce,validUntil)`.
    ///
    /// Requirements: now <= validUntil (`AuthorizationExpired`), `InvalidSignature`.
    function releasePoolWithSignature(
        address payer,
        address payerAuthorizer,
        address operator,
        uint24 nonce,
        uint40 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Claims rows of many payers in packed form. A bad row is left out, whatever it holds.
    ///
    /// Authorised by the operator as caller, or by his signature over `ClaimBatch` of all whole rows in order, skipped
    /// ones included. Vouchers of plain accounts only, signatures in EIP-2098 form.
    ///
    /// Requirements: with an empty signature the caller is the operator (`NotAuthorizedToClaim`), else
    /// `InvalidSignature`.
    /// Emits {Claimed} a row, {PoolDrawn} a group, {RowSkipped} for rows left out.
    function claimBatch(address operator, Group[] calldata groups, bytes calldata operatorSignature) external;

    /// @notice As {settle} for many receivers; one that cannot be paid is left out. Anyone may call.
    ///
    /// Emits {Settled} or {SettleSkipped} for receivers with something to get.
    function settleMany(address[] calldata receivers_) external;

    /// @notice Pool word.
    function pools(bytes32 poolId)
        external
        view
        returns (uint96 balance, uint96 withdrawAmount, uint40 finalizeAt, uint24 nonce);

    /// @notice EIP-712 digest of `PoolKey`.
    function getPoolId(address payer, address payerAuthorizer, address operator) external view returns (bytes32);

    /// @notice EIP-712 digest of `PoolWithdraw`.
    function getPoolWithdrawDigest(bytes32 poolId, uint96 amount, bool cancel, uint24 nonce, uint40 validUntil)
        external
        view
        returns (bytes32);

    /// @notice EIP-712 digest of `PoolRelease`.
    function getPoolReleaseDigest(bytes32 poolId, uint24 nonce, uint40 validUntil) external view returns (bytes32);

    /// @notice EIP-712 digest the operator signs for {claimBatch}.
    function getGroupsDigest(address operator, Group[] calldata groups) external view returns (bytes32);

    /// @notice Sends tokens other than the one of this contract, which can only have come by mistake. Only the guardian
    /// (`Guarded_CallerNotGuardian`).
    ///
    /// Requirements: not the token of this contract (`UnsupportedToken`).
    /// Emits {TokenRescued}.
    function rescueToken(address token_, address to, uint256 amount) external;

    /// @notice The only token taken.
    function token() external view returns (address);

    /// @notice Collector of ERC-3009 deposits.
    function erc3009Collector() external view returns (address);

    /// @notice Collector of Permit2 deposits.
    function permit2Collector() external view returns (address);

    /// @notice EIP-712 domain separator in force.
    function domainSeparator() external view returns (bytes32);
}
