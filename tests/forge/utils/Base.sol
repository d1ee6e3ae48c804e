// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IEscrow} from "../../../contracts/interfaces/IEscrow.sol";
import {IPaymentChannel} from "../../../contracts/interfaces/IPaymentChannel.sol";
import {IReputation} from "../../../contracts/interfaces/IReputation.sol";
import {MockUSDC} from "../../../contracts/mocks/MockUSDC.sol";
import {EscrowConfig, Terms} from "../../../contracts/types/EscrowTypes.sol";
import {Committed} from "./Committed.sol";
import {Vm} from "./Vm.sol";

/// @notice A deployment, keyed accounts, and signatures.
abstract contract Base {
    Vm internal constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant CLIENT = 0xC11E;
    uint256 internal constant PROVIDER = 0xA6E7;
    uint256 internal constant VERIFIER = 0x7E51;
    uint256 internal constant OPERATOR = 0x0BE7;
    uint256 internal constant SESSION = 0x5E55;
    uint256 internal constant STRANGER = 0x57A9;

    address internal constant ADMIN = address(0xAD);
    address internal constant GUARDIAN = address(0x6D);
    address internal constant TREASURY = address(0xFEE);

    MockUSDC internal usdc;
    IEscrow internal escrow;
    IReputation internal reputation;
    IPaymentChannel internal channel;

    error Unequal(string what, uint256 left, uint256 right);
    error Untrue(string what);

    constructor() {
        VM.warp(1_800_000_000);
        usdc = MockUSDC(Committed.deploy("MockUSDC", abi.encode(address(this))));
        escrow = IEscrow(
            Committed.deploy("Escrow", abi.encode(config(), Committed.deploy("EscrowExtension", abi.encode(config()))))
        );
        reputation = IReputation(escrow.reputation());
        channel = IPaymentChannel(
            Committed.deploy("PaymentChannel", abi.encode(address(usdc), GUARDIAN, address(0), address(0)))
        );
    }

    function config() internal view returns (EscrowConfig memory) {
        return EscrowConfig({
            token: address(usdc),
            admin: ADMIN,
            guardian: GUARDIAN,
            feeRecipient: TREASURY,
            feeBps: 250,
            maxFeeBps: 500,
            minChallengePeriod: 60,
            maxChallengePeriod: 14 days,
            maxAcceptWindow: 7 days,
            maxDeliverWindow: 180 days,
            maxDisputeTimeout: 180 days,
            unbondingPeriod: 14 days
        });
    }

    function termsOf(uint96 amount, uint256 salt) internal view returns (Terms memory) {
        return Terms({
            client: VM.addr(CLIENT),
            provider: VM.addr(PROVIDER),
            verifier: VM.addr(VERIFIER),
            arbiter: address(0),
            amount: amount,
            feeBps: escrow.feeBps(),
            quorum: 2,
            acceptBy: uint40(block.timestamp + 15 minutes),
            deliverBy: uint40(block.timestamp + 1 days),
            challengePeriod: 1 hours,
            disputeTimeout: 30 days,
            jobHash: keccak256("job"),
            salt: salt
        });
    }

    /// @dev A wallet with `amount` that lets `spender` take it.
    function give(address account, uint256 amount, address spender) internal {
        usdc.mint(account, amount);
        VM.prank(account);
        usdc.approve(spender, type(uint256).max);
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function compact(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        bytes32 s;
        (v, r, s) = VM.sign(key, digest);
        vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
    }

    function typed(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev ERC-3009 signature of the key's account.
    function authorization(uint256 key, address to, uint256 value, uint256 validBefore, bytes32 nonce)
        internal
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                usdc.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), VM.addr(key), to, value, uint256(0), validBefore, nonce
            )
        );
        return signed(key, typed(usdc.DOMAIN_SEPARATOR(), structHash));
    }

    function equal(string memory what, uint256 left, uint256 right) internal pure {
        if (left != right) revert Unequal(what, left, right);
    }

    function check(string memory what, bool condition) internal pure {
        if (!condition) revert Untrue(what);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
