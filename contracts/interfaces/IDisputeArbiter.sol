// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BallotState, DisputePeriod, DisputeState, RoundState} from "../types/DisputeTypes.sol";
import {IArbitrator} from "./IArbitrator.sol";
import {IEvidence} from "./IEvidence.sol";
import {IJurorLedger} from "./IJurorLedger.sol";

/// @title IDisputeArbiter
/// @notice Disputes between two sides, ruled by drawn jurors who commit to their votes before they show them.
///
/// Choice and ruling 1 is the first side, 2 the second, 0 refusal or tie. The id of a dispute is the hash of who asked
/// and of its extra data, so the data ride in calldata and only the id is stored.
interface IDisputeArbiter is IArbitrator, IJurorLedger, IEvidence {
    /// @notice What the dispute's id was made of: a reference and the accounts that can be no jurors.
    event DisputeParties(uint256 indexed disputeID, bytes extraData);

    /// @notice An account said that it is related to a party and can be no juror either.
    event RelatedDisclosed(uint256 indexed disputeID, address indexed party, address account);

    /// @notice The dispute entered a period.
    event NewPeriod(uint256 indexed disputeID, DisputePeriod period);

    /// @notice The juror got a seat.
    event JurorDrawn(uint256 indexed disputeID, uint8 indexed round, address indexed juror, uint8 seat);

    /// @notice The juror committed to a vote.
    event CommitCast(uint256 indexed disputeID, address indexed juror, bytes32 commitment);

    /// @notice The juror's vote was shown and counted once for each of his seats.
    event VoteCast(uint256 indexed disputeID, address indexed juror, uint8 choice, uint8 seats);

    /// @notice The juror's vote was known to the reporter before its time; the juror's stake at risk is lost.
    event LeakReported(uint256 indexed disputeID, address indexed juror, address indexed reporter, uint96 share);

    /// @notice A side of an appeal got `amount` base units.
    event AppealContributed(
        uint256 indexed disputeID, uint8 indexed round, address indexed account, uint8 side, uint96 amount
    );

    /// @notice An authorization was over more than the side needed; the rest went to the account's balance.
    event ExcessCredited(uint256 indexed disputeID, address indexed account, uint96 amount);

    /// @notice The guardian sent tokens on that came by mistake.
    event TokenRescued(address indexed token, address indexed to, uint256 amount);

    /// @notice The final ruling was handed to the arbitrable, at most once.
    event Ruling(address indexed arbitrable, uint256 indexed disputeID, uint256 ruling);

    /// @notice The arbitrable failed to take the ruling; {currentRuling} still shows it.
    event RulingUndelivered(uint256 indexed disputeID);

    /// @notice A juror's round was settled: `returned` base units went back to the stake, `reward` to the balance.
    event BallotSettled(
        uint256 indexed disputeID, uint8 indexed round, address indexed juror, uint96 returned, uint96 reward
    );

    /// @notice What a contributor of an appeal is due went to his balance.
    event ContributionReturned(uint256 indexed disputeID, uint8 indexed round, address indexed account, uint96 amount);

    /// @notice What nobody earned in a round went to the sink.
    event RoundSwept(uint256 indexed disputeID, uint8 indexed round, uint96 amount);

    /// @notice An account says that it is related to a party (an address of the extra data) and must not judge: by its
    /// own call, or by its signature of `Disclosure(disputeId,account)`. Nobody can say so of another.
    ///
    /// Requirements: period Evidence (`Arbiter_WrongPeriod`); `Arbiter_InvalidExtraData`; party is named in the extra
    /// data (`Arbiter_NotParty`); new and not the thirteenth (`Arbiter_CannotDisclose`); the account calls or signed
    /// (`Arbiter_InvalidSignature`).
    /// Emits {RelatedDisclosed}.
    function disclose(
        uint256 disputeID,
        bytes calldata extraData,
        address party,
        address account,
        bytes calldata signature
    ) external;

    /// @notice Publishes evidence of the caller. Anyone may call; readers judge by who did.
    ///
    /// Requirements: a dispute that is not Solved (`Arbiter_WrongPeriod`).
    /// Emits {IEvidence.Evidence}.
    function submitEvidence(uint256 disputeID, string calldata evidence) external;

