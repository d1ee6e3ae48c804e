// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDepositCollector} from "../interfaces/IDepositCollector.sol";
import {IERC3009} from "../interfaces/IERC3009.sol";
import {Errors} from "../libraries/Errors.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title ERC3009DepositCollector
/// @notice Brings channel deposits signed as ERC-3009 `ReceiveWithAuthorization` to this collector.
///
/// @dev Only its own channel may call: for any other caller a payer's signature would be money for the taking. The
/// nonce commits to the channel id, so a signature pays into the channel it was made for and no other.
contract ERC3009DepositCollector is IDepositCollector {
    /// @notice The channel contract this collector works for.
    address public immutable channel;

    /// @param channel_ The channel contract, the only allowed caller
    constructor(address channel_) {
        channel = channel_;
    }

    /// @inheritdoc IDepositCollector
    /// @dev `collectorData` = abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes signature).
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external
        override
    {
        // Check: the caller is the channel contract.
        if (msg.sender != channel) revert Errors.CallerNotChannel(msg.sender);
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(collectorData, (uint256, uint256, uint256, bytes));
        // Interaction: pull from the payer, then pass on.
        IERC3009(token)
            .receiveWithAuthorization({
            from: payer,
            to: address(this),
            value: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: keccak256(abi.encode(channelId, salt)),
            signature: signature
        });
        SafeTransferLib.safeTransfer(token, msg.sender, amount);
    }
}
