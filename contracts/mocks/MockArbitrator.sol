// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrable} from "../interfaces/IArbitrable.sol";
import {DisputeStatus, IArbitrator} from "../interfaces/IArbitrator.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title MockArbitrator
/// @notice The least an ERC-792 arbitrator paid in a token can be: one fee, one owner who rules. Has no `maxDuration`.
contract MockArbitrator is IArbitrator {
    struct Case {
        IArbitrable arbitrable;
        DisputeStatus status;
        uint256 ruling;
        bytes extraData;
    }

    error CallerNotOwner();
    error NotPayable();
    error FeeMismatch(uint256 given, uint256 fee);

    /// @notice Rules and sets the fee.
    address public immutable owner;

    /// @notice Base units a dispute costs.
    uint256 public fee;

    Case[] private _cases;

    modifier onlyOwner() {
        if (msg.sender != owner) revert CallerNotOwner();
        _;
    }

    constructor(address owner_, uint256 fee_) {
        owner = owner_;
        fee = fee_;
    }

    /// @notice Sets the fee of the next disputes.
    function setFee(uint256 fee_) external onlyOwner {
        fee = fee_;
    }

    /// @inheritdoc IArbitrator
    function createDispute(uint256, bytes calldata) external payable override returns (uint256) {
        revert NotPayable();
    }

    /// @inheritdoc IArbitrator
    function createDispute(uint256, bytes calldata extraData, IERC20 feeToken, uint256 feeAmount)
        external
        override
        returns (uint256 disputeID)
    {
        if (feeAmount != fee) revert FeeMismatch(feeAmount, fee);
        disputeID = _cases.length;
        _cases.push(Case(IArbitrable(msg.sender), DisputeStatus.Waiting, 0, extraData));
        if (feeAmount > 0) feeToken.transferFrom(msg.sender, address(this), feeAmount);
        emit DisputeCreation({disputeID: disputeID, arbitrable: msg.sender});
    }

    /// @notice Makes the ruling final without telling the arbitrable.
    function decide(uint256 disputeID, uint256 ruling) public onlyOwner {
        _cases[disputeID].status = DisputeStatus.Solved;
        _cases[disputeID].ruling = ruling;
    }

    /// @notice Makes the ruling final and delivers it.
    function giveRuling(uint256 disputeID, uint256 ruling) external {
        decide(disputeID, ruling);
        _cases[disputeID].arbitrable.rule(disputeID, ruling);
    }

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata) external pure override returns (uint256) {
        return type(uint256).max;
    }

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata, IERC20) external view override returns (uint256) {
        return fee;
    }

    /// @inheritdoc IArbitrator
    function appealPeriod(uint256) external pure override returns (uint256, uint256) {
        return (0, 0);
    }

    /// @inheritdoc IArbitrator
    function disputeStatus(uint256 disputeID) external view override returns (DisputeStatus) {
        return _cases[disputeID].status;
    }

    /// @inheritdoc IArbitrator
    function currentRuling(uint256 disputeID) external view override returns (uint256) {
        return _cases[disputeID].ruling;
    }

    /// @notice What the arbitrable said about the dispute.
    function extraDataOf(uint256 disputeID) external view returns (bytes memory) {
        return _cases[disputeID].extraData;
    }
}
