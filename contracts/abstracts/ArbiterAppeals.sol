// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {Errors} from "../libraries/Errors.sol";
import {AppealState, Contribution, DisputePeriod, DisputeState} from "../types/DisputeTypes.sol";
import {ArbiterVoting} from "./ArbiterVoting.sol";

/// @title ArbiterAppeals
/// @notice Two sides fund the next round, or one of them gives in. See {IDisputeArbiter}.
///
/// @dev What both sides raised pays the round; the rest goes to the contributors of the side the final ruling is for,
/// and to all of them after a ruling of 0. Each is paid his part of what is left when he is paid, so the last one takes
/// the rounding and nothing stays behind.
abstract contract ArbiterAppeals is
    ArbiterVoting // 14 inherited components
{
    mapping(uint256 key => mapping(address account => Contribution paid)) private _contributions;

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function fundAppeal(uint256 disputeID, uint8 side, uint96 amount) external override {
        uint96 taken = _fund(disputeID, _inPeriod(disputeID, DisputePeriod.Appeal), side, msg.sender, amount);
        // Interaction: pull what was missing.
        _pull(msg.sender, taken);
    }

    /// @inheritdoc IDisputeArbiter
    function fundAppealWithAuthorization(
        uint256 disputeID,
        uint8 side,
        address account,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint256 salt,
        bytes calldata signature
    ) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Appeal);
        bytes32 nonce = keccak256(abi.encode(disputeID, dispute.round, side, salt));
        uint96 taken = _fund(disputeID, dispute, side, account, amount);
        // Effect: an authorization is for a fixed amount; what was not missing is the account's to withdraw.
        if (amount > taken) {
            uint96 excess;
            unchecked {
                excess = amount - taken;
            }
            _credit(account, excess);
            emit ExcessCredited({disputeID: disputeID, account: account, amount: excess});
        }
        // Interaction: pull the whole amount; the nonce commits to dispute, round and side.
        _pullWithAuthorization({
            from: account,
            amount: amount,
            validAfter: validAfter,
            validBefore: validBefore,
            nonce: nonce,
            signature: signature
        });
    }

    /// @inheritdoc IDisputeArbiter
    function claimContribution(uint256 disputeID, uint8 round, address account) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Solved);
        uint256 key = _key(disputeID, round);
        Contribution storage paid = _contributions[key][account];
        (uint256 first, uint256 second) = (paid.first, paid.second);
        uint256 due = first + second;
        // Check: something was paid in.
        if (due == 0) revert Errors.Arbiter_NothingDue(disputeID);
        // Effect: count it once.
        delete _contributions[key][account];
        if (round < dispute.round) {
            if (dispute.ruling == 1) due = first;
            if (dispute.ruling == 2) due = second;
            if (due != 0) due = _settle(_appeals[key], round, dispute.ruling, due);
        }
        // Effect: pay.
        _credit(account, due);
        emit ContributionReturned({disputeID: disputeID, round: round, account: account, amount: uint96(due)});
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function contributionOf(uint256 disputeID, uint8 round, address account)
        external
        view
        override
        returns (uint96 first, uint96 second)
    {
        Contribution storage paid = _contributions[_key(disputeID, round)][account];
        return (paid.first, paid.second);
    }

    /// @inheritdoc IDisputeArbiter
    function appealCost(uint256 disputeID) external view override returns (uint256) {
        return _costOf(_inPeriod(disputeID, DisputePeriod.Appeal).round + 1);
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev Books at most what `side` is short of, and starts the next round with the last unit of both sides.
    function _fund(uint256 disputeID, DisputeState memory dispute, uint8 side, address account, uint96 offered)
        private
        returns (uint96 taken)
    {
        // Check: it is a side.
        if (side != 1 && side != 2) revert Errors.Arbiter_NotFundable(disputeID, side);
        uint256 key = _key(disputeID, dispute.round);
        AppealState storage stored = _appeals[key];
        (uint96 own, uint96 other) = side == 1 ? (stored.first, stored.second) : (stored.second, stored.first);
        (uint8 round, uint8 verdict) = (dispute.round, dispute.verdict);
        uint96 missing;
        bool answered;
        // a side never has more than it needs, and what accounts paid makes up what the side has
        unchecked {
            missing = _required(round, verdict, side) - own;
            answered = other == _required(round, verdict, 3 - side);
            // Check: something is missing; the second half is only for answering.
            bool late = block.timestamp >= dispute.endsAt - _appealPeriod / 2;
            if (missing == 0 || (late && !answered)) revert Errors.Arbiter_NotFundable(disputeID, side);
            // Check: something is offered.
            taken = offered < missing ? offered : missing;
            if (taken == 0) revert Errors.Arbiter_AmountZero();
            // Effect: book it.
            Contribution storage paid = _contributions[key][account];
            if (side == 1) {
                stored.first = own + taken;
                paid.first += taken;
            } else {
                stored.second = own + taken;
                paid.second += taken;
            }
        }
        emit AppealContributed({disputeID: disputeID, round: round, account: account, side: side, amount: taken});
        // Effect: both sides want it.
        if (taken != missing || !answered) return taken;
        emit AppealDecision({disputeID: disputeID, arbitrable: dispute.arbitrable});
        _startRound(disputeID, dispute, round + 1);
    }

    /// @dev Part of `contribution` in what the round left over for the side(s) of the ruling.
    function _settle(AppealState storage stored, uint8 round, uint8 ruling, uint256 contribution)
        private
        returns (uint256 due)
    {
        uint256 both = uint256(stored.first) + stored.second;
        uint256 winners = ruling == 0 ? both : ruling == 1 ? stored.first : stored.second;
        uint256 pot = both - _costOf(round + 1);
        due = (pot - stored.settledPot) * contribution / (winners - stored.settledContribution);
        // Effect: the next one shares what is left.
        stored.settledContribution = uint96(stored.settledContribution + contribution);
        stored.settledPot = uint96(stored.settledPot + due);
    }
}
