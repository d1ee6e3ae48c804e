// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJurorLedger} from "../interfaces/IJurorLedger.sol";
import {Errors} from "../libraries/Errors.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {ArbiterConfig, Juror, Session, SessionPhase} from "../types/DisputeTypes.sol";
import {GuardedInflow} from "./GuardedInflow.sol";
import {Ledger} from "./Ledger.sol";

/// @title JurorLedger
/// @notice Stakes of jurors and their weights. See {IJurorLedger}.
///
/// @dev A juror's money is `free` or, once he holds a seat, `locked`; what is locked belongs to the pot of that round
/// until the round is settled. The tree holds weights, not money: it changes in phase Staking only, and stake leaves
/// only then, so between asking for a random number and the last seat nothing moves the draw.
abstract contract JurorLedger is
    IJurorLedger, // 2 inherited components
    Ledger, // 4 inherited components
    GuardedInflow // 1 inherited component
{
    using SumTree for SumTree.Tree;

    bytes32 private constant UNSTAKE_TYPEHASH =
        keccak256("Unstake(address agent,uint96 amount,uint256 nonce,uint40 validUntil)");

    uint96 private immutable _minStake;
    uint40 private immutable _unbondingPeriod;
    address private immutable _admin;

    /// @inheritdoc IJurorLedger
    Session public override session;

    SumTree.Tree internal _tree;

    uint32 private _leaves;

    /// @inheritdoc IJurorLedger
    mapping(address juror => Juror stake) public override jurorOf;

    mapping(uint256 leaf => address juror) internal _jurorAt;

    /// @inheritdoc IJurorLedger
    mapping(address juror => uint256 nonce) public override unstakeNonce;

    constructor(ArbiterConfig memory config) {
        // Check: a stake that can be drawn covers a seat.
        if (config.minStake < config.stakePerSeat || config.stakePerSeat == 0) revert Errors.Arbiter_InvalidConfig();
        _minStake = config.minStake;
        _unbondingPeriod = config.unbondingPeriod;
        _admin = config.admin;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IJurorLedger
    function stake(uint96 amount) external override whenInflowsOpen {
        _addStake(msg.sender, amount);
        // Interaction: pull the tokens.
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IJurorLedger
    function stakeWithAuthorization(
        address juror,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external override whenInflowsOpen {
        _addStake(juror, amount);
        // Interaction: pull the tokens; the nonce commits to the purpose.
        _pullWithAuthorization({
            from: juror,
            amount: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: keccak256(abi.encode(juror, salt)),
            signature: signature
        });
    }

    /// @inheritdoc IJurorLedger
    function requestUnstake(uint96 amount) external override {
        _requestUnstake(msg.sender, amount);
    }

    /// @inheritdoc IJurorLedger
    function requestUnstakeWithSignature(address juror, uint96 amount, uint40 validUntil, bytes calldata signature)
        external
        override
    {
        // Check: the message is still valid.
        if (block.timestamp > validUntil) revert Errors.Arbiter_SignatureExpired(validUntil);
        // Check: the juror signed it for his current nonce.
        uint256 nonce = unstakeNonce[juror];
        _requireSigned(juror, keccak256(abi.encode(UNSTAKE_TYPEHASH, juror, amount, nonce, validUntil)), signature);
        // Effect: use the nonce up.
        unstakeNonce[juror] = nonce + 1;
        _requestUnstake(juror, amount);
    }

    /// @inheritdoc IJurorLedger
    function completeUnstake(address juror) external override {
        _requireStaking();
        Juror storage held = jurorOf[juror];
        (uint96 free, uint96 requested, uint40 unbondAt) = (held.free, held.requested, held.unbondAt);
        // Check: a request is open and its time has come.
        if (unbondAt == 0 || block.timestamp < unbondAt) revert Errors.Arbiter_Unbonding(juror, unbondAt);
        // Check: something is not at risk.
        uint96 amount = requested < free ? requested : free;
        if (amount == 0) revert Errors.Arbiter_InsufficientStake(juror, free, requested);
        // Effect: take it and end the request.
        held.free = free - amount;
        held.requested = 0;
        held.unbondAt = 0;
        _sync(juror);
        emit JurorUnstaked({juror: juror, amount: amount});
        // Interaction: pay.
        _push(juror, amount);
    }

    /// @inheritdoc IJurorLedger
    function syncWeight(address juror) external override {
        _requireStaking();
        _sync(juror);
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IJurorLedger
    function totalWeight() external view override returns (uint256) {
        return _tree.total();
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Brings the weight to what stays staked, 0 below the least stake; does nothing while weights are frozen.
    function _sync(address account) internal {
        if (session.phase != SessionPhase.Staking) return;
        Juror storage held = jurorOf[account];
        (uint96 staked, uint96 requested, uint96 weight) = (_stakedOf(held), held.requested, held.weight);
        uint96 target = staked > requested ? staked - requested : 0;
        if (target < _minStake) target = 0;
        if (target == weight) return;
        // Effect: count jurors and move the weight.
        if (weight == 0) ++session.jurors;
        if (target == 0) --session.jurors;
        held.weight = target;
        _tree.update({leaf: held.leaf, earlier: weight, later: target});
        emit JurorWeighted({juror: account, weight: target});
    }

    function _notReady() internal view {
        revert Errors.Arbiter_SessionNotReady(session.phase);
    }

    /// @dev Reverts unless `account` signed the struct in this contract's domain.
    function _requireSigned(address account, bytes32 structHash, bytes calldata signature) internal view {
        if (!SignatureLib.isValid(account, _hashTypedDataV4(structHash), signature)) {
            revert Errors.Arbiter_InvalidSignature(account);
        }
    }

    /// @dev Whoever the deployment named; may unpause stakes, nothing else.
    function _inflowAdmin() internal view override returns (address) {
        return _admin;
    }

    /// @dev Books stake before the tokens are pulled; a pull that fails undoes it.
    function _addStake(address account, uint96 amount) private {
        // Check: there is an amount.
        if (amount == 0) revert Errors.Arbiter_AmountZero();
        Juror storage held = jurorOf[account];
        // Effect: a place in the tree for ever, so that panels can name jurors by it.
        if (held.leaf == 0) {
            held.leaf = ++_leaves;
            _jurorAt[held.leaf] = account;
        }
        // Effect: add it.
        held.free += amount;
        emit JurorStaked({juror: account, amount: amount, staked: _stakedOf(held)});
        _sync(account);
    }

    /// @dev Starts or restarts the wait. The stake can still be lost in rounds under way.
    function _requestUnstake(address account, uint96 amount) private {
        Juror storage held = jurorOf[account];
        // Check: the stake holds it.
        uint96 staked = _stakedOf(held);
        if (amount > staked) revert Errors.Arbiter_InsufficientStake(account, staked, amount);
        // Effect: note amount and time.
        uint40 unbondAt = amount == 0 ? 0 : uint40(block.timestamp) + _unbondingPeriod;
        held.requested = amount;
        held.unbondAt = unbondAt;
        emit JurorUnstakeRequested({juror: account, amount: amount, unbondAt: unbondAt});
        _sync(account);
    }

    /// @dev Both parts are backed by tokens, so their sum fits.
    function _stakedOf(Juror storage held) private view returns (uint96) {
        unchecked {
            return held.free + held.locked;
        }
    }

    function _requireStaking() private view {
        // Check: weights are not frozen.
        if (session.phase != SessionPhase.Staking) _notReady();
    }
}
