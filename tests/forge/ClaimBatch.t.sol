// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannel} from "../../contracts/interfaces/IPaymentChannel.sol";
import {Errors} from "../../contracts/libraries/Errors.sol";
import {ChannelConfig, Group, Voucher, VoucherClaim} from "../../contracts/types/ChannelTypes.sol";
import {Base} from "./utils/Base.sol";
import {Committed} from "./utils/Committed.sol";
import {Vm} from "./utils/Vm.sol";

/// @notice A contract account one key signs for.
contract Wallet {
    address private immutable _owner;

    constructor(uint256 key) {
        _owner = Vm(address(uint160(uint256(keccak256("hevm cheat code"))))).addr(key);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        address signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        return signer == _owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice A token that moves nothing and calls back into the contract that calls it.
contract Reentrant {
    uint256 public calls;
    uint256 public refused;
    address private _target;
    bytes[12] private _data;

    function aim(address target, bytes[12] memory data) external {
        _target = target;
        for (uint256 i = 0; i < data.length; ++i) {
            _data[i] = data[i];
        }
    }

    function transfer(address, uint256) external returns (bool) {
        return _callBack();
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        return _callBack();
    }

    function _callBack() private returns (bool) {
        for (uint256 i = 0; i < _data.length; ++i) {
            (bool success, bytes memory answer) = _target.call(_data[i]);
            ++calls;
            if (!success && bytes4(answer) == bytes4(keccak256("Reentrancy()"))) ++refused;
        }
        return true;
    }
}

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

    /// @dev 1,000 agents, every tenth row rubbish of one kind or another: 900 are paid, 100 reported, in one transaction
    /// of the size and gas a node takes. The channels are in use already; a first claim costs three times as much.
    function test_thousand_rows__pays_the_good_and_reports_the_bad() public {
        bytes memory rows = new bytes(250 * 108);
        for (uint256 part = 0; part < 4; ++part) {
            for (uint256 i = 0; i < 250; ++i) {
                _put(rows, i, _thousandth(part * 250 + i, 1, 1, SESSION));
            }
            _send(rows, "");
        }
        rows = new bytes(1000 * 108);
        for (uint256 i = 0; i < 1000; ++i) {
            _put(rows, i, i % 10 == 7 ? _rubbish(i) : _thousandth(i, 3, 5, SESSION));
        }
        Group[] memory groups = new Group[](1);
        groups[0] = _group(rows);
        bytes memory signature = signed(OPERATOR, channel.getGroupsDigest(VM.addr(OPERATOR), groups));
        bytes memory data = abi.encodeCall(channel.claimBatch, (VM.addr(OPERATOR), groups, signature));
        check("fits a transaction", data.length + 300 < 128 * 1024);

        VM.recordLogs();
        uint256 before = gasleft();
        channel.claimBatch(VM.addr(OPERATOR), groups, signature);
        uint256 gas = before - gasleft() + 21_000 + 16 * data.length;
        check("fits the gas cap", gas < 2 ** 25);

        Vm.Log[] memory logs = VM.getRecordedLogs();
        (uint256 claims, uint256 skips) = (0, 0);
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == keccak256("Claimed(bytes32,address,uint128,uint128)")) ++claims;
            if (logs[i].topics[0] != keccak256("RowSkipped(uint256,uint256,uint8)")) continue;
            ++skips;
            equal("the bad one", uint256(logs[i].topics[2]) % 10, 7);
        }
        equal("paid", claims, 900);
        equal("reported", skips, 100);
        for (uint256 i = 0; i < 1000; ++i) {
            (uint128 claimed,) = channel.receivers(_agent(i), address(usdc));
            equal("agent", claimed, i % 10 == 7 ? 1 : 3);
        }
    }

    /// @dev The operator's key in an attacker's hands, who may invent any config: nothing but what the payer's two keys
    /// signed leaves his pool, and that only for the receiver they named.
    function testFuzz_operator_invents_a_config(ChannelConfig memory config, uint128 ceiling, uint128 total, uint8 part)
        public
    {
        config.receiverAuthorizer = VM.addr(OPERATOR);
        if (part % 5 > 0) config.payer = _payer;
        if (part % 5 > 1) config.token = address(usdc);
        if (part % 5 > 2) config.withdrawDelay = DELAY;
        if (part % 5 > 3) config.payerAuthorizer = VM.addr(SESSION);
        if (config.receiver == address(0)) config.receiver = VM.addr(STRANGER);
        ceiling = uint128(bound(ceiling, 1, 4e9));
        bytes32 id = channel.getChannelId(config);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = VoucherClaim(
            Voucher(config, ceiling),
            signed(STRANGER, channel.getVoucherDigest(id, ceiling)),
            uint128(bound(total, 1, ceiling))
        );
        bytes memory attestation = signed(OPERATOR, channel.getClaimBatchDigest(rows));
        VM.prank(VM.addr(OPERATOR));
        try channel.claim(rows) {
            revert Untrue("claimed as operator");
        } catch {}
        try channel.claimWithSignature(rows, attestation) {
            revert Untrue("claimed by signature");
        } catch {}
        equal("pool", _pool(), 4e9);
    }

    /// @dev A voucher for one receiver is worthless for another, however the operator packs it.
    function testFuzz_voucher_cannot_be_redirected(address receiver, uint96 total) public {
        if (receiver == _receiver(0) || receiver == address(0)) receiver = VM.addr(STRANGER);
        total = uint96(bound(total, 1, 4e9));
        bytes32 id = channel.getChannelId(_config(0));
        (bytes32 r, bytes32 vs) = compact(SESSION, channel.getVoucherDigest(id, total));
        _send(abi.encodePacked(receiver, total, total, r, vs), "");
        equal("pool", _pool(), 4e9);
    }

    /// @dev The payer signs himself where there is no session key, and may be a contract off the batch path.
    function test_claim__voucher_of_a_contract_account() public {
        Wallet wallet = new Wallet(CLIENT);
        give(address(wallet), 1e9, address(channel));
        VM.prank(address(wallet));
        channel.depositPool(address(0), VM.addr(OPERATOR), 1e9);
        ChannelConfig memory config = _config(0);
        (config.payer, config.payerAuthorizer) = (address(wallet), address(0));
        bytes32 id = channel.getChannelId(config);
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        rows[0] = VoucherClaim(Voucher(config, 9), signed(STRANGER, channel.getVoucherDigest(id, 9)), 9);
        bytes memory attestation = signed(OPERATOR, channel.getClaimBatchDigest(rows));
        VM.expectRevert(Errors.InvalidSignature.selector);
        channel.claimWithSignature(rows, attestation);
        rows[0].signature = signed(CLIENT, channel.getVoucherDigest(id, 9));
        channel.claimWithSignature(rows, attestation);
        (uint128 claimed,) = channel.receivers(config.receiver, address(usdc));
        equal("claimed", claimed, 9);

        // in a batch no code is called, so the same voucher is a bad row
        (bytes32 r, bytes32 vs) = compact(CLIENT, channel.getVoucherDigest(id, 10));
        Group[] memory groups = new Group[](1);
        groups[0] = Group(address(wallet), address(0), DELAY, bytes32(0), "");
        groups[0].rows = abi.encodePacked(config.receiver, uint96(10), uint96(10), r, vs);
        VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, "");
        (claimed,) = channel.receivers(config.receiver, address(usdc));
        equal("still", claimed, 9);
    }

    /// @dev A token that calls back into every entry finds each of them shut, and money stays where it was booked.
    function test_reentrancy__a_token_that_calls_back() public {
        Reentrant token = new Reentrant();
        IPaymentChannel target = IPaymentChannel(
            Committed.deploy("PaymentChannel", abi.encode(address(token), GUARDIAN, address(0), address(0)))
        );
        ChannelConfig memory config = _config(0);
        (config.token, config.payer, config.receiver) = (address(token), address(this), address(token));
        (config.payerAuthorizer, config.receiverAuthorizer) = (address(this), address(this));
        VoucherClaim[] memory none = new VoucherClaim[](0);
        token.aim(
            address(target),
            [
                abi.encodeCall(target.deposit, (config, 1, address(0), "")),
                abi.encodeCall(target.depositPool, (address(0), address(this), 1)),
                abi.encodeCall(target.claim, (none)),
                abi.encodeCall(target.claimWithSignature, (none, "")),
                abi.encodeCall(target.claimBatch, (address(this), new Group[](0), "")),
                abi.encodeCall(target.settle, (address(token), address(token))),
                abi.encodeCall(target.settleMany, (new address[](0))),
                abi.encodeCall(target.refund, (config, 1)),
                abi.encodeCall(target.initiateWithdraw, (config, 1)),
                abi.encodeCall(target.finalizeWithdraw, (config)),
                abi.encodeCall(target.finalizePoolWithdraw, (address(this), address(0), address(this))),
                abi.encodeCall(target.cancelPoolWithdraw, (address(0), address(this)))
            ]
        );
        target.deposit(config, 10, address(0), "");
        target.depositPool(address(0), address(this), 10);
        target.refund(config, 4);
        equal("calls back", token.calls(), 3 * 12);
        equal("refused", token.refused(), 3 * 12);
        (uint128 balance,) = target.channels(target.getChannelId(config));
        equal("channel", balance, 6);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     HELPERS
    ////////////////////////////////////////////////////////////////////////*/

    function _pool() private view returns (uint96 balance) {
        (balance,,,) = channel.pools(channel.getPoolId(_payer, VM.addr(SESSION), VM.addr(OPERATOR)));
    }

    /// @dev One group of rows, sent by the operator or with his signature by anyone.
    function _send(bytes memory rows, bytes memory signature) private {
        Group[] memory groups = new Group[](1);
        groups[0] = _group(rows);
        if (signature.length == 0) VM.prank(VM.addr(OPERATOR));
        channel.claimBatch(VM.addr(OPERATOR), groups, signature);
    }

    function _agent(uint256 index) private pure returns (address) {
        return address(bytes20(keccak256(abi.encode("agent", index))));
    }

    function _thousandth(uint256 index, uint96 total, uint96 max, uint256 key) private view returns (bytes memory) {
        ChannelConfig memory config = _config(0);
        config.receiver = _agent(index);
        (bytes32 r, bytes32 vs) = compact(key, channel.getVoucherDigest(channel.getChannelId(config), max));
        return abi.encodePacked(config.receiver, total, max, r, vs);
    }

    /// @dev Row by row into one array: appending would copy a thousand times.
    function _put(bytes memory rows, uint256 index, bytes memory row) private pure {
        assembly ("memory-safe") {
            mcopy(add(add(rows, 0x20), mul(index, 108)), add(row, 0x20), 108)
        }
    }

    /// @dev Random bytes, a wrong key, above the ceiling, above the pool, stale, a signature's malleable twin.
    function _rubbish(uint256 index) private view returns (bytes memory row) {
        uint256 kind = (index / 10) % 6;
        if (kind == 0) {
            bytes32 seed = keccak256(abi.encode(index));
            return abi.encodePacked(seed, seed, seed, bytes12(seed));
        }
        if (kind == 1) return _thousandth(index, 3, 5, STRANGER);
        if (kind == 2) return _thousandth(index, 6, 5, SESSION);
        if (kind == 3) return _thousandth(index, 5e9, 5e9, SESSION);
        if (kind == 4) return _thousandth(index, 1, 5, SESSION);
        row = _thousandth(index, 3, 5, SESSION);
        // s becomes the order minus s, v the other one.
        assembly {
            let at_ := add(row, 108)
            let vs := mload(at_)
            let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
            s := sub(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141, s)
            mstore(at_, s)
        }
    }

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
