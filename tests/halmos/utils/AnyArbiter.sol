// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A token with as much as is needed here: one balance, that of the escrow. It agrees to everything.
contract OneBalance {
    uint256 private _balance;

    function balanceOf(address) external view returns (uint256) {
        return _balance;
    }

    function transferFrom(address, address, uint256 amount) external returns (bool) {
        unchecked {
            _balance -= amount;
        }
        return true;
    }

    fallback() external {
        assembly ("memory-safe") {
            mstore(0x00, 1)
            return(0x00, 0x20)
        }
    }
}

/// @notice An arbiter who answers anything, the same to the same question, and takes anything for a fee.
contract AnyArbiter {
    uint256 private _cost;
    uint256 private _taken;
    uint256 private _number;
    uint256 public maxDuration;
    uint256 private _status;
    uint256 private _ruling;

    function arbitrationCost(bytes calldata, address) external view returns (uint256) {
        return _cost;
    }

    function createDispute(uint256, bytes calldata, address token, uint256) external returns (uint256) {
        OneBalance(token).transferFrom(msg.sender, address(this), _taken);
        return _number;
    }

    function disputeStatus(uint256) external view returns (uint256) {
        return _status;
    }

    function currentRuling(uint256) external view returns (uint256) {
        return _ruling;
    }
}
