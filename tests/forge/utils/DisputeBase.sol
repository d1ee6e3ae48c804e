// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MaliciousArbiter} from "../../../contracts/mocks/MaliciousArbiter.sol";
import {MockArbitrator} from "../../../contracts/mocks/MockArbitrator.sol";
import {Acceptance, BondAuthorization, EscrowState, Terms} from "../../../contracts/types/EscrowTypes.sol";
import {Base} from "./Base.sol";

/// @notice Escrows on their way into disputes, and the signatures for it.
abstract contract DisputeBase is Base {
    uint96 internal constant FEE = 3e6;

    MockArbitrator internal honest;
    MaliciousArbiter internal hostile;

    constructor() {
        honest = new MockArbitrator(address(this), FEE);
        hostile = new MaliciousArbiter();
        hostile.setFee(FEE, MaliciousArbiter.Fee.Exact);
    }

    function give() internal {
        give(VM.addr(CLIENT), 1e15, address(escrow));
        give(VM.addr(PROVIDER), 1e15, address(reputation));
        VM.prank(VM.addr(PROVIDER));
        reputation.stake(1e12);
    }

    /// @dev Balances from escrows that came to nothing, so that bonds can be paid.
    function fillBalances(uint96 amount) internal {
        Terms memory terms = termsOf(amount, uint256(keccak256("fill client")));
        VM.prank(terms.client);
        escrow.fund(terms);
        VM.prank(terms.client);
        escrow.cancel(terms);
        terms = termsOf(amount, uint256(keccak256("fill provider")));
        terms.client = VM.addr(PROVIDER);
        terms.provider = VM.addr(CLIENT);
        give(terms.client, amount, address(escrow));
        VM.prank(terms.client);
        escrow.fund(terms);
        VM.prank(terms.client);
        escrow.cancel(terms);
    }

    function submittedWith(address arbiter, uint96 amount, uint256 salt) internal returns (Terms memory terms) {
        terms = termsOf(amount, salt);
        terms.arbiter = arbiter;
        VM.prank(terms.client);
        escrow.fund(terms);
        VM.prank(terms.provider);
        escrow.accept(terms);
        VM.prank(terms.provider);
        escrow.submit(terms, keccak256("result"));
    }

    function challengedWith(address arbiter, uint96 amount, uint256 salt) internal returns (Terms memory terms) {
        terms = submittedWith(arbiter, amount, salt);
        VM.prank(terms.client);
        escrow.dispute(terms, keccak256("evidence"));
    }

    function disputedWith(address arbiter, uint96 amount, uint256 salt) internal returns (Terms memory terms) {
        terms = challengedWith(arbiter, amount, salt);
        VM.prank(terms.provider);
        escrow.respond(terms);
    }

    function stateOf(Terms memory terms) internal view returns (EscrowState memory) {
        return escrow.stateOf(escrow.escrowId(terms));
    }

    function noBond() internal pure returns (BondAuthorization memory bond) {}

    function bondBy(uint256 key, bytes32 id, uint256 amount) internal view returns (BondAuthorization memory) {
        uint256 validBefore = block.timestamp + 1 hours;
        bytes32 nonce = keccak256(abi.encode(id, "bond", VM.addr(key)));
        return BondAuthorization(validBefore, authorization(key, address(escrow), amount, validBefore, nonce));
    }

    function acceptanceOf(bytes32 id) internal view returns (Acceptance memory) {
        uint40 validUntil = uint40(block.timestamp);
        return Acceptance(validUntil, consent(PROVIDER, "Acceptance(bytes32 escrowId,uint40 validUntil)", id));
    }

    /// @dev A signature of a message with escrow id and validUntil (now) only.
    function consent(uint256 key, string memory kind, bytes32 id) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(keccak256(bytes(kind)), id, uint40(block.timestamp)));
        return signed(key, typed(escrow.domainSeparator(), structHash));
    }

    function splitSignature(uint256 key, bytes32 id, uint96 toProvider, uint96 toClient)
        internal
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Split(bytes32 escrowId,uint96 toProvider,uint96 toClient,uint40 validUntil)"),
                id,
                toProvider,
                toClient,
                uint40(block.timestamp)
            )
        );
        return signed(key, typed(escrow.domainSeparator(), structHash));
    }
}
