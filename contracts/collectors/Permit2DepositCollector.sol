// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDepositCollector} from "../interfaces/IDepositCollector.sol";
import {IPermit2} from "../interfaces/IPermit2.sol";
import {Errors} from "../libraries/Errors.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title Permit2DepositCollector
/// @notice Brings channel deposits signed as Permit2 `PermitWitnessTransferFrom` with this collector as spender.
///
/// @dev Only its own channel may call: for any other caller a payer's signature would be money for the taking. The
/// witness is the channel id, so a signature pays into the channel it was made for and no other. Tokens go from the
/// payer to the channel directly; this contract never holds any.
contract Permit2DepositCollector is IDepositCollector {
    /// @notice Permit2, at the same address on every chain.
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    /// @notice EIP-712 type hash of the witness.
    bytes32 public constant DEPOSIT_WITNESS_TYPEHASH = keccak256("DepositWitness(bytes32 channelId)");

    string private constant WITNESS_TYPE =
        "DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)";

    /// @notice The channel contract this collector works for.
    address public immutable channel;

    /// @param channel_ The channel contract, the only allowed caller
    constructor(address channel_) {
        channel = channel_;
    }

    /// @inheritdoc IDepositCollector
    /// @dev `collectorData` = abi.encode(uint256 nonce, uint256 deadline, bytes permit2Signature, bytes permit), where
    /// `permit` is empty or abi.encode(uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) of an EIP-2612
    /// permit for Permit2.
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external
        override
    {
        // Check: the caller is the channel contract.
        if (msg.sender != channel) revert Errors.CallerNotChannel(msg.sender);
        (uint256 nonce, uint256 deadline, bytes memory signature, bytes memory permit) =
            abi.decode(collectorData, (uint256, uint256, bytes, bytes));
        // Interaction: let Permit2 spend, if asked to.
        if (permit.length > 0) _tryPermit(payer, token, permit);
        // Interaction: from the payer to the channel.
        PERMIT2.permitWitnessTransferFrom({
            permit: IPermit2.PermitTransferFrom({
                permitted: IPermit2.TokenPermissions({token: token, amount: amount}), nonce: nonce, deadline: deadline
            }),
            transferDetails: IPermit2.SignatureTransferDetails({to: msg.sender, requestedAmount: amount}),
            owner: payer,
            witness: keccak256(abi.encode(DEPOSIT_WITNESS_TYPEHASH, channelId)),
            witnessTypeString: WITNESS_TYPE,
            signature: signature
        });
    }

    /// @dev Somebody may have sent the permit before; what counts is whether Permit2 can spend afterwards.
    function _tryPermit(address payer, address token, bytes memory permit) private {
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        try IERC20Permit(token)
            .permit({owner: payer, spender: address(PERMIT2), value: value, deadline: deadline, v: v, r: r, s: s}) {}
            catch {}
    }
}