    /// @notice Writes down what time has done to the dispute; after Evidence, queues the round for the draw. Anyone may
    /// call. Every other function sees the effect of time also without this call.
    ///
    /// Requirements: something has changed (`Arbiter_WrongPeriod`).
    /// Emits {NewPeriod}, {AppealPossible}.
    function advance(uint256 disputeID) external;

    /// @notice Fills up to `maxSeats` seats of the waiting round, by the random number of the session. However the
    /// steps are cut, the panel is the same. Anyone may call.
    ///
    /// Nobody is drawn while half of the stake that may judge is at risk in other disputes. A round with most of its
    /// seats empty when nobody more can be drawn waits for the next session with the seats it has, for as long as two
    /// sessions, a vote and an appeal take; then who is there votes, and if nobody is, nothing is decided.
    ///
    /// Requirements: period Drawing (`Arbiter_WrongPeriod`); the session draws and the round belongs to it
    /// (`Arbiter_SessionNotReady`); `Arbiter_InvalidExtraData`.
    /// Emits {JurorDrawn}, {NewPeriod}, {SessionAdvanced} with the last round of the session.
    function draw(uint256 disputeID, bytes calldata extraData, uint256 maxSeats) external;

    /// @notice Commits the caller to a vote: `commitment` is the digest of
    /// `Vote(disputeId,round,juror,choice,salt)` in the domain of this contract.
    ///
    /// Requirements: period Commit (`Arbiter_WrongPeriod`); a seat without commitment (`Arbiter_NoBallot`); not zero
    /// (`Arbiter_InvalidVote`).
    /// Emits {CommitCast}; with the last commitment {NewPeriod}.
    function commit(uint256 disputeID, bytes32 commitment) external;

    /// @notice As {commit}, by the juror's signature of `Commit(disputeId,round,commitment)`. Anyone may send it.
    ///
    /// Requirements: as {commit}; `Arbiter_InvalidSignature`.
    /// Emits as {commit}.
    function commitWithSignature(uint256 disputeID, address juror, bytes32 commitment, bytes calldata signature)
        external;

    /// @notice Shows a vote. Anyone who has choice and salt may send it, so jurors need no gas.
    ///
    /// Requirements: period Reveal (`Arbiter_WrongPeriod`); a committed, not revealed ballot (`Arbiter_NoBallot`); the
    /// commitment was made of exactly these (`Arbiter_InvalidVote`).
    /// Emits {VoteCast}; with the last vote {NewPeriod}.
    function reveal(uint256 disputeID, address juror, uint8 choice, bytes32 salt) external;

    /// @notice Proves that a vote is known before its time. It is void and the juror loses what is at risk; the caller
    /// gets a share that is less than the penalty of a wrong vote.
    ///
    /// Requirements: as {reveal}, but period Commit.
    /// Emits {LeakReported}.
    function reportLeak(uint256 disputeID, address juror, uint8 choice, bytes32 salt) external;

    /// @notice Pays up to `amount` base units of the caller towards an appeal of `side`; no more than is missing is
    /// taken. The side the votes are against needs twice the cost, in the first half of the period; the other side
    /// needs the cost. After a tie both need twice the cost, and the second half is only for answering.
    ///
    /// Requirements: period Appeal (`Arbiter_WrongPeriod`); the side can still be funded (`Arbiter_NotFundable`).
    /// Emits {AppealContributed}; when both sides are funded {AppealDecision} and {NewPeriod}.
    function fundAppeal(uint256 disputeID, uint8 side, uint96 amount) external;

