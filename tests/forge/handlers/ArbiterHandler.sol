// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BallotState, DisputePeriod, DisputeState, RoundState} from "../../../contracts/types/DisputeTypes.sol";
import {ArbiterBase} from "../utils/ArbiterBase.sol";

/// @notice Random disputes over random jurors, with hostile sources, arbitrables, and a token that pauses and bans.
contract ArbiterHandler is ArbiterBase {
    uint256 private constant JURORS = 6;

    /// @notice Disputes so far.
    uint256[] public ids;

    /// @notice False once a rule was seen broken.
    bool public sound = true;

    /// @notice Contributions given back, a sign of how deep the runs go.
    uint256 public repaid;

    mapping(uint256 id => uint256 topic) private _topic;

    mapping(uint256 key => uint256 paid) private _paidOut;

    mapping(uint256 id => uint256 ruling) private _final;

    mapping(bytes32 ballot => bool copied) private _copied;

    constructor() {
        for (uint256 i = 0; i < JURORS; ++i) {
            give(juror(i), 1e12);
        }
        for (uint256 side = 1; side < 3; ++side) {
            give(party(side), 1e12);
        }
        staked(4, 20 * STAKE);
        _ask();
    }

    /*////////////////////////////////////////////////////////////////////////
                                      MOVES
    ////////////////////////////////////////////////////////////////////////*/

    function moveStake(uint256 who, uint96 amount, uint256 way) external {
        if (way % 3 == 2) return arbiter.completeUnstake(juror(who % JURORS));
        VM.prank(juror(who % JURORS));
        if (way % 3 == 0) arbiter.stake(uint96(bound(amount, 1, 40 * STAKE)));
        else arbiter.requestUnstake(uint96(bound(amount, 0, 20 * STAKE)));
    }

    function ask() external {
        if (ids.length < 3) _ask();
    }

    function disturb(uint8 manner, uint256 number, uint8 rules) external {
        source.behave(manner % 3, number % 3 == 0 ? 0 : number);
        asker.behave(rules % 5);
    }

    function disturbToken(uint256 who, uint256 way) external {
        if (way % 16 == 0) usdc.blacklist(juror(who % JURORS));
        if (way % 4 == 1) usdc.unBlacklist(juror(who % JURORS));
        if (way % 32 == 2) usdc.pause();
        if (way % 2 == 1 && usdc.paused()) usdc.unpause();
    }

    function pass(uint32 time) external {
        later(bound(time, 1, time % 3 == 0 ? 2 days : 3 hours));
        blocks(bound(time, 1, 400));
        _observe();
    }

    /// @notice Brings a dispute through the period it is in, with votes and money as the seeds say.
    function carry(uint256 which, uint256 seed) external {
        uint256 id = _any(which);
        DisputeState memory dispute = arbiter.disputeOf(id);
        if (dispute.period == DisputePeriod.Evidence) {
            if (block.timestamp < dispute.endsAt) VM.warp(dispute.endsAt);
            arbiter.advance(id);
        } else if (dispute.period == DisputePeriod.Drawing) {
            _carryDraw(id, seed);
        } else if (dispute.period == DisputePeriod.Appeal) {
            for (uint256 i = 0; i < 3; ++i) {
                uint256 part = seed >> (16 * i);
                _pay(id, uint8(1 + part % 2), part % 4 == 0 ? uint96(bound(part, 1, 9 * FEE)) : 100 * FEE);
            }
            if (seed % 2 == 0) later(1 days);
        } else if (dispute.period == DisputePeriod.Solved) {
            if (!dispute.executed) arbiter.executeRuling(id);
            else _carrySettle(id, seed);
        } else {
            _carryVotes(id, dispute, seed);
        }
        _observe();
    }

    /// @notice As {carry}, so that it is chosen twice as often.
    function carryOn(uint256 which, uint256 seed) external {
        this.carry(which, seed);
    }

    function pushSession() external {
        arbiter.advanceSession();
    }

    function castVote(uint256 which, uint256 seat, uint8 choice, uint256 way) external {
        uint256 id = _any(which);
        uint8 round = arbiter.disputeOf(id).round;
        address[] memory panel = arbiter.panelOf(id, round);
        address account = panel[seat % panel.length];
        if (way % 8 == 0) account = juror(seat % JURORS);
        // the salt is public, so every commitment can be opened by whoever guesses the choice
        if (arbiter.disputeOf(id).period == DisputePeriod.Reveal) {
            _reveal(id, round, account, choice % 3);
        } else if (way % 8 == 1) {
            _leak(id, round, account, choice % 3);
        } else if (way % 8 == 3 && account != panel[0]) {
            // somebody else's commitment, whose choice and salt he will learn
            VM.prank(account);
            arbiter.commit(id, digest(id, round, panel[0], choice % 3));
            _copied[_ballot(id, round, account)] = true;
        } else {
            commit(id, round, way % 8 == 2 ? panel[0] : account, choice % 3);
            if (arbiter.disputeOf(id).period > DisputePeriod.Reveal) sound = false;
        }
    }

    function fund(uint256 which, uint256 side, uint96 amount) external {
        side = 1 + side % 2;
        VM.prank(party(side));
        arbiter.fundAppeal(_any(which), uint8(side), uint96(bound(amount, 1, 40 * FEE)));
    }

    function settle(uint256 which, uint256 round, uint256 who) external {
        uint256 id = _any(which);
        arbiter.claim(id, uint8(round % 3), juror(who % JURORS));
    }

    function settleRest(uint256 which, uint256 round, uint256 side) external {
        uint256 id = _any(which);
        uint8 number = uint8(round % 3);
        if (side % 3 == 0) {
            arbiter.sweep(id, number);
            return;
        }
        _repay(id, number, party(side % 3));
    }

    function withdraw(uint256 who) external {
        address account = juror(who % JURORS);
        uint96 amount = uint96(arbiter.balanceOf(account));
        VM.prank(account);
        arbiter.withdraw(amount);
    }

    /// @notice The end of the game and no move in it: with nobody voting or paying any more, every dispute is solved, and
    /// everybody gets what is his. The number of disputes still open.
    function endAll() external returns (uint256 open) {
        source.behave(0, 7);
        asker.behave(0);
        for (uint256 i = 0; i < ids.length; ++i) {
            _end(ids[i]);
            if (!arbiter.disputeOf(ids[i]).executed) ++open;
            for (uint8 number = 0; number < 3; ++number) {
                for (uint256 j = 0; j < JURORS; ++j) {
                    try arbiter.claim(ids[i], number, juror(j)) {} catch {}
                }
                _repay(ids[i], number, party(1));
                _repay(ids[i], number, party(2));
                try arbiter.sweep(ids[i], number) {} catch {}
            }
        }
    }

    /*////////////////////////////////////////////////////////////////////////
                                    REFERENCE
    ////////////////////////////////////////////////////////////////////////*/

    /// @notice What everybody can take out, stake and balances.
    function free() public view returns (uint256 sum) {
        for (uint256 i = 0; i < JURORS; ++i) {
            (uint96 stake,,,,,) = arbiter.jurorOf(juror(i));
            sum += stake + arbiter.balanceOf(juror(i));
        }
        sum += arbiter.balanceOf(party(1)) + arbiter.balanceOf(party(2)) + arbiter.balanceOf(SINK);
        sum += arbiter.balanceOf(address(this));
    }

    /// @notice Everything the contract owes, added up by looking at everybody.
    function owed() external view returns (uint256 sum) {
        sum = free();
        for (uint256 i = 0; i < ids.length; ++i) {
            DisputeState memory dispute = arbiter.disputeOf(ids[i]);
            if (dispute.period == DisputePeriod.Evidence) sum += 3 * FEE;
            for (uint8 round = 0; round < 3; ++round) {
                sum += _pot(ids[i], round, dispute) + _raised(ids[i], round, dispute);
            }
        }
    }

    /// @notice Stake at risk by the ballots equals stake at risk by the stakes.
    function locksMatch() external view returns (bool) {
        uint256 atRisk;
        for (uint256 j = 0; j < JURORS; ++j) {
            uint256 risked;
            for (uint256 i = 0; i < ids.length; ++i) {
                for (uint8 round = 0; round < 3; ++round) {
                    (, uint8 seats,,, bool settled) = arbiter.ballotOf(ids[i], round, juror(j));
                    if (!settled) risked += seats * STAKE;
                }
            }
            (, uint96 locked,,,,) = arbiter.jurorOf(juror(j));
            if (locked != risked) return false;
            atRisk += risked;
        }
        (,,,,,, uint32 seated,) = arbiter.session();
        return atRisk == seated * STAKE;
    }

    /// @notice The tree holds exactly the weights of the jurors.
    function weightsMatch() external view returns (bool) {
        uint256 sum;
        for (uint256 j = 0; j < JURORS; ++j) {
            (,,, uint96 weight,,) = arbiter.jurorOf(juror(j));
            sum += weight;
        }
        return sum == arbiter.totalWeight();
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function rulingsOf(uint256 id) external view returns (uint256) {
        return asker.rulings(id);
    }

    function world() external view returns (address, address) {
        return (address(usdc), address(arbiter));
    }

    /// @dev What is left of fee and stakes of a round, juror by juror.
    function _pot(uint256 id, uint8 number, DisputeState memory dispute) private view returns (uint256 sum) {
        RoundState memory round = arbiter.roundOf(id, number);
        if (round.seats == 0) return 0;
        sum = uint256(round.seats) * FEE + uint256(round.drawn) * STAKE - uint256(round.leaked) * LEAK;
        if (dispute.period != DisputePeriod.Solved) return sum;
        (uint256 coherent, uint256 lost, uint256 returned) = _judged(id, number, dispute.verdict, false);
        uint256 prize = uint256(round.seats) * FEE + lost;
        uint256 each = coherent == 0 ? 0 : prize / coherent;
        if (round.swept) sum -= prize - each * coherent;
        (uint256 paid,, uint256 back) = _judged(id, number, dispute.verdict, true);
        assert(returned >= back);
        sum -= paid * each + back;
    }

    /// @dev Coherent seats, stake lost, stake to return; only of settled jurors where told so.
    function _judged(uint256 id, uint8 number, uint8 verdict, bool settledOnly)
        private
        view
        returns (uint256 coherent, uint256 lost, uint256 returned)
    {
        address[] memory panel = arbiter.panelOf(id, number);
        for (uint256 i = 0; i < panel.length; ++i) {
            (,, uint8 choice, BallotState state, bool settled) = arbiter.ballotOf(id, number, panel[i]);
            if (settledOnly && !settled) continue;
            if (state == BallotState.Leaked) {
                lost += STAKE - LEAK;
            } else if (state != BallotState.Revealed) {
                lost += STAKE;
            } else if (verdict == 0 || choice == verdict) {
                ++coherent;
                returned += STAKE;
            } else if (choice == 0) {
                returned += STAKE;
            } else {
                lost += WRONG;
                returned += STAKE - WRONG;
            }
        }
    }

    /// @dev What is left of appeal contributions.
    function _raised(uint256 id, uint8 number, DisputeState memory dispute) private view returns (uint256) {
        (uint96 first, uint96 second) = arbiter.appealOf(id, number);
        uint256 sum = uint256(first) + second;
        if (number < dispute.round) sum -= uint256(arbiter.roundOf(id, number + 1).seats) * FEE;
        return sum - _paidOut[id << 8 | number];
    }

    function _ask() private {
        uint256 id = asker.ask(extra(ids.length));
        _topic[id] = ids.length;
        ids.push(id);
    }

    function _carryDraw(uint256 id, uint256 seed) private {
        for (uint256 i = 0; i < 4; ++i) {
            later(1 hours);
            blocks(9);
            try arbiter.draw(id, extra(_topic[id]), 1 + seed % 15) {
                if (seed % 3 == 0) return;
            } catch {
                try arbiter.advanceSession() {} catch {}
            }
        }
    }

    function _carryVotes(uint256 id, DisputeState memory dispute, uint256 seed) private {
        address[] memory panel = arbiter.panelOf(id, dispute.round);
        for (uint256 i = 0; i < panel.length; ++i) {
            uint256 part = seed >> (8 * i);
            uint8 choice = uint8(uint160(panel[i]) + id + dispute.round) % 3;
            BallotState state = BallotState(_state(id, dispute.round, panel[i]));
            DisputePeriod now_ = arbiter.disputeOf(id).period;
            if (part % 7 == 0) continue;
            if (now_ == DisputePeriod.Commit && state == BallotState.None) {
                commit(id, dispute.round, panel[i], choice);
            } else if (now_ == DisputePeriod.Commit && state == BallotState.Committed && part % 7 == 1) {
                _leak(id, dispute.round, panel[i], choice);
            } else if (now_ == DisputePeriod.Reveal && state == BallotState.Committed) {
                _reveal(id, dispute.round, panel[i], choice);
            }
        }
        if (seed % 2 == 0) later(1 days);
    }

    function _carrySettle(uint256 id, uint256 seed) private {
        for (uint8 number = 0; number < 3; ++number) {
            for (uint256 i = 0; i < JURORS; ++i) {
                if ((seed >> (8 * i)) % 2 == 0) continue;
                try arbiter.claim(id, number, juror(i)) {} catch {}
            }
            if (seed % 5 < 3) _repay(id, number, party(1 + seed % 2));
            if (seed % 3 == 0) try arbiter.sweep(id, number) {} catch {}
        }
    }

    function _pay(uint256 id, uint8 side, uint96 amount) private {
        VM.prank(party(side));
        try arbiter.fundAppeal(id, side, amount) {} catch {}
    }

    function _repay(uint256 id, uint8 number, address account) private {
        uint256 earlier = arbiter.balanceOf(account);
        try arbiter.claimContribution(id, number, account) {
            _paidOut[id << 8 | number] += arbiter.balanceOf(account) - earlier;
            ++repaid;
        } catch {}
    }

    /// @dev Only a commitment of one's own can be opened, and once.
    function _reveal(uint256 id, uint8 round, address account, uint8 choice) private {
        uint256 earlier = _state(id, round, account);
        try arbiter.reveal(id, account, choice, SALT) {
            if (earlier != uint256(BallotState.Committed) || _copied[_ballot(id, round, account)]) sound = false;
        } catch {}
    }

    function _leak(uint256 id, uint8 round, address account, uint8 choice) private {
        try arbiter.reportLeak(id, account, choice, SALT) {
            if (_copied[_ballot(id, round, account)]) sound = false;
        } catch {}
    }

    /// @dev Time and calls of anybody, until the dispute is solved.
    function _end(uint256 id) private {
        for (uint256 i = 0; i < 60; ++i) {
            DisputePeriod now_ = arbiter.disputeOf(id).period;
            if (now_ == DisputePeriod.Solved) break;
            if (now_ == DisputePeriod.Drawing) {
                _carryDraw(id, 14);
            } else {
                later(1 days);
                try arbiter.advance(id) {} catch {}
            }
        }
        if (!arbiter.disputeOf(id).executed) arbiter.executeRuling(id);
    }

    function _ballot(uint256 id, uint8 round, address account) private pure returns (bytes32) {
        return keccak256(abi.encode(id, round, account));
    }

    /// @dev A final ruling never changes.
    function _observe() private {
        for (uint256 i = 0; i < ids.length; ++i) {
            DisputeState memory dispute = arbiter.disputeOf(ids[i]);
            uint256 seen = _final[ids[i]];
            if (dispute.period != DisputePeriod.Solved) {
                if (seen != 0) sound = false;
            } else if (seen == 0) {
                _final[ids[i]] = dispute.ruling + 1;
            } else if (seen != dispute.ruling + 1) {
                sound = false;
            }
        }
    }

    function _any(uint256 which) private view returns (uint256) {
        return ids[which % ids.length];
    }
}
