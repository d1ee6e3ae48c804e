// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrable} from "../interfaces/IArbitrable.sol";
import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title HostileArbitrable
/// @notice Asks for disputes and takes rulings as badly as it is told to. For tests.
contract HostileArbitrable is IArbitrable {
    /// @custom:value Records Takes the ruling as it should.
    /// @custom:value Reverts Reverts.
    /// @custom:value Burns Spends all gas.
    /// @custom:value Floods Answers with a megabyte.
    /// @custom:value Reenters Calls the arbiter back.
    enum Manner {
        Records,
        Reverts,
        Burns,
        Floods,
        Reenters
    }

    IDisputeArbiter public immutable arbiter;

    Manner public manner;

    mapping(uint256 disputeID => uint256 count) public rulings;

    mapping(uint256 disputeID => uint256 ruling) public lastRuling;

    constructor(IDisputeArbiter arbiter_) {
        arbiter = arbiter_;
    }

    function behave(Manner manner_) external {
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
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.Burns) while (true) {}
        if (manner == Manner.Floods) {
            assembly ("memory-safe") {
                return(0, 1000000)
            }
        }
        if (manner == Manner.Reenters) arbiter.executeRuling(disputeID);
        ++rulings[disputeID];
        lastRuling[disputeID] = ruling;
        emit Ruling({arbitrator: msg.sender, disputeID: disputeID, ruling: ruling});
    }
}
