// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IBonusGate} from "../interfaces/IBonusGate.sol";
import {IReputation} from "../interfaces/IReputation.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {StakeMath} from "../libraries/StakeMath.sol";
import {AgentWord, AgentWordLib} from "../types/AgentWord.sol";
import {Outcome} from "../types/EscrowTypes.sol";
import {AgentNotes, PoolChange, Record, Stake} from "../types/StakeTypes.sol";
import {GuardedInflow} from "./GuardedInflow.sol";
import {Ledger} from "./Ledger.sol";

/// @title StakeLedger
/// @notice Stakes, their locks, and where slashed stake goes. See {IReputation}.
///
/// @dev Money in this contract is always the sum of three things: stakes, balances and the bonus pool. A lock is not
/// stored per escrow: its size follows from the terms, and Escrow keeps the one flag that says whether it is open.
/// A crash between two steps cannot happen on chain; a call of Escrow that fails leaves that flag set.
abstract contract StakeLedger is
    IReputation, // 3 inherited components
    Ledger, // 4 inherited components
    GuardedInflow // 1 inherited component
{
    bytes32 private constant UNSTAKE_TYPEHASH =
        keccak256("Unstake(address agent,uint96 amount,uint256 nonce,uint40 validUntil)");

    /// @inheritdoc IReputation
    address public immutable override escrow;

    /// @inheritdoc IReputation
    uint40 public immutable override unbondingPeriod;

    mapping(address agent => AgentWord word) private _agents;

    mapping(address agent => AgentNotes notes) private _notes;

    /// @inheritdoc IReputation
    mapping(address agent => uint256 nonce) public override unstakeNonce;

    /// @inheritdoc IReputation
    uint256 public override bonusPool;

    modifier onlyEscrow() {
        // Check: the caller is Escrow.
        if (msg.sender != escrow) revert Errors.Stake_CallerNotEscrow(msg.sender);
        _;
    }

    constructor(address escrow_, uint40 unbondingPeriod_) {
        escrow = escrow_;
        unbondingPeriod = unbondingPeriod_;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReputation
    function stake(uint96 amount) external override nonReentrant whenInflowsOpen {
        _addStake(msg.sender, amount);
        // Interaction: pull the tokens.
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IReputation
    function stakeWithAuthorization(
        address agent,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external override nonReentrant whenInflowsOpen {
        _addStake(agent, amount);
        // Interaction: pull the tokens; the nonce commits to the agent, so nobody can stake them for another.
        _pullWithAuthorization({
            from: agent,
            amount: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: keccak256(abi.encode(agent, salt)),
            signature: signature
        });
    }

    /// @inheritdoc IReputation
    function requestUnstake(uint96 amount) external override nonReentrant {
        _requestUnstake(msg.sender, amount);
    }

    /// @inheritdoc IReputation
    function requestUnstakeWithSignature(address agent, uint96 amount, uint40 validUntil, bytes calldata signature)
        external
        override
        nonReentrant
    {
        // Check: the message is still valid.
        if (block.timestamp > validUntil) revert Errors.Stake_SignatureExpired(validUntil);
        // Check: the agent signed it for his current nonce.
        uint256 nonce = unstakeNonce[agent];
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(UNSTAKE_TYPEHASH, agent, amount, nonce, validUntil)));
        if (!SignatureLib.isValid(agent, digest, signature)) revert Errors.Stake_InvalidSignature(agent);
        // Effect: use the nonce up.
        unstakeNonce[agent] = nonce + 1;
        _requestUnstake(agent, amount);
    }

    /// @inheritdoc IReputation
    function completeUnstake(address agent) external override nonReentrant {
        AgentNotes storage notes = _notes[agent];
        (uint96 requested, uint40 unbondAt) = (notes.requested, notes.unbondAt);
        // Check: a request is open and its time has come.
        if (unbondAt == 0) revert Errors.Stake_NotRequested(agent);
        if (block.timestamp < unbondAt) revert Errors.Stake_Unbonding(unbondAt);
        // Check: something is not locked.
        AgentWord word = _agents[agent];
        (uint96 staked, uint96 locked) = (word.staked(), word.locked());
        uint96 free = staked - locked;
        if (free == 0) revert Errors.Stake_Insufficient(agent, free, requested);
        // Effect: take what is free, at most what was asked for, and end the request.
        uint96 amount = requested < free ? requested : free;
        _agents[agent] = word.withStake(staked - amount, locked);
        notes.requested = 0;
        notes.unbondAt = 0;
        emit Unstaked({agent: agent, amount: amount});
        // Interaction: pay.
        _push(agent, amount);
    }

    /// @inheritdoc IReputation
    function fundBonusPool(uint96 amount) external override nonReentrant whenInflowsOpen {
        // Check: there is an amount.
        if (amount == 0) revert Errors.Stake_AmountZero();
        // Effect: grow the pool.
        uint256 pool = bonusPool;
        bonusPool = pool + amount;
        emit BonusPoolFunded({from: msg.sender, amount: amount});
        // Interaction: pull the tokens.
        _pull(msg.sender, amount);
        // Interaction: Escrow asks for bonuses as long as it knows of something.
        if (pool == 0) IBonusGate(escrow).noteBonusPool();
    }

    /*////////////////////////////////////////////////////////////////////////
                                   ESCROW ONLY
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReputation
    function lock(address agent, bytes32 escrowId, uint96 amount) external override onlyEscrow {
        AgentWord word = _agents[agent];
        (uint96 staked, uint96 locked) = (word.staked(), word.locked());
        // Check: enough stake is free.
        uint96 free = staked - locked;
        if (amount > free) revert Errors.Stake_Insufficient(agent, free, amount);
        // Effect: lock it.
        _agents[agent] = word.withStake(staked, locked + amount);
        emit StakeLocked({agent: agent, escrowId: escrowId, amount: amount});
    }

    /// @inheritdoc IReputation
    function unlock(
        address agent,
        bytes32 escrowId,
        uint96 lockAmount,
        Outcome outcome,
        uint96 settledValue,
        uint96 bonusCap
    ) external override onlyEscrow returns (PoolChange change) {
        // Effect: give the lock back.
        AgentWord word = _agents[agent];
        word = word.withStake(word.staked(), word.locked() - lockAmount);
        emit StakeUnlocked({agent: agent, escrowId: escrowId, amount: lockAmount});
        _record(agent, escrowId, word, outcome, settledValue);
        // Effect: pay the bonus out of the pool, as far as it goes.
        if (bonusCap == 0) return PoolChange.None;
        uint256 pool = bonusPool;
        uint256 bonus = bonusCap < pool ? bonusCap : pool;
        if (bonus == 0) return PoolChange.Emptied;
        bonusPool = pool - bonus;
        _credit(agent, bonus);
        emit BonusPaid({agent: agent, escrowId: escrowId, amount: uint96(bonus)});
        return pool == bonus ? PoolChange.Emptied : PoolChange.None;
    }

    /// @inheritdoc IReputation
    function slash(
        address agent,
        bytes32 escrowId,
        uint96 lockAmount,
        Outcome outcome,
        uint96 settledValue,
        uint96 toClient,
        uint96 toPool,
        address client
    ) external override onlyEscrow returns (PoolChange change) {
        uint256 amount = uint256(toClient) + toPool;
        // Check: never more than the lock of this escrow.
        if (amount > lockAmount) revert Errors.Stake_SlashExceedsLock(escrowId, amount, lockAmount);
        // Effect: take the slashed part and give the rest of the lock back.
        AgentWord word = _agents[agent];
        word = word.withStake(word.staked() - amount, word.locked() - lockAmount);
        // Effect: pass it on.
        _credit(client, toClient);
        if (toPool > 0) {
            bonusPool += toPool;
            change = PoolChange.Filled;
        }
        emit StakeSlashed({
            agent: agent, escrowId: escrowId, amount: uint96(amount), toClient: toClient, toPool: toPool
        });
        _record(agent, escrowId, word, outcome, settledValue);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReputation
    function stakeOf(address agent) external view override returns (Stake memory) {
        AgentWord word = _agents[agent];
        return Stake({staked: word.staked(), locked: word.locked(), unbondAt: _notes[agent].unbondAt, flags: 0});
    }

    /// @inheritdoc IReputation
    function freeStake(address agent) external view override returns (uint256) {
        AgentWord word = _agents[agent];
        return word.staked() - word.locked();
    }

    /// @inheritdoc IReputation
    function unstakeRequest(address agent) external view override returns (uint96) {
        return _notes[agent].requested;
    }

    /// @inheritdoc IReputation
    function recordOf(address agent) external view override returns (Record memory) {
        AgentWord word = _agents[agent];
        AgentNotes storage notes = _notes[agent];
        return Record({
            completed: word.completed(),
            failed: word.failed(),
            disputed: notes.disputed,
            lost: notes.lost,
            settledValue: word.settledValue(),
            lastOutcomeAt: word.lastOutcomeAt()
        });
    }

    /// @inheritdoc IReputation
    function requiredStake(uint96 amount) external pure override returns (uint96) {
        return StakeMath.required(amount);
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Books stake before the tokens are pulled; a pull that fails undoes it.
    function _addStake(address agent, uint96 amount) private {
        // Check: there is an amount.
        if (amount == 0) revert Errors.Stake_AmountZero();
        // Check: the slot holds it.
        AgentWord word = _agents[agent];
        uint256 sum = uint256(word.staked()) + amount;
        if (sum > AgentWordLib.MAX_STAKE) revert Errors.Stake_AboveMaximum(agent, sum, AgentWordLib.MAX_STAKE);
        // Effect: add it.
        uint96 staked = uint96(sum);
        _agents[agent] = word.withStake(staked, word.locked());
        emit Staked({agent: agent, amount: amount, staked: staked});
    }

    /// @dev Starts or restarts the wait. Nothing leaves the stake: it stays slashable until it is paid.
    function _requestUnstake(address agent, uint96 amount) private {
        // Check: there is an amount and the stake holds it.
        if (amount == 0) revert Errors.Stake_AmountZero();
        uint96 staked = _agents[agent].staked();
        if (amount > staked) revert Errors.Stake_Insufficient(agent, staked, amount);
        // Effect: note amount and time.
        uint40 unbondAt = uint40(block.timestamp) + unbondingPeriod;
        AgentNotes storage notes = _notes[agent];
        notes.requested = amount;
        notes.unbondAt = unbondAt;
        emit UnstakeRequested({agent: agent, amount: amount, unbondAt: unbondAt});
    }

    /// @dev Enters an outcome into the agent's word and stores it: one slot, and another one for what was disputed.
    function _record(address agent, bytes32 escrowId, AgentWord word, Outcome outcome, uint96 settledValue) private {
        // Effect: counts that are full stay so, none can keep the stake locked.
        if (outcome >= Outcome.Lost && outcome <= Outcome.Stalled) {
            AgentNotes storage notes = _notes[agent];
            if (notes.disputed < type(uint32).max) ++notes.disputed;
            if (outcome == Outcome.Lost && notes.lost < type(uint32).max) ++notes.lost;
        }
        _agents[agent] = word.withOutcome(outcome, settledValue);
        emit OutcomeRecorded({agent: agent, escrowId: escrowId, outcome: outcome, settledValue: settledValue});
    }
}
