// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../interfaces/IPaymentChannel.sol";
import {ChannelHash} from "../libraries/ChannelHash.sol";
import {Errors} from "../libraries/Errors.sol";
import {Pool} from "../types/ChannelTypes.sol";
import {Funding} from "./Funding.sol";
import {GuardedInflow} from "./GuardedInflow.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "solady/utils/ReentrancyGuardTransient.sol";

/// @title PoolLedger
/// @notice Deposits that pay any number of receivers.
///
/// @dev The id of a pool holds payer, voucher key and operator, so every deposit is the payer's consent to exactly that
/// key and that operator; no other config can reach the money.
abstract contract PoolLedger is
    IPaymentChannel, // 1 inherited component
    Funding, // 0 inherited components
    EIP712, // 1 inherited component
    ReentrancyGuardTransient, // 0 inherited components
    GuardedInflow // 1 inherited component
{
    /// @inheritdoc IPaymentChannel
    mapping(bytes32 poolId => Pool pool) public override pools;

    /*////////////////////////////////////////////////////////////////////////
                                    DEPOSITS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function depositPool(address payerAuthorizer, address operator, uint96 amount)
        external
        override
        nonReentrant
        whenInflowsOpen
    {
        _creditPool(msg.sender, payerAuthorizer, operator, amount);
        // Interaction: pull the tokens.
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IPaymentChannel
    function depositPoolWithAuthorization(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external override nonReentrant whenInflowsOpen {
        bytes32 poolId = _creditPool(payer, payerAuthorizer, operator, amount);
        // Interaction: pull the tokens; the nonce commits to the pool.
        _pullWithAuthorization({
            from: payer,
            amount: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: keccak256(abi.encode(poolId, salt)),
            signature: signature
        });
    }

    /// @inheritdoc IPaymentChannel
    function depositPoolWithPermit(
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 deadline,
        bytes calldata signature
    ) external override nonReentrant whenInflowsOpen {
        _creditPool(msg.sender, payerAuthorizer, operator, amount);
        // Interaction: pull the tokens; the caller is the payer, as a permit names neither key nor operator.
        _pullWithPermit({from: msg.sender, amount: amount, value: amount, deadline: deadline, signature: signature});
    }

    /// @inheritdoc IPaymentChannel
    function depositPoolWithPermit2(
        address payer,
        address payerAuthorizer,
        address operator,
        uint96 amount,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external override nonReentrant whenInflowsOpen {
        bytes32 poolId = _creditPool(payer, payerAuthorizer, operator, amount);
        // Interaction: pull the tokens; the witness commits to the pool.
        _pullWithPermit2({
            from: payer,
            amount: amount,
            nonce: nonce,
            deadline: deadline,
            witness: ChannelHash.poolDepositWitness(poolId),
            witnessTypeString: ChannelHash.POOL_DEPOSIT_WITNESS_TYPE,
            signature: signature
        });
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IPaymentChannel
    function getPoolId(address payer, address payerAuthorizer, address operator)
        public
        view
        override
        returns (bytes32)
    {
        return _hashTypedDataV4(ChannelHash.poolKey(payer, payerAuthorizer, operator));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Books a deposit before the tokens are pulled; a pull that fails undoes it. Touches no withdrawal: a third
    /// party can neither start nor stop one.
    function _creditPool(address payer, address payerAuthorizer, address operator, uint96 amount)
        private
        returns (bytes32 poolId)
    {
        poolId = getPoolId(payer, payerAuthorizer, operator);
        // Check: there is an operator and an amount.
        if (operator == address(0)) revert Errors.InvalidChannel();
        if (amount == 0) revert Errors.PoolAmountZero(poolId);
        // Effect: add it.
        uint96 balance = pools[poolId].balance + amount;
        pools[poolId].balance = balance;
        emit PoolDeposited({
            poolId: poolId,
            payer: payer,
            payerAuthorizer: payerAuthorizer,
            operator: operator,
            amount: amount,
            balance: balance
        });
    }

    /// @dev Takes `amount` out of a pool for claims.
    function _drawPool(bytes32 poolId, uint256 balance, uint256 amount) internal {
        // Effect: the claims own it now. The callers never draw more than the balance.
        pools[poolId].balance = uint96(balance - amount);
        emit PoolDrawn({poolId: poolId, amount: uint96(amount)});
    }
}
