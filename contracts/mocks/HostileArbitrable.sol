// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrable} from "../interfaces/IArbitrable.sol";
import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title HostileArbitrable
/// @notice Asks for disputes and takes rulings as badly as it is told to: 0 records, 1 reverts, 2 spends all gas, 3
/// answers with a megabyte, 4 calls the arbiter back. For tests.
contract HostileArbitrable is IArbitrable {
    IDisputeArbiter public immutable arbiter;

    uint8 public manner;

    mapping(uint256 disputeID => uint256 count) public rulings;

    mapping(uint256 disputeID => uint256 ruling) public lastRuling;

    constructor(IDisputeArbiter arbiter_) {
        arbiter = arbiter_;
    }

    function behave(uint8 manner_) external {
        manner = manner_;
    }

    /// @notice Pays the fee out of its own tokens.
    function ask(bytes calldata extraData) external returns (uint256) {
        IERC20 token = IERC20(arbiter.token());
        uint256 fee = arbiter.arbitrationCost(extraData, token);
        token.approve(address(arbiter), fee);
        return arbiter.createDispute(2, extraData, token, fee);
    }

    function rule(uint256 disputeID, uint256 ruling) external override {
        if (manner == 1) revert("no");
        if (manner == 2) while (true) {}
        if (manner == 3) {
            assembly ("memory-safe") {
                return(0, 1000000)
            }
        }
        if (manner == 4) arbiter.executeRuling(disputeID);
        ++rulings[disputeID];
        lastRuling[disputeID] = ruling;
        emit Ruling({arbitrator: msg.sender, disputeID: disputeID, ruling: ruling});
    }
}
