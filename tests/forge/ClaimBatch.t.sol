// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Errors} from "../../contracts/libraries/Errors.sol";
import {ChannelConfig, Group, Voucher, VoucherClaim} from "../../contracts/types/ChannelTypes.sol";
import {Base} from "./utils/Base.sol";
import {Vm} from "./utils/Vm.sol";

/// @notice `claimBatch` against `claimWithSignature`, and against garbage.
contract ClaimBatchTest is Base {
    uint256 private constant ROWS = 6;
    uint40 private constant DELAY = 1 days;
    address private immutable _payer = VM.addr(CLIENT);

    struct Fuzzed {
        uint8 receiver;
        uint32 total;
        uint32 max;
        uint8 fault;
    }

    function setUp() public {
        give(_payer, 1e24, address(channel));
        VM.prank(_payer);
        channel.depositPool(VM.addr(SESSION), VM.addr(OPERATOR), 4e9);
    }

    /// @dev Invariant 23: the batch is the sequence of single rows with failing ones left out.
    function testFuzz_batch_equals_singles(Fuzzed[6] memory rows, uint96 headroom) public {
        VM.prank(_payer);
        channel.deposit(_config(0), uint128(bound(headroom, 1, 4e9)), address(0), "");
        uint256 start = VM.snapshotState();

        for (uint256 i = 0; i < ROWS; ++i) {
            VoucherClaim[] memory single = new VoucherClaim[](1);
            single[0] = _single(rows[i]);
            bytes memory attestation = signed(OPERATOR, channel.getClaimBatchDigest(single));
            try channel.claimWithSignature(single, attestation) {} catch {}
        }
        bytes32 expected = _fingerprint();
        check("back to the start", VM.revertToState(start));

        Group[] memory groups = new Group[](1);
        groups[0] = _group("");
        for (uint256 i = 0; i < ROWS; ++i) {
            groups[0].rows = abi.encodePacked(groups[0].rows, _packed(rows[i]));
        }
        bytes memory signature = signed(OPERATOR, channel.getGroupsDigest(VM.addr(OPERATOR), groups));
        channel.claimBatch(VM.addr(OPERATOR), groups, signature);
        check("same state", _fingerprint() == expected);
    }

    /// @dev The operator's one signature is the same `ClaimBatch` x402 knows.
    function testFuzz_batch_digest_is_the_x402_digest(Fuzzed[6] memory rows) public view {
        VoucherClaim[] memory singles = new VoucherClaim[](ROWS);
        Group[] memory groups = new Group[](2);
        groups[0] = _group("");
        groups[1] = _group("");
        for (uint256 i = 0; i < ROWS; ++i) {
            singles[i] = _single(rows[i]);
            Group memory group = groups[i < 2 ? 0 : 1];
            group.rows = abi.encodePacked(group.rows, _packed(rows[i]));
        }
        check("digest", channel.getClaimBatchDigest(singles) == channel.getGroupsDigest(VM.addr(OPERATOR), groups));
    }

    /// @dev Invariant 24.
    function testFuzz_garbage_rows_never_revert_and_move_nothing(
        address payer,
        address key,
        uint40 delay,
        bytes32 salt,
        bytes memory rows
    ) public {
        bytes32 before = _fingerprint();
        Group[] memory groups = new Group[](2);
        groups[0] = Group(payer, key, delay, salt, rows);
        groups[1] = Group(_payer, VM.addr(SESSION), DELAY, bytes32(0), rows);
        VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, "");
        check("nothing moved", _fingerprint() == before);
    }

    function test_tail_is_one_bad_row_and_the_rest_counts() public {
        Fuzzed memory good = Fuzzed(1, 5, 5, 0);
        Group[] memory groups = new Group[](1);
        groups[0] = _group(abi.encodePacked(_packed(good), hex"00ff"));
        VM.recordLogs();
        VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, "");
        (uint128 claimed,) = channel.receivers(_receiver(1), address(usdc));
        equal("claimed", claimed, 5);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        uint256 skipped;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == keccak256("RowSkipped(uint256,uint256,uint8)")) {
                ++skipped;
                equal("row", uint256(logs[i].topics[2]), 1);
                equal("reason", abi.decode(logs[i].data, (uint256)), 6);
            }
        }
        equal("skipped", skipped, 1);
    }

    /// @dev Must hold: the operator's key in the attacker's hands, a config with his own voucher key and receiver.
    function testFuzz_foreign_key_or_payer_reaches_no_pool(uint32 total, uint8 how) public {
        uint96 amount = uint96(bound(total, 1, 1e9));
        ChannelConfig memory config = _config(0);
        config.receiver = VM.addr(STRANGER);
        config.payerAuthorizer = how % 2 == 0 ? VM.addr(STRANGER) : address(0);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        bytes32 id = channel.getChannelId(config);
        rows[0] = VoucherClaim(Voucher(config, amount), signed(STRANGER, channel.getVoucherDigest(id, amount)), amount);
        bytes memory attestation = signed(OPERATOR, channel.getClaimBatchDigest(rows));
        (bool success,) = address(channel).call(abi.encodeCall(channel.claimWithSignature, (rows, attestation)));
        check("refused", !success);

        (bytes32 r, bytes32 vs) = compact(STRANGER, channel.getVoucherDigest(id, amount));
        Group[] memory groups = new Group[](2);
        bytes memory packed = abi.encodePacked(config.receiver, amount, amount, r, vs);
        groups[0] = Group(_payer, config.payerAuthorizer, DELAY, bytes32(0), packed);
        // The right voucher key in the config, but a signature of the attacker's.
        groups[1] = Group(_payer, VM.addr(SESSION), DELAY, bytes32(0), packed);
        VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, "");
        (uint128 claimed,) = channel.receivers(VM.addr(STRANGER), address(usdc));
        equal("nothing for the attacker", claimed, 0);
        (uint96 balance,,,) = channel.pools(channel.getPoolId(_payer, VM.addr(SESSION), VM.addr(OPERATOR)));
        equal("pool untouched", balance, 4e9);
    }

    function test_receiver_alone_reaches_no_pool() public {
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = _single(Fuzzed(1, 5, 5, 0));
        VM.prank(_receiver(1));
        VM.expectRevert(Errors.ClaimExceedsBalance.selector);
        channel.claim(rows);
    }

    function test_pool_of_another_operator_is_out_of_reach() public {
        ChannelConfig memory config = _config(1);
        config.receiverAuthorizer = VM.addr(STRANGER);
        bytes32 id = channel.getChannelId(config);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = VoucherClaim(Voucher(config, 5), signed(SESSION, channel.getVoucherDigest(id, 5)), 5);
        bytes32 poolId = channel.getPoolId(_payer, VM.addr(SESSION), VM.addr(STRANGER));
        VM.prank(VM.addr(STRANGER));
        VM.expectRevert(abi.encodeWithSelector(Errors.PoolInsufficient.selector, poolId, 0, 5));
        channel.claim(rows);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     HELPERS
    ////////////////////////////////////////////////////////////////////////*/

    function _receiver(uint8 index) private pure returns (address) {
        return index % 3 == 2 ? address(0) : address(uint160(0xA000 + (index % 3)));
    }

    function _config(uint8 index) private view returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: _payer,
            payerAuthorizer: VM.addr(SESSION),
            receiver: _receiver(index),
            receiverAuthorizer: VM.addr(OPERATOR),
            token: address(usdc),
            withdrawDelay: DELAY,
            salt: bytes32(0)
        });
    }

    function _group(bytes memory rows) private view returns (Group memory) {
        return Group(_payer, VM.addr(SESSION), DELAY, bytes32(0), rows);
    }

    /// @dev Signature of a row: right, by a wrong key, or over another ceiling.
    function _signature(Fuzzed memory row) private view returns (bytes32 r, bytes32 vs) {
        bytes32 id = channel.getChannelId(_config(row.receiver));
        uint128 max = row.fault % 8 == 1 ? uint128(row.max) + 1 : row.max;
        return compact(row.fault % 8 == 2 ? STRANGER : SESSION, channel.getVoucherDigest(id, max));
    }

    function _single(Fuzzed memory row) private view returns (VoucherClaim memory) {
        (bytes32 r, bytes32 vs) = _signature(row);
        return VoucherClaim(Voucher(_config(row.receiver), row.max), abi.encodePacked(r, vs), row.total);
    }

    function _packed(Fuzzed memory row) private view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = _signature(row);
        return abi.encodePacked(_receiver(row.receiver), uint96(row.total), uint96(row.max), r, vs);
    }

    /// @dev Everything a claim may change.
    function _fingerprint() private view returns (bytes32 sum) {
        (uint96 pool,,,) = channel.pools(channel.getPoolId(_payer, VM.addr(SESSION), VM.addr(OPERATOR)));
        sum = bytes32(uint256(pool));
        for (uint8 i = 0; i < 3; ++i) {
            (uint128 balance, uint128 claimed) = channel.channels(channel.getChannelId(_config(i)));
            (uint128 total, uint128 settled) = channel.receivers(_receiver(i), address(usdc));
            sum = keccak256(abi.encode(sum, balance, claimed, total, settled));
        }
    }
}
