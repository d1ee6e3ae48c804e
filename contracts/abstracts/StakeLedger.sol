// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../interfaces/IReputation.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {StakeMath} from "../libraries/StakeMath.sol";
import {RecordWord} from "../types/RecordWord.sol";
import {Record, Stake, StakeResult} from "../types/StakeTypes.sol";
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

    mapping(address agent => Stake stake) private _stakes;

    mapping(address agent => RecordWord word) private _records;

    /// @inheritdoc IReputation
    mapping(address agent => uint96 amount) public override unstakeRequest;

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
        Stake memory held = _stakes[agent];
        // Check: a request is open and its time has come.
        if (held.unbondAt == 0) revert Errors.Stake_NotRequested(agent);
        if (block.timestamp < held.unbondAt) revert Errors.Stake_Unbonding(held.unbondAt);
        // Check: something is not locked.
        uint96 requested = unstakeRequest[agent];
        uint96 free = held.staked - held.locked;
        if (free == 0) revert Errors.Stake_Insufficient(agent, free, requested);
        // Effect: take what is free, at most what was asked for, and end the request.
        uint96 amount = requested < free ? requested : free;
        held.staked -= amount;
        held.unbondAt = 0;
        _stakes[agent] = held;
        delete unstakeRequest[agent];
        emit Unstaked({agent: agent, amount: amount});
        // Interaction: pay.
        _push(agent, amount);
    }

    /// @inheritdoc IReputation
    function fundBonusPool(uint96 amount) external override nonReentrant whenInflowsOpen {
        // Check: there is an amount.
        if (amount == 0) revert Errors.Stake_AmountZero();
        // Effect: grow the pool.
        bonusPool += amount;
        emit BonusPoolFunded({from: msg.sender, amount: amount});
        // Interaction: pull the tokens.
        _pull(msg.sender, amount);
    }

    /*////////////////////////////////////////////////////////////////////////
                                   ESCROW ONLY
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReputation
    function lock(address agent, bytes32 escrowId, uint96 amount) external override onlyEscrow {
        Stake storage held = _stakes[agent];
        (uint96 staked, uint96 locked) = (held.staked, held.locked);
        // Check: enough stake is free.
        uint96 free = staked - locked;
        if (amount > free) revert Errors.Stake_Insufficient(agent, free, amount);
        // Effect: lock it.
        held.locked = locked + amount;
        emit StakeLocked({agent: agent, escrowId: escrowId, amount: amount});
    }

    /// @inheritdoc IReputation
    function unlock(StakeResult calldata result, uint96 bonusCap) external override onlyEscrow {
        (address agent, bytes32 escrowId, uint96 lockAmount) = (result.agent, result.escrowId, result.lockAmount);
        // Effect: give the lock back.
        _stakes[agent].locked -= lockAmount;
        emit StakeUnlocked({agent: agent, escrowId: escrowId, amount: lockAmount});
        _record(result);
        // Effect: pay the bonus out of the pool, as far as it goes.
        if (bonusCap == 0) return;
        uint256 pool = bonusPool;
        uint256 bonus = bonusCap < pool ? bonusCap : pool;
        if (bonus == 0) return;
        bonusPool = pool - bonus;
        _credit(agent, bonus);
        emit BonusPaid({agent: agent, escrowId: escrowId, amount: uint96(bonus)});
    }

    /// @inheritdoc IReputation
    function slash(StakeResult calldata result, address client, uint96 toClient, uint96 toPool)
        external
        override
        onlyEscrow
    {
        (address agent, bytes32 escrowId, uint96 lockAmount) = (result.agent, result.escrowId, result.lockAmount);
        uint256 amount = uint256(toClient) + toPool;
        // Check: never more than the lock of this escrow.
        if (amount > lockAmount) revert Errors.Stake_SlashExceedsLock(escrowId, amount, lockAmount);
        // Effect: take the slashed part and give the rest of the lock back.
        Stake storage held = _stakes[agent];
        held.locked -= lockAmount;
        held.staked -= uint96(amount);
        // Effect: pass it on.
        _credit(client, toClient);
        if (toPool > 0) bonusPool += toPool;
        emit StakeSlashed({
            agent: agent, escrowId: escrowId, amount: uint96(amount), toClient: toClient, toPool: toPool
        });
        _record(result);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReputation
    function stakeOf(address agent) external view override returns (Stake memory) {
        return _stakes[agent];
    }

    /// @inheritdoc IReputation
    function freeStake(address agent) external view override returns (uint256) {
        return _stakes[agent].staked - _stakes[agent].locked;
    }

    /// @inheritdoc IReputation
    function recordOf(address agent) external view override returns (Record memory) {
        return _records[agent].decode();
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
        // Effect: add it.
        uint96 staked = _stakes[agent].staked + amount;
        _stakes[agent].staked = staked;
        emit Staked({agent: agent, amount: amount, staked: staked});
    }

    /// @dev Starts or restarts the wait. Nothing leaves the stake: it stays slashable until it is paid.
    function _requestUnstake(address agent, uint96 amount) private {
        // Check: there is an amount and the stake holds it.
        if (amount == 0) revert Errors.Stake_AmountZero();
        uint96 staked = _stakes[agent].staked;
        if (amount > staked) revert Errors.Stake_Insufficient(agent, staked, amount);
        // Effect: note amount and time.
        uint40 unbondAt = uint40(block.timestamp) + unbondingPeriod;
        unstakeRequest[agent] = amount;
        _stakes[agent].unbondAt = unbondAt;
        emit UnstakeRequested({agent: agent, amount: amount, unbondAt: unbondAt});
    }

    /// @dev Enters an outcome into the agent's record.
    function _record(StakeResult calldata result) private {
        (address agent, uint96 settledValue) = (result.agent, result.settledValue);
        // Effect: one slot.
        _records[agent] = _records[agent].withOutcome(result.outcome, settledValue);
        emit OutcomeRecorded({
            agent: agent, escrowId: result.escrowId, outcome: result.outcome, settledValue: settledValue
        });
    }
}
