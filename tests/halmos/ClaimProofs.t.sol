// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {VoucherClaim} from "../../contracts/types/ChannelTypes.sol";
import {ClaimProof} from "./utils/ClaimProof.sol";

/// @notice Claims of one row keep what must hold of its channel, its receiver and its pool.
///
/// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 65 --solver-timeout-branching 100
contract ClaimProofs is ClaimProof {
    function check_claim(address caller, uint40 time, VoucherClaim[] calldata rows)
        public
        claims(caller, time, rows[0].voucher.channel)
    {
        _channel.claim(rows);
    }

    function check_claimWithSignature(
        address caller,
        uint40 time,
        VoucherClaim[] calldata rows,
        bytes calldata signature
    ) public claims(caller, time, rows[0].voucher.channel) {
        _channel.claimWithSignature(rows, signature);
    }

    function check_claimAndPay(address caller, uint40 time, VoucherClaim calldata row)
        public
        claims(caller, time, row.voucher.channel)
    {
        _channel.claimAndPay(row, "");
    }

    function check_claimAndPay_signed(address caller, uint40 time, VoucherClaim calldata row, bytes calldata signature)
        public
        claims(caller, time, row.voucher.channel)
    {
        _channel.claimAndPay(row, signature);
    }

    function check_claim_reaches_nothing_else(Frame calldata frame, VoucherClaim[] calldata rows)
        public
        reachesNothingElse(frame, rows[0].voucher.channel)
    {
        _channel.claim(rows);
    }

    function check_claimAndPay_reaches_nothing_else(Frame calldata frame, VoucherClaim calldata row)
        public
        reachesNothingElse(frame, row.voucher.channel)
    {
        _channel.claimAndPay(row, "");
    }
}
