// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Permit2DepositCollector} from "../../contracts/collectors/Permit2DepositCollector.sol";
import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
import {IPaymentChannel} from "../../contracts/interfaces/IPaymentChannel.sol";
import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {ChannelHash} from "../../contracts/libraries/ChannelHash.sol";
import {TermsLib} from "../../contracts/libraries/TermsLib.sol";
import {MockPermit2} from "../../contracts/mocks/MockPermit2.sol";
import {ChannelConfig} from "../../contracts/types/ChannelTypes.sol";
import {Terms} from "../../contracts/types/EscrowTypes.sol";
import {Base} from "./utils/Base.sol";
import {Golden} from "./utils/Golden.sol";

/// @notice The contracts hash every message as Python and TypeScript do.
contract GoldenTest is Base {
    IEscrow private constant _ESCROW = IEscrow(Golden.ESCROW_CONTRACT);
    IPaymentChannel private constant _CHANNEL = IPaymentChannel(Golden.CHANNEL_CONTRACT);
    IReputation private constant _REPUTATION = IReputation(Golden.REPUTATION_CONTRACT);

    function setUp() public {
        // the domain follows the address, so the golden addresses get our code
        VM.etch(Golden.ESCROW_CONTRACT, address(escrow).code);
        VM.etch(Golden.CHANNEL_CONTRACT, address(channel).code);
        VM.etch(Golden.REPUTATION_CONTRACT, address(reputation).code);
        VM.etch(Golden.PERMIT2_CONTRACT, address(new MockPermit2()).code);
    }

    function test_ids_are_digests() public view {
        same("EscrowTerms", _ESCROW.escrowId(_terms()), Golden.ESCROW_TERMS);
        same("ChannelConfig", _CHANNEL.getChannelId(_config()), Golden.CHANNEL_CONFIG);
        same(
            "PoolKey",
            _CHANNEL.getPoolId(Golden.PAYER_ADDRESS, Golden.PAYER_AUTHORIZER_ADDRESS, Golden.OPERATOR_ADDRESS),
            Golden.POOL_KEY
        );
    }

    function test_messages_of_the_escrow() public view {
        bytes32 id = Golden.ESCROW_ID_BYTES32;
        uint40 until = Golden.VALID_UNTIL_UINT40;
        _escrowMessage("Acceptance", TermsLib.acceptance(id, until), Golden.ACCEPTANCE);
        _escrowMessage("Cancellation", TermsLib.cancellation(id, until), Golden.CANCELLATION);
        _escrowMessage("Submission", TermsLib.submission(id, Golden.DELIVERABLE_HASH_BYTES32, until), Golden.SUBMISSION);
        _escrowMessage("Release", TermsLib.release(id, Golden.CUMULATIVE_RELEASED_UINT96, until), Golden.RELEASE);
        _escrowMessage("Refund", TermsLib.refund(id, Golden.CUMULATIVE_REFUNDED_UINT96, until), Golden.REFUND);
        _escrowMessage(
            "Split", TermsLib.split(id, Golden.TO_PROVIDER_UINT96, Golden.TO_CLIENT_UINT96, until), Golden.SPLIT
        );
    }

    function test_messages_of_the_channel() public view {
        bytes32 id = Golden.CHANNEL_ID_BYTES32;
        uint128 ceiling = Golden.MAX_CLAIMABLE_AMOUNT_UINT128;
        same("Voucher", _CHANNEL.getVoucherDigest(id, ceiling), Golden.VOUCHER);
        same("Refund", _CHANNEL.getRefundDigest(id, Golden.NONCE_UINT256, Golden.AMOUNT_UINT128), Golden.CHANNEL_REFUND);
        same(
            "PoolWithdraw",
            _CHANNEL.getPoolWithdrawDigest({
                poolId: Golden.POOL_ID_BYTES32,
                amount: Golden.AMOUNT_UINT96,
                cancel: Golden.CANCEL_BOOL,
                nonce: Golden.NONCE_UINT24,
                validUntil: Golden.VALID_UNTIL_UINT40
            }),
            Golden.POOL_WITHDRAW
        );
        same(
            "PoolRelease",
            _CHANNEL.getPoolReleaseDigest(Golden.POOL_ID_BYTES32, Golden.NONCE_UINT24, Golden.VALID_UNTIL_UINT40),
            Golden.POOL_RELEASE
        );
        bytes32 entry = ChannelHash.claimEntry(id, ceiling, Golden.TOTAL_CLAIMED_UINT128);
        same("ClaimEntry", entry, Golden.CLAIM_ENTRY_STRUCT);
        bytes32[] memory entries = new bytes32[](2);
        (entries[0], entries[1]) = (entry, entry);
        bytes32 batch = ChannelHash.digest(_CHANNEL.domainSeparator(), ChannelHash.claimBatch(entries));
        same("ClaimBatch", batch, Golden.CLAIM_BATCH);
    }

    function test_messages_of_permit2() public view {
        _permit("Escrow", TermsLib.WITNESS_TYPE, TermsLib.witness(Golden.ESCROW_ID_BYTES32), Golden.ESCROW_FUND_PERMIT);
        _permit(
            "Pool",
            ChannelHash.POOL_DEPOSIT_WITNESS_TYPE,
            ChannelHash.poolDepositWitness(Golden.POOL_ID_BYTES32),
            Golden.POOL_DEPOSIT_PERMIT
        );
        Permit2DepositCollector collector = Permit2DepositCollector(channel.permit2Collector());
        _permit(
            "Channel",
            "DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)",
            keccak256(abi.encode(collector.DEPOSIT_WITNESS_TYPEHASH(), Golden.CHANNEL_ID_BYTES32)),
            Golden.CHANNEL_DEPOSIT_PERMIT
        );
    }

    function test_domain_of_reputation() public view {
        same("Unstake", typed(_REPUTATION.domainSeparator(), Golden.UNSTAKE_STRUCT), Golden.UNSTAKE);
    }

    function _escrowMessage(string memory what, bytes32 structHash, bytes32 golden) private view {
        same(what, typed(_ESCROW.domainSeparator(), structHash), golden);
    }

    /// @dev The digest Permit2 makes of what our contracts hand it.
    function _permit(string memory what, string memory witnessType, bytes32 witness, bytes32 golden) private view {
        bytes32 permitted = keccak256(
            abi.encode(
                keccak256("TokenPermissions(address token,uint256 amount)"), Golden.TOKEN_ADDRESS, Golden.AMOUNT_UINT256
            )
        );
        bytes32 typehash = keccak256(
            abi.encodePacked(
                "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,",
                witnessType
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                typehash, permitted, Golden.SPENDER_ADDRESS, Golden.NONCE_UINT256, Golden.DEADLINE_UINT256, witness
            )
        );
        same(what, typed(MockPermit2(Golden.PERMIT2_CONTRACT).DOMAIN_SEPARATOR(), structHash), golden);
    }

    function same(string memory what, bytes32 left, bytes32 right) private pure {
        equal(what, uint256(left), uint256(right));
    }

    function _terms() private pure returns (Terms memory) {
        return Terms({
            client: Golden.CLIENT_ADDRESS,
            provider: Golden.PROVIDER_ADDRESS,
            verifier: Golden.VERIFIER_ADDRESS,
            arbiter: Golden.ARBITER_ADDRESS,
            amount: Golden.AMOUNT_UINT96,
            feeBps: Golden.FEE_BPS_UINT16,
            quorum: Golden.QUORUM_UINT8,
            acceptBy: Golden.ACCEPT_BY_UINT40,
            deliverBy: Golden.DELIVER_BY_UINT40,
            challengePeriod: Golden.CHALLENGE_PERIOD_UINT32,
            disputeTimeout: Golden.DISPUTE_TIMEOUT_UINT32,
            jobHash: Golden.JOB_HASH_BYTES32,
            salt: Golden.SALT_UINT256
        });
    }

    function _config() private pure returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: Golden.PAYER_ADDRESS,
            payerAuthorizer: Golden.PAYER_AUTHORIZER_ADDRESS,
            receiver: Golden.RECEIVER_ADDRESS,
            receiverAuthorizer: Golden.RECEIVER_AUTHORIZER_ADDRESS,
            token: Golden.TOKEN_ADDRESS,
            withdrawDelay: Golden.WITHDRAW_DELAY_UINT40,
            salt: Golden.SALT_BYTES32
        });
    }
}
