// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Life of an escrow. The numbers are part of the state word and never change.
///
/// @custom:value None Not funded.
/// @custom:value Funded Money is in, the provider has not accepted.
/// @custom:value Accepted The provider's stake is locked and he is at work.
/// @custom:value Submitted A deliverable is in and the challenge clock runs.
/// @custom:value Challenged The client disputes and the provider may answer until the clock.
/// @custom:value Disputed An arbiter decides; from the clock on anyone may end it without him.
/// @custom:value Ruled A ruling is recorded and waits for execution.
/// @custom:value Closed Everything is released or refunded. Final.
enum Status {
    None,
    Funded,
    Accepted,
    Submitted,
    Challenged,
    Disputed,
    Ruled,
    Closed
}

/// @notice How an escrow ended. Written over the ruling byte of the state word when it closes.
///
/// @custom:value None Still open.
/// @custom:value Completed Released by client, quorum or clock.
/// @custom:value Settled Split by both signatures, whether or not the provider had accepted.
/// @custom:value Returned The provider gave back before the deadline, or after he had submitted.
/// @custom:value Missed Nothing was submitted by the delivery deadline.
/// @custom:value Lost A dispute went to the client.
/// @custom:value Won A dispute went to the provider.
/// @custom:value Tie A dispute ended without a winner.
/// @custom:value Stalled The arbiter did not answer in time.
/// @custom:value Cancelled All of it went back before the provider had accepted.
enum Outcome {
    None,
    Completed,
    Settled,
    Returned,
    Missed,
    Lost,
    Won,
    Tie,
    Stalled,
    Cancelled
}

/// @notice A party of an escrow, in the order in which quorum signatures must be given.
enum Role {
    Client,
    Provider,
    Verifier
}

/// @notice Everything both parties agree on. Kept in calldata; its EIP-712 digest is the escrow id.
///
/// @param client Buyer, pays and gets refunds
/// @param provider Agent, stakes and gets paid
/// @param verifier Optional third signer of a quorum, address(0) if none
/// @param arbiter Optional arbiter of disputes, address(0) if none
/// @param amount Price in base units of the token
/// @param feeBps Fee in basis points, equal to the fee in force when funded
/// @param quorum Signatures needed by `releaseWithQuorum`, 0 turns that road off
/// @param acceptBy Unix second before which the provider must accept
/// @param deliverBy Unix second before which the provider must submit
/// @param challengePeriod Seconds the client has after a submission
/// @param disputeTimeout Seconds an arbiter has at least
/// @param jobHash Commitment to the task document, the winning bid and the root of all bids
/// @param salt Makes the id unique
struct Terms {
    address client;
    address provider;
    address verifier;
    address arbiter;
    uint96 amount;
    uint16 feeBps;
    uint8 quorum;
    uint40 acceptBy;
    uint40 deliverBy;
    uint32 challengePeriod;
    uint32 disputeTimeout;
    bytes32 jobHash;
    uint256 salt;
}

/// @notice A provider's signed consent to terms that may not be funded yet.
///
/// @param validUntil Last unix second at which it counts
/// @param signature Signature of `Acceptance(escrowId,validUntil)`; empty means no acceptance is given
struct Acceptance {
    uint40 validUntil;
    bytes signature;
}

/// @notice One signature of a quorum.
struct RoleSignature {
    Role role;
    bytes signature;
}

/// @notice A signature of an ERC-3009 authorization that pays a bond.
///
/// @param validBefore Unix second before which it counts
/// @param signature The party's signature for the token; empty means the bond comes from the party's balance
struct BondAuthorization {
    uint256 validBefore;
    bytes signature;
}

/// @notice What an escrow keeps of its dispute. One storage slot.
///
/// @param clientBond Base units the client put up, 0 once paid out
/// @param disputeId Number of the dispute at the arbiter, meaningful from Disputed on
struct DisputeState {
    // slot 0
    uint96 clientBond;
    uint160 disputeId;
}

/// @notice Where fees go, what waits there, and what a release that pays a fee must know besides. One storage slot.
///
/// @param recipient Account the fees are credited to
/// @param accrued Base units that are part of the recipient's balance and not yet booked there
/// @param bonusOpen Whether Reputation's bonus pool may hold anything; false only if it holds nothing
struct FeeState {
    // slot 0
    address recipient;
    uint88 accrued;
    bool bonusOpen;
}

/// @notice The state word of an escrow, decoded.
///
/// @param released Base units credited to the provider so far, fee included
/// @param refunded Base units credited to the client so far
/// @param clock End of the current period as unix seconds: challenge, response or arbitration; 0 before the submission
/// @param status See `Status`
/// @param ruling Ruling of the arbiter while Ruled, the `Outcome` once Closed
/// @param flags Bit 0 rated by client, bit 1 rated by provider, bit 2 stake locked, bit 3 once accepted
/// @param word The stored word itself
struct EscrowState {
    uint96 released;
    uint96 refunded;
    uint40 clock;
    Status status;
    uint8 ruling;
    uint8 flags;
    bytes32 word;
}

/// @notice What a deployment of Escrow fixes for ever, except fee and fee recipient, which are only the first values.
///
/// @param token USDC of the network
/// @param admin Sets fee and fee recipient, may reopen inflows
/// @param guardian May pause inflows
/// @param feeRecipient Account the fees are credited to
/// @param feeBps Fee in basis points for escrows funded from now on
/// @param maxFeeBps Highest fee the admin may set, in basis points
/// @param minChallengePeriod Shortest challenge period, seconds
/// @param maxChallengePeriod Longest challenge period, seconds
/// @param maxAcceptWindow Longest time from funding to `acceptBy`, seconds
/// @param maxDeliverWindow Longest time from funding to `deliverBy`, seconds
/// @param maxDisputeTimeout Longest dispute timeout, seconds
/// @param unbondingPeriod Time an agent waits for his stake, seconds
struct EscrowConfig {
    address token;
    address admin;
    address guardian;
    address feeRecipient;
    uint16 feeBps;
    uint16 maxFeeBps;
    uint32 minChallengePeriod;
    uint32 maxChallengePeriod;
    uint32 maxAcceptWindow;
    uint32 maxDeliverWindow;
    uint32 maxDisputeTimeout;
    uint32 unbondingPeriod;
}
