// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ArbiterBase} from "./utils/ArbiterBase.sol";

interface LogVm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

/// @notice Who has seen every log knows every balance (docs/adr/0013).
contract ArbiterLogsTest is ArbiterBase {
    uint256 private constant KEY = 0xC11E;

    LogVm private constant LOGS = LogVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bytes32 private constant EXCESS = keccak256("ExcessCredited(uint256,address,uint96)");

    function test_appeal__an_excess_is_told(uint96 excess) public {
        (uint256 id, uint96 missing) = _appealable();
        excess = uint96(bound(excess, 1e12));
        usdc.mint(VM.addr(KEY), missing + excess);
        LOGS.recordLogs();
        _fund(id, missing + excess);
        uint256 told;
        LogVm.Log[] memory logs = LOGS.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != EXCESS) continue;
            check("of the arbiter", logs[i].emitter == address(arbiter));
            check("dispute", uint256(logs[i].topics[1]) == id);
            check("account", logs[i].topics[2] == bytes32(uint256(uint160(VM.addr(KEY)))));
            told += abi.decode(logs[i].data, (uint96));
        }
        equal("told", told, excess);
        equal("credited", arbiter.balanceOf(VM.addr(KEY)), excess);
    }

    function _fund(uint256 id, uint96 amount) private {
        bytes32 nonce = keccak256(abi.encode(id, uint8(0), uint8(2), uint256(1)));
        bytes32 structHash = keccak256(
            abi.encode(
                usdc.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(),
                VM.addr(KEY),
                address(arbiter),
                uint256(amount),
                uint256(0),
                type(uint256).max,
                nonce
            )
        );
        bytes32 message = keccak256(abi.encodePacked(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(KEY, message);
        arbiter.fundAppealWithAuthorization(
            id, 2, VM.addr(KEY), amount, 0, type(uint256).max, 1, abi.encodePacked(r, s, v)
        );
    }

    /// @dev A dispute that side 1 has won and side 2 may appeal, and what that costs.
    function _appealable() private returns (uint256 id, uint96 missing) {
        staked(3, 5 * STAKE);
        id = drawn(1);
        vote(id, all(1));
        missing = 2 * 7 * FEE;
    }

    function bound(uint256 value, uint256 limit) private pure returns (uint256) {
        return value % limit;
    }
}
