// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title MaliciousArbiter
/// @notice An arbiter that can be told to misbehave in every way the protocol must bear. Anyone may tell it.
contract MaliciousArbiter {
    enum View {
        Honest,
        Reverts,
        BurnsGas,
        Garbage,
        Bomb,
        Short
    }

    enum Fee {
        Exact,
        Less,
        More,
        Nothing,
        Reverts
    }

    error Refused();

    /// @notice How it answers questions.
    View public mode;
    /// @notice What it takes.
    Fee public feeMode;
    /// @notice Base units it asks for.
    uint256 public fee;
    /// @notice Number of the next dispute.
    uint256 public nextId;
    /// @notice What it says its disputes take, seconds.
    uint256 public duration;
    /// @notice What it says about every dispute.
    uint256 public status;
    /// @notice How it says every dispute ends.
    uint256 public ruling;
    /// @notice Call it makes back while a dispute is created.
    bytes public callback;
    /// @notice True if that call succeeded.
    bool public callbackSucceeded;

    function setViews(View mode_, uint256 duration_, uint256 status_, uint256 ruling_) external {
        mode = mode_;
        duration = duration_;
        status = status_;
        ruling = ruling_;
    }

    function setFee(uint256 fee_, Fee feeMode_) external {
        fee = fee_;
        feeMode = feeMode_;
    }

    function setNextId(uint256 nextId_) external {
        nextId = nextId_;
    }

    function setCallback(bytes calldata callback_) external {
        callback = callback_;
    }

    /// @notice Calls anything as the arbiter.
    function act(address target, bytes calldata data) external returns (bool success) {
        (success,) = target.call(data);
    }

    /// @notice The token overload.
    function createDispute(uint256, bytes calldata, IERC20 token, uint256 amount) external returns (uint256) {
        if (feeMode == Fee.Reverts) revert Refused();
        if (callback.length > 0) (callbackSucceeded,) = msg.sender.call(callback);
        if (feeMode == Fee.Exact && amount > 0) token.transferFrom(msg.sender, address(this), amount);
        if (feeMode == Fee.Less) token.transferFrom(msg.sender, address(this), amount - 1);
        if (feeMode == Fee.More) token.transferFrom(msg.sender, address(this), amount + 1);
        return nextId;
    }

    /// @notice The token overload.
    function arbitrationCost(bytes calldata, IERC20) external view returns (uint256) {
        return fee;
    }

    function maxDuration() external view returns (uint256) {
        return _answer(duration);
    }

    function disputeStatus(uint256) external view returns (uint256) {
        return _answer(status);
    }

    function currentRuling(uint256) external view returns (uint256) {
        return _answer(ruling);
    }

    function _answer(uint256 value) private view returns (uint256) {
        View mode_ = mode;
        if (mode_ == View.Reverts) revert Refused();
        if (mode_ == View.BurnsGas) {
            while (true) {}
        }
        if (mode_ == View.Garbage) return uint256(keccak256(abi.encode(value)));
        if (mode_ == View.Bomb) {
            assembly {
                return(0, 30000)
            }
        }
        if (mode_ == View.Short) {
            assembly {
                mstore(0, not(0))
                return(0, 31)
            }
        }
        return value;
    }
}
