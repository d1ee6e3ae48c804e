// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig, Group, Voucher, VoucherClaim} from "../../contracts/types/ChannelTypes.sol";
import {Base} from "./utils/Base.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";

interface GasVm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);
}

/// @notice What operations cost: whole transactions on cold state, words already in use (second use).
contract ChannelGasTest is Base {
    uint256 private constant FEW = 20;
    uint256 private constant MANY = 120;
    uint40 private constant DELAY = 1 days;
    bytes32 private constant SALT = keccak256("AICP marketplace 1");

    event Measured(string what, uint256 gas);

    function setUp() public {
        for (uint256 p = 0; p < 2; ++p) {
            address payer = VM.addr(p == 0 ? CLIENT : VERIFIER);
            give(payer, 1e18, address(channel));
            VM.prank(payer);
            channel.depositPool(VM.addr(SESSION), VM.addr(OPERATOR), 1e15);
        }
        for (uint256 i = 0; i < MANY; ++i) {
            _claimed(_config(CLIENT, i));
            _claimed(_config(VERIFIER, i));
        }
    }

    function test_gas__rows_of_distinct_agents() public {
        (Group[] memory few, Group[] memory many) = (new Group[](1), new Group[](1));
        few[0] = _group(CLIENT, FEW);
        many[0] = _group(CLIENT, MANY);
        uint256 gas = (_batch(many) - _batch(few)) / (MANY - FEW);
        atMost("marginal row, distinct agents", gas, 19_500);
    }

    /// @dev A second payer pays the same agents.
    function test_gas__rows_of_repeated_agents() public {
        (Group[] memory one, Group[] memory two) = (new Group[](1), new Group[](2));
        one[0] = _group(CLIENT, MANY);
        (two[0], two[1]) = (one[0], _group(VERIFIER, MANY));
        uint256 gas = (_batch(two) - _batch(one)) / MANY;
        atMost("marginal row, repeated agents", gas, 14_500);
    }

    function test_gas__deposits() public {
        (ChannelConfig memory config, address payer) = (_config(CLIENT, 0), VM.addr(CLIENT));
        address collector = channel.erc3009Collector();
        bytes32 id = channel.getChannelId(config);
        VM.prank(payer);
        channel.deposit(config, 5e6, address(0), "");
        VM.prank(payer);
        channel.deposit(config, 5e6, address(0), "");
        _atMost("channel deposit, transferFrom", 84_000);

        bytes memory signature =
            authorization(CLIENT, collector, 5e6, type(uint256).max, keccak256(abi.encode(id, uint256(1))));
        bytes memory data = abi.encode(uint256(0), type(uint256).max, uint256(1), signature);
        channel.deposit(config, 5e6, collector, data);
        _atMost("channel deposit, ERC-3009 collector", 136_500);

        VM.prank(payer);
        channel.depositPool(VM.addr(SESSION), VM.addr(OPERATOR), 5e6);
        _atMost("pool deposit, transferFrom", 84_000);

        bytes32 nonce = keccak256(abi.encode(channel.getPoolId(payer, VM.addr(SESSION), VM.addr(OPERATOR)), uint256(1)));
        signature = authorization(CLIENT, address(channel), 5e6, type(uint256).max, nonce);
        channel.depositPoolWithAuthorization(
            payer, VM.addr(SESSION), VM.addr(OPERATOR), 5e6, 0, type(uint256).max, 1, signature
        );
        _atMost("pool deposit, ERC-3009", 123_000);
    }

    function test_gas__ways_back() public {
        address payer = VM.addr(CLIENT);
        VM.prank(payer);
        channel.initiatePoolWithdraw(VM.addr(SESSION), VM.addr(OPERATOR), 5e6);
        _atMost("pool, initiate withdrawal", 33_000);
        VM.warp(block.timestamp + 1 days);
        channel.finalizePoolWithdraw(payer, VM.addr(SESSION), VM.addr(OPERATOR));
        _atMost("pool, finalise withdrawal", 60_000);

        ChannelConfig memory config = _config(CLIENT, 0);
        VM.prank(payer);
        channel.deposit(config, 5e6, address(0), "");
        VM.prank(payer);
        channel.initiateWithdraw(config, 5e6);
        _atMost("channel, initiate withdrawal", 33_000);
        VM.warp(1_900_000_000);
        VM.prank(payer);
        channel.finalizeWithdraw(config);
        _atMost("channel, finalise withdrawal", 60_000);
    }

    function test_gas__claim_and_settle() public {
        ChannelConfig memory config = _config(CLIENT, 0);
        channel.settle(config.receiver, address(usdc));
        VM.prank(VM.addr(CLIENT));
        channel.deposit(config, 5e6, address(0), "");
        bytes[] memory calls = new bytes[](2);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = _row(config, 2e6);
        calls[0] = abi.encodeCall(channel.claim, (rows));
        calls[1] = abi.encodeCall(channel.settle, (config.receiver, address(usdc)));
        VM.prank(config.receiver);
        Multicall(address(channel)).multicall(calls);
        _atMost("claim one voucher and settle, by multicall", 80_000);

        rows[0] = _row(config, 4e6);
        VM.prank(config.receiver);
        channel.claimAndPay(rows[0], "");
        _atMost("claim one voucher and pay, one transaction", 67_000);

        rows[0] = _row(config, 5e6);
        bytes memory receipt = signed(OPERATOR, channel.getClaimBatchDigest(rows));
        channel.claimAndPay(rows[0], receipt);
        _atMost("claim one voucher and pay, by the operator's signature", 75_000);

        _claimedUpTo(config, 6e6);
        channel.settle(config.receiver, address(usdc));
        _atMost("settle", 120_000);
    }

    function _atMost(string memory what, uint256 target) private {
        atMost(what, GasVm(address(VM)).lastCallGas().gasTotalUsed, target);
    }

    /// @dev Rows of a payer, each topping up what its agent claimed before.
    function _group(uint256 payer, uint256 rows) private view returns (Group memory) {
        bytes memory packed;
        for (uint256 i = 0; i < rows; ++i) {
            ChannelConfig memory config = _config(payer, i);
            uint96 ceiling = uint96(2_345_678 + i);
            (bytes32 r, bytes32 vs) = compact(SESSION, channel.getVoucherDigest(channel.getChannelId(config), ceiling));
            packed = abi.encodePacked(packed, config.receiver, uint96(2_000_000 + i), ceiling, r, vs);
        }
        return Group(VM.addr(payer), VM.addr(SESSION), DELAY, SALT, packed);
    }

    /// @dev Gas of the whole transaction: signed by the operator, sent by anyone.
    function _batch(Group[] memory groups) private returns (uint256 gas) {
        uint256 state = VM.snapshotState();
        bytes memory signature = signed(OPERATOR, channel.getGroupsDigest(VM.addr(OPERATOR), groups));
        channel.claimBatch(VM.addr(OPERATOR), groups, signature);
        gas = GasVm(address(VM)).lastCallGas().gasTotalUsed;
        (uint128 claimed,) = channel.receivers(_receiver(0), address(usdc));
        equal("claimed", claimed, 1_000_000 + 1_000_000 + groups.length * 1_000_000);
        check("back to the start", VM.revertToState(state));
    }

    function atMost(string memory what, uint256 gas, uint256 target) private {
        emit Measured(what, gas);
        if (gas > target) revert Unequal(what, gas, target);
    }

    function _claimed(ChannelConfig memory config) private {
        _claimedUpTo(config, 1_000_000);
    }

    function _claimedUpTo(ChannelConfig memory config, uint128 total) private {
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = _row(config, total);
        VM.prank(VM.addr(OPERATOR));
        channel.claim(rows);
    }

    /// @dev A row that claims all its voucher allows.
    function _row(ChannelConfig memory config, uint128 total) private view returns (VoucherClaim memory) {
        bytes memory voucher = signed(SESSION, channel.getVoucherDigest(channel.getChannelId(config), total));
        return VoucherClaim(Voucher(config, total), voucher, total);
    }

    function _config(uint256 payer, uint256 agent) private view returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: VM.addr(payer),
            payerAuthorizer: VM.addr(SESSION),
            receiver: _receiver(agent),
            receiverAuthorizer: VM.addr(OPERATOR),
            token: address(usdc),
            withdrawDelay: DELAY,
            salt: SALT
        });
    }

    function _receiver(uint256 agent) private pure returns (address) {
        return address(bytes20(keccak256(abi.encode("agent", agent))));
    }
}
