// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChannelConfig, Group} from "../../contracts/types/ChannelTypes.sol";
import {ClaimProof} from "./utils/ClaimProof.sol";

/// @notice Packed claims keep what must hold of the channel, the receiver and the pool of a row.
///
/// @custom:halmos --default-bytes-lengths 65 --solver-timeout-branching 100
contract ClaimBatchProofs is ClaimProof {
    /// @notice A packed row.
    struct Row {
        uint96 total;
        uint96 ceiling;
        bytes32 r;
        bytes32 vs;
    }

    function check_claimBatch(address caller, uint40 time, ChannelConfig calldata config, Row calldata row)
        public
        claims(caller, time, _ours(config))
    {
        _channel.claimBatch(config.receiverAuthorizer, _groups(config, row), "");
    }

    function check_claimBatch_signed(
        address caller,
        uint40 time,
        ChannelConfig calldata config,
        Row calldata row,
        bytes calldata signature
    ) public claims(caller, time, _ours(config)) {
        _channel.claimBatch(config.receiverAuthorizer, _groups(config, row), signature);
    }

    function check_claimBatch_reaches_nothing_else(
        Frame calldata frame,
        ChannelConfig calldata config,
        Row calldata row
    ) public reachesNothingElse(frame, _ours(config)) {
        _channel.claimBatch(config.receiverAuthorizer, _groups(config, row), "");
    }

    /// @dev All channels of a batch have the contract's token.
    function _ours(ChannelConfig calldata config) private view returns (ChannelConfig memory ours) {
        ours = config;
        ours.token = _token;
    }

    function _groups(ChannelConfig calldata config, Row calldata row) private pure returns (Group[] memory groups) {
        groups = new Group[](1);
        groups[0] = Group({
            payer: config.payer,
            payerAuthorizer: config.payerAuthorizer,
            withdrawDelay: config.withdrawDelay,
            salt: config.salt,
            rows: abi.encodePacked(config.receiver, row.total, row.ceiling, row.r, row.vs)
        });
    }
}
