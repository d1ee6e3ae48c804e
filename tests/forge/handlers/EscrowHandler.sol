// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Acceptance, EscrowState, Status, Terms} from "../../../contracts/types/EscrowTypes.sol";
import {Base} from "../utils/Base.sol";

/// @notice Random lives of escrows. Calls that revert are part of the game; what each successful one does to the state
/// word is compared with the table of allowed transitions.
contract EscrowHandler is Base {
    /// @notice False once a forbidden transition was seen.
    bool public sound = true;

    bytes32[] public ids;
    mapping(bytes32 id => Terms terms) internal _terms;
    mapping(bytes32 id => EscrowState state) internal _last;

    constructor() {
        give(VM.addr(CLIENT), 1e12, address(escrow));
        give(VM.addr(PROVIDER), 1e12, address(reputation));
        VM.prank(VM.addr(PROVIDER));
        reputation.stake(1e9);
    }

    /*////////////////////////////////////////////////////////////////////////
                                     ACTIONS
    ////////////////////////////////////////////////////////////////////////*/

    function fund(uint96 amount, bool accepted, bool byWallet) external {
        Terms memory terms = termsOf(uint96(bound(amount, 1, 1e9)), ids.length);
        bytes32 id = escrow.escrowId(terms);
        ids.push(id);
        _terms[id] = terms;
        Acceptance memory acceptance;
        if (accepted) acceptance = _acceptance(id);
        if (byWallet) {
            VM.prank(terms.client);
            escrow.fund(terms);
        } else {
            uint256 validBefore = block.timestamp + 60;
            bytes memory signature = authorization(CLIENT, address(escrow), terms.amount, validBefore, id);
            escrow.fundWithAuthorization(terms, validBefore, signature, acceptance);
        }
        _observe();
    }

    function fundFromBalance(uint96 amount) external {
        Terms memory terms = termsOf(uint96(bound(amount, 1, 1e9)), ids.length);
        bytes32 id = escrow.escrowId(terms);
        ids.push(id);
        _terms[id] = terms;
        VM.prank(terms.client);
        escrow.fundFromBalance(terms);
        _observe();
    }

    function accept(uint256 which) external {
        Terms memory terms = _pick(which);
        escrow.acceptWithSignature(terms, _acceptance(escrow.escrowId(terms)));
        _observe();
    }

    function submit(uint256 which) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.submit(terms, keccak256("result"));
        _observe();
    }

    function release(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.client);
        escrow.release(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function releaseAfterChallenge(uint256 which) external {
        escrow.releaseAfterChallenge(_pick(which));
        _observe();
    }

    function refund(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        VM.prank(terms.provider);
        escrow.refund(terms, uint96(bound(part, 1, terms.amount)));
        _observe();
    }

    function cancel(uint256 which, bool byStranger) external {
        Terms memory terms = _pick(which);
        VM.prank(byStranger ? VM.addr(STRANGER) : terms.client);
        escrow.cancel(terms);
        _observe();
    }

    function reclaim(uint256 which) external {
        escrow.reclaim(_pick(which));
        _observe();
    }

    function split(uint256 which, uint96 part) external {
        Terms memory terms = _pick(which);
        bytes32 id = escrow.escrowId(terms);
        EscrowState memory state = escrow.stateOf(id);
        uint96 left = terms.amount - state.released - state.refunded;
        uint96 toProvider = uint96(bound(part, 0, left));
        uint40 validUntil = uint40(block.timestamp);
        bytes32 digest = typed(
            escrow.domainSeparator(),
            keccak256(
                abi.encode(
                    keccak256("Split(bytes32 escrowId,uint96 toProvider,uint96 toClient,uint40 validUntil)"),
                    id,
                    toProvider,
                    left - toProvider,
                    validUntil
                )
            )
        );
        escrow.split(terms, toProvider, left - toProvider, validUntil, signed(CLIENT, digest), signed(PROVIDER, digest));
        _observe();
    }

    function withdraw(uint256 who, uint96 amount) external {
        address account = party(who % 3);
        VM.prank(account);
        escrow.withdraw(uint96(bound(amount, 1, 1e9)));
    }

    function stake(uint96 amount) external {
        VM.prank(VM.addr(PROVIDER));
        reputation.stake(uint96(bound(amount, 1, 1e8)));
    }

    function requestUnstake(uint96 amount) external {
        VM.prank(VM.addr(PROVIDER));
        reputation.requestUnstake(uint96(bound(amount, 1, 1e9)));
    }

    function completeUnstake() external {
        reputation.completeUnstake(VM.addr(PROVIDER));
    }

    function setFee(uint16 feeBps) external {
        VM.prank(ADMIN);
        escrow.setFee(uint16(bound(feeBps, 0, 500)));
    }

    function pass(uint32 time) external {
        uint256 longest = time % 16 == 0 ? 20 days : time % 4 == 0 ? 1 days : 10 minutes;
        VM.warp(block.timestamp + bound(time, 1, longest));
    }

    /*////////////////////////////////////////////////////////////////////////
                                      READS
    ////////////////////////////////////////////////////////////////////////*/

    function count() external view returns (uint256) {
        return ids.length;
    }

    function party(uint256 index) public pure returns (address) {
        if (index == 0) return VM.addr(CLIENT);
        if (index == 1) return VM.addr(PROVIDER);
        return TREASURY;
    }

    function termsAt(uint256 index) external view returns (Terms memory) {
        return _terms[ids[index]];
    }

    function world() external view returns (address, address, address) {
        return (address(usdc), address(escrow), address(reputation));
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    function _pick(uint256 which) private view returns (Terms memory) {
        // The newest ones, as older ones are mostly closed.
        uint256 window = ids.length < 4 ? ids.length : 4;
        return _terms[ids[ids.length - 1 - (which % window)]];
    }

    function _acceptance(bytes32 id) private view returns (Acceptance memory) {
        uint40 validUntil = uint40(block.timestamp);
        bytes32 structHash =
            keccak256(abi.encode(keccak256("Acceptance(bytes32 escrowId,uint40 validUntil)"), id, validUntil));
        return Acceptance(validUntil, signed(PROVIDER, typed(escrow.domainSeparator(), structHash)));
    }

    /// @dev Totals never fall, and no forbidden transition happens. A violation is remembered, as a revert here would
    /// only undo the action that caused it.
    function _observe() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            EscrowState memory was = _last[ids[i]];
            EscrowState memory isNow = escrow.stateOf(ids[i]);
            bool forward = isNow.status >= was.status;
            if (was.status == Status.Funded && isNow.status == Status.Submitted) forward = false;
            if (was.status == Status.Closed && isNow.word != was.word) forward = false;
            if (isNow.released < was.released || isNow.refunded < was.refunded) forward = false;
            if (!forward) sound = false;
            _last[ids[i]] = isNow;
        }
    }
}
