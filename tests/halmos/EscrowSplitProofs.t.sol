// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "../../contracts/types/EscrowTypes.sol";
import {EscrowProof} from "./utils/EscrowProof.sol";

/// @notice As `EscrowProofs`, for splits, a batch of one row and ratings.
///
/// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 65 --solver-timeout-branching 100
/// --solver-timeout-assertion 120s
contract EscrowSplitProofs is EscrowProof {
    modifier withoutRefund(Terms calldata terms) {
        VM.assume(_escrow.stateOf(_escrow.escrowId(terms)).refunded == 0);
        _;
    }

    modifier withoutRelease(Terms calldata terms) {
        VM.assume(_escrow.stateOf(_escrow.escrowId(terms)).released == 0);
        _;
    }

    /// @notice Everything goes to the client.
    function check_split_to_client(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) public withoutReport(terms) keeps(terms, caller, time) {
        _escrow.split(terms, 0, toClient, validUntil, clientSignature, providerSignature);
    }

    /// @notice Everything goes to the provider.
    function check_split_to_provider(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 toProvider,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) public withoutReport(terms) keeps(terms, caller, time) {
        _escrow.split(terms, toProvider, 0, validUntil, clientSignature, providerSignature);
    }

    /// @notice Both get something; nothing was refunded before.
    function check_split_between_both_after_releases(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 toProvider,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) public withoutRefund(terms) withoutReport(terms) keeps(terms, caller, time) {
        VM.assume(toProvider > 0 && toClient > 0);
        _escrow.split(terms, toProvider, toClient, validUntil, clientSignature, providerSignature);
    }

    /// @notice Both get something; nothing was released before.
    function check_split_between_both_after_refunds(
        Terms calldata terms,
        address caller,
        uint40 time,
        uint96 toProvider,
        uint96 toClient,
        uint40 validUntil,
        bytes calldata clientSignature,
        bytes calldata providerSignature
    ) public withoutRelease(terms) withoutReport(terms) keeps(terms, caller, time) {
        VM.assume(toProvider > 0 && toClient > 0);
        _escrow.split(terms, toProvider, toClient, validUntil, clientSignature, providerSignature);
    }

    function check_releaseBatch(Terms[] calldata rows, address caller, uint40 time)
        public
        withoutReport(rows[0])
        keeps(rows[0], caller, time)
    {
        _escrow.releaseBatch(rows);
    }

    function check_rate(Terms calldata terms, address caller, uint40 time, uint8 score, bytes32 comment)
        public
        keeps(terms, caller, time)
    {
        _escrow.rate(terms, score, comment);
    }
}
