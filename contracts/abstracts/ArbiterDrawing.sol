// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../interfaces/IDisputeArbiter.sol";
import {Errors} from "../libraries/Errors.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {DisputePeriod, DisputeState, Juror, RoundState, SessionPhase} from "../types/DisputeTypes.sol";
import {ArbiterCore} from "./ArbiterCore.sol";

/// @title ArbiterDrawing
/// @notice Who may not judge, and who does. See {IDisputeArbiter}.
///
/// @dev A ticket is drawn only over the weights of those who may take the seat: the intervals of excluded jurors and of
/// jurors who hold their share of the panel are left out of the line before the ticket is cast, so a large stake that
/// may not judge cannot make the draw fail. Each seat has its own ticket, made of the session's number.
///
/// Stake at risk elsewhere takes no seat. If those who have free stake could judge in place of the others, whoever
/// keeps the jurors busy with disputes of his own would be judged by his own accounts. So nobody is drawn while half of
/// the stake that may judge is at risk in other disputes, and a panel of less than most of its seats waits: whoever is
/// free then has at most about twice his share of the seats, in every session (ADR 0022).
abstract contract ArbiterDrawing is
    ArbiterCore // 12 inherited components
{
    using SumTree for SumTree.Tree;

    bytes32 private constant DISCLOSURE_TYPEHASH = keccak256("Disclosure(uint256 disputeId,address account)");

    /// @dev Accounts in extra data, and accounts that may say they belong to one of them.
    uint256 private constant MAX_PARTIES = 4;
    uint256 private constant MAX_RELATED = 12;

    /// @dev Jurors one seat is refused to for want of free stake before the draw is given up for the session.
    uint256 private constant MAX_REFUSALS = 32;

    /// @dev From this many jurors on, one may hold a quarter of a panel, below it half.
    uint256 private constant MANY_JURORS = 7;

    /// @dev Leaves of the jurors of a panel in the order of its seats.
    mapping(uint256 key => uint32[15] leaves) private _panels;

    mapping(uint256 disputeID => address[]) private _related;

    /// @dev Jurors who cannot get the seat, ordered by leaf: at most 16 parties and related accounts, 14 jurors who
    /// hold their share, and 32 refused ones.
    struct Blocked {
        uint256 count;
        uint256 weight;
        uint256[64] leaves;
    }

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function disclose(
        uint256 disputeID,
        bytes calldata extraData,
        address party,
        address account,
        bytes calldata signature
    ) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Evidence);
        _requireExtraData(disputeID, dispute.arbitrable, extraData);
        // Check: the party is one.
        bool named;
        for (uint256 offset = 32; offset < extraData.length; offset += 32) {
            named = named || _addressAt(extraData, offset) == party;
        }
        if (!named) revert Errors.Arbiter_NotParty(disputeID, party);
        // Check: the account is the caller, or signed: nobody takes a juror off a panel but he himself.
        if (msg.sender != account) {
            _requireSigned(account, keccak256(abi.encode(DISCLOSURE_TYPEHASH, disputeID, account)), signature);
        }
        // Check: the account is new, and there are not too many.
        address[] storage related = _related[disputeID];
        bool known = related.length == MAX_RELATED;
        for (uint256 i = 0; i < related.length; ++i) {
            known = known || related[i] == account;
        }
        if (known) revert Errors.Arbiter_CannotDisclose(disputeID, account);
        // Effect: remember it.
        related.push(account);
        emit RelatedDisclosed({disputeID: disputeID, party: party, account: account});
    }

    /// @inheritdoc IDisputeArbiter
    function draw(uint256 disputeID, bytes calldata extraData, uint256 maxSeats) external override {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Drawing);
        _requireExtraData(disputeID, dispute.arbitrable, extraData);
        uint256 key = _key(disputeID, dispute.round);
        RoundState memory round = _rounds[key];
        // Check: the session draws, and this round was there before its number was asked for.
        if (session.phase != SessionPhase.Drawing || round.session > session.number) _notReady();
        Blocked memory excluded = _excluded(disputeID, extraData);
        uint256 cap = _capOf(round.seats, session.jurors);
        uint256 end = round.seats;
        // 15 seats at most, of which `drawn` are filled
        unchecked {
            if (maxSeats < end - round.drawn) end = round.drawn + maxSeats;
        }
        // nobody judges in place of those who are kept busy
        bool more = _mayJudge(disputeID, dispute.round, excluded);
        while (more && round.drawn < end) {
            more = _drawSeat(disputeID, dispute.round, round, excluded, cap);
        }
        // Effect: count the seats.
        unchecked {
            session.seated += round.drawn - _rounds[key].drawn;
        }
        _rounds[key].drawn = round.drawn;
        if (more && round.drawn != round.seats) return;
        if (round.drawn <= round.seats / 2 && block.timestamp < dispute.endsAt) {
            // Effect: too few could be drawn: the round waits for the next session, with the seats it has.
            _rounds[key].session = _enqueue();
            _dequeue();
            return;
        }
        // Effect: the panel starts to vote, full, or as it is when nobody else can be drawn.
        if (round.drawn == 0) {
            // nobody can judge: what was ruled before stands, 0 at first
            _tally(dispute, round, uint40(block.timestamp));
        } else {
            dispute.period = DisputePeriod.Commit;
            dispute.endsAt = uint40(block.timestamp) + _commitPeriod;
        }
        _write(disputeID, dispute);
        _dequeue();
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDisputeArbiter
    function panelOf(uint256 disputeID, uint8 round) external view override returns (address[] memory jurors) {
        jurors = new address[](_rounds[_key(disputeID, round)].drawn);
        for (uint256 i = 0; i < jurors.length; ++i) {
            jurors[i] = _jurorAt[_panels[_key(disputeID, round)][i]];
        }
    }

    /// @inheritdoc IDisputeArbiter
    function relatedOf(uint256 disputeID) external view override returns (address[] memory) {
        return _related[disputeID];
    }

    /// @inheritdoc IDisputeArbiter
    function disputeIdOf(address arbitrable, bytes calldata extraData) external view override returns (uint256) {
        return _idOf(arbitrable, extraData);
    }

    /*////////////////////////////////////////////////////////////////////////
                                    INTERNALS
    ////////////////////////////////////////////////////////////////////////*/

    /// @dev 160 bits, so that an arbitrable can keep the id beside an amount.
    function _idOf(address arbitrable, bytes calldata extraData) internal view returns (uint256) {
        return uint160(uint256(keccak256(abi.encode(block.chainid, address(this), arbitrable, extraData))));
    }

    /// @dev A reference, then the accounts that can be no jurors.
    function _requireWellFormed(bytes calldata extraData) internal pure {
        // Check: whole words, one to five, and the words after the first are addresses.
        uint256 length = extraData.length;
        bool valid = length % 32 == 0 && length != 0 && length <= 32 + 32 * MAX_PARTIES;
        for (uint256 offset = 32; offset < length; offset += 32) {
            valid = valid && _wordAt(extraData, offset) >> 160 == 0;
        }
        if (!valid) revert Errors.Arbiter_InvalidExtraData();
    }

    /// @dev Fills the next seat. False when nobody can have it: then the draw is over for this session.
    function _drawSeat(uint256 disputeID, uint8 number, RoundState memory round, Blocked memory excluded, uint256 cap)
        private
        returns (bool)
    {
        Blocked memory blocked = _copy(excluded);
        uint32[15] storage panel = _panels[_key(disputeID, number)];
        for (uint256 i = 0; i < round.drawn; ++i) {
            uint256 held = panel[i];
            if (_ballots[_key(disputeID, number)][_jurorAt[held]].seats >= cap) _block(blocked, held);
        }
        uint256 total = _tree.total();
        for (uint256 attempt = 0; attempt < MAX_REFUSALS; ++attempt) {
            uint256 eligible = total - blocked.weight;
            if (eligible == 0) return false;
            uint256 ticket = uint256(keccak256(abi.encode(_seed, disputeID, number, round.drawn, attempt)));
            uint256 leaf = _find(blocked, ticket % eligible);
            address account = _jurorAt[leaf];
            Juror storage juror = jurorOf[account];
            if (juror.free < stakePerSeat) {
                _block(blocked, leaf);
                continue;
            }
            // Effect: put the stake at risk; it belongs to the pot of the round until it is settled.
            unchecked {
                juror.free -= stakePerSeat;
                juror.locked += stakePerSeat;
            }
            // Effect: take the seat.
            panel[round.drawn] = uint32(leaf);
            ++_ballots[_key(disputeID, number)][account].seats;
            emit JurorDrawn({disputeID: disputeID, round: number, juror: account, seat: round.drawn});
            ++round.drawn;
            return true;
        }
        return false;
    }

    /// @dev Whether less than half of the stake that may judge this dispute is at risk in others.
    function _mayJudge(uint256 disputeID, uint8 number, Blocked memory excluded) private view returns (bool) {
        uint256 seats = session.seated;
        // backed amounts; what one dispute has at risk is part of all
        unchecked {
            for (uint8 i = 0; i <= number; ++i) {
                RoundState storage round = _rounds[_key(disputeID, i)];
                seats -= round.drawn - round.leaked;
            }
            return 2 * seats * stakePerSeat < _tree.total() - excluded.weight;
        }
    }

    /// @dev Parties and who said to be related to one, as far as they have a place in the tree.
    function _excluded(uint256 disputeID, bytes calldata extraData) private view returns (Blocked memory blocked) {
        address[] storage related = _related[disputeID];
        for (uint256 offset = 32; offset < extraData.length; offset += 32) {
            _block(blocked, jurorOf[_addressAt(extraData, offset)].leaf);
        }
        for (uint256 i = 0; i < related.length; ++i) {
            _block(blocked, jurorOf[related[i]].leaf);
        }
    }

    function _copy(Blocked memory from) private pure returns (Blocked memory to) {
        (to.count, to.weight) = (from.count, from.weight);
        for (uint256 i = 0; i < from.count; ++i) {
            to.leaves[i] = from.leaves[i];
        }
    }

    /// @dev Adds a leaf in its place of the order; a leaf that is there, or has no weight, changes nothing.
    function _block(Blocked memory blocked, uint256 leaf) private view {
        uint256 weight = jurorOf[_jurorAt[leaf]].weight;
        if (weight == 0) return;
        unchecked {
            uint256 place = blocked.count;
            for (uint256 i = 0; i < place; ++i) {
                if (blocked.leaves[i] == leaf) return;
            }
            for (; place != 0 && blocked.leaves[place - 1] > leaf; --place) {
                blocked.leaves[place] = blocked.leaves[place - 1];
            }
            blocked.leaves[place] = leaf;
            ++blocked.count;
            blocked.weight += weight;
        }
    }

    /// @dev The leaf a ticket falls on when the blocked ones are cut out of the line.
    function _find(Blocked memory blocked, uint256 ticket) private view returns (uint256) {
        for (uint256 i = 0; i < blocked.count; ++i) {
            uint256 leaf = blocked.leaves[i];
            if (ticket < _tree.before(leaf)) break;
            ticket += jurorOf[_jurorAt[leaf]].weight;
        }
        return _tree.find(ticket);
    }

    /// @dev Seats one juror may hold: never half of a panel or more, so that nobody decides alone.
    function _capOf(uint256 seats, uint256 jurors) private pure returns (uint256) {
        return jurors < MANY_JURORS ? seats / 2 : (seats + 3) / 4;
    }

    function _requireExtraData(uint256 disputeID, address arbitrable, bytes calldata extraData) private view {
        // Check: the id was made of these.
        if (_idOf(arbitrable, extraData) != disputeID) revert Errors.Arbiter_InvalidExtraData();
    }

    /// @dev The caller has checked the length.
    function _wordAt(bytes calldata data, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, offset))
        }
    }

    function _addressAt(bytes calldata data, uint256 offset) private pure returns (address) {
        return address(uint160(_wordAt(data, offset)));
    }
}