    /// @notice As {fundAppeal}, by the ERC-3009 `ReceiveWithAuthorization` of `account` over exactly `amount` with
    /// nonce = keccak256(abi.encode(disputeID, round, side, salt)). What is too much goes to the account's balance.
    /// Anyone may send it.
    ///
    /// Requirements: as {fundAppeal}; the token's own checks of window, nonce and signature.
    /// Emits as {fundAppeal}, and {ExcessCredited} for what is too much.
    function fundAppealWithAuthorization(
        uint256 disputeID,
        uint8 side,
        address account,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external;

    /// @notice Sends tokens other than USDC, which can only have come by mistake. Only the guardian
    /// (`Guarded_CallerNotGuardian`).
    ///
    /// Requirements: not USDC (`Rescue_TokenInUse`).
    /// Emits {TokenRescued}.
    function rescueToken(address token, address to, uint256 amount) external;

    /// @notice Hands the final ruling to the arbitrable. Anyone may call. A failing arbitrable changes nothing: the
    /// ruling stays readable.
    ///
    /// Requirements: period Solved (`Arbiter_WrongPeriod`); once (`Arbiter_AlreadyExecuted`); the full gas of the call
    /// is left (`Arbiter_InsufficientGas`).
    /// Emits {Ruling}, and {RulingUndelivered} after a failure.
    function executeRuling(uint256 disputeID) external;

    /// @notice Settles one juror of one round: stake at risk back to the stake less the penalty, reward to the balance.
    /// Anyone may call.
    ///
    /// Requirements: period Solved (`Arbiter_WrongPeriod`); a ballot not settled (`Arbiter_NothingDue`).
    /// Emits {BallotSettled}.
    function claim(uint256 disputeID, uint8 round, address juror) external;

    /// @notice Credits a contributor of an appeal: everything if no round followed, else his part of what the round
    /// left over if his side won (of both sides after a tie). Anyone may call.
    ///
    /// Requirements: period Solved (`Arbiter_WrongPeriod`); something is due (`Arbiter_NothingDue`).
    /// Emits {ContributionReturned}.
    function claimContribution(uint256 disputeID, uint8 round, address account) external;

    /// @notice Credits the sink with what nobody earned in a round. Anyone may call.
    ///
    /// Requirements: period Solved (`Arbiter_WrongPeriod`); once a round (`Arbiter_NothingDue`).
    /// Emits {RoundSwept}.
    function sweep(uint256 disputeID, uint8 round) external;

    /// @notice ERC-792 appeal in the native token: always reverts (`Arbiter_NativeTokenNotTaken`).
    function appeal(uint256 disputeID, bytes calldata extraData) external payable;

    /// @notice ERC-792 cost of an appeal in the native token: more than there is.
    function appealCost(uint256 disputeID, bytes calldata extraData) external view returns (uint256 cost);

    /// @notice Base units the next round of the dispute costs; each side needs this once or twice, see {fundAppeal}.
    function appealCost(uint256 disputeID) external view returns (uint256 cost);

    /// @notice The dispute as time has made it.
    function disputeOf(uint256 disputeID) external view returns (DisputeState memory);

    /// @notice A round of a dispute.
    function roundOf(uint256 disputeID, uint8 round) external view returns (RoundState memory);

    /// @notice The jurors of a round, one entry a seat.
    function panelOf(uint256 disputeID, uint8 round) external view returns (address[] memory jurors);

    /// @notice What a juror did in a round; the fields are those of `Ballot`.
    function ballotOf(uint256 disputeID, uint8 round, address juror)
        external
        view
        returns (bytes25 commitment, uint8 seats, uint8 choice, BallotState state, bool settled);

    /// @notice Base units raised for either side of the appeal against a round.
    function appealOf(uint256 disputeID, uint8 round) external view returns (uint96 first, uint96 second);

    /// @notice What an account paid towards the appeal against a round and has not got back.
    function contributionOf(uint256 disputeID, uint8 round, address account)
        external
        view
        returns (uint96 first, uint96 second);

    /// @notice Accounts that said they are related to a party.
    function relatedOf(uint256 disputeID) external view returns (address[] memory);

    /// @notice Id of the dispute an arbitrable would create, or has created, with these extra data.
    function disputeIdOf(address arbitrable, bytes calldata extraData) external view returns (uint256);

    /// @notice Longest time from creation to the final ruling in seconds, if every step is taken when it can be.
    function maxDuration() external view returns (uint256);

    /// @notice True while enough jurors are staked to fill a first panel.
    function canRule() external view returns (bool);

    /// @notice Gets what nobody earned.
    function sink() external view returns (address);

    /// @notice Fee of one seat in base units.
    function feePerSeat() external view returns (uint96);

    /// @notice What a seat puts at risk, in base units; lost by a juror who does not show a vote.
    function stakePerSeat() external view returns (uint96);

    /// @notice What a seat against the final round loses, in base units.
    function incoherencePenalty() external view returns (uint96);

    /// @notice What a reporter of a leak gets for each seat, in base units.
    function leakShare() external view returns (uint96);
}
