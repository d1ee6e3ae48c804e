// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputeArbiter} from "../../contracts/interfaces/IDisputeArbiter.sol";
import {IEscrow} from "../../contracts/interfaces/IEscrow.sol";
import {ILedger} from "../../contracts/interfaces/ILedger.sol";
import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {Errors} from "../../contracts/libraries/Errors.sol";
import {ArbiterConfig} from "../../contracts/types/DisputeTypes.sol";
import {Acceptance, EscrowConfig, Outcome, RoleSignature, Terms} from "../../contracts/types/EscrowTypes.sol";
import {ArbiterBase} from "./utils/ArbiterBase.sol";
import {Base} from "./utils/Base.sol";
import {Committed} from "./utils/Committed.sol";

/// @notice A token that moves nothing and, whenever it is asked to, calls back into the contract it is aimed at.
contract CallingToken {
    uint256 public transfers;
    uint256 public calls;
    bytes4[] public answers;
    address private _target;
    bytes[] private _data;

    function aim(address target, bytes[] calldata data) external {
        _target = target;
        delete _data;
        for (uint256 i = 0; i < data.length; ++i) {
            _data.push(data[i]);
        }
        (transfers, calls) = (0, 0);
        delete answers;
    }

    function transfer(address, uint256) external returns (bool) {
        return _callBack();
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        return _callBack();
    }

    function receiveWithAuthorization(address, address, uint256, uint256, uint256, bytes32, bytes calldata) external {
        _callBack();
    }

    function _callBack() private returns (bool) {
        ++transfers;
        for (uint256 i = 0; i < _data.length; ++i) {
            (bool success, bytes memory answer) = _target.call(_data[i]);
            ++calls;
            answers.push(success ? bytes4(0) : bytes4(answer));
        }
        return true;
    }
}

interface VmStorage {
    function load(address target, bytes32 slot) external view returns (bytes32);
    function store(address target, bytes32 slot, bytes32 value) external;
}

/// @notice Where a call goes out to the token, every other entry is shut.
contract LedgerReentrancyTest is Base {
    CallingToken private _calling = new CallingToken();
    IEscrow private _target;
    IReputation private _stakes;
    address private immutable _client = VM.addr(CLIENT);
    address private immutable _provider = VM.addr(PROVIDER);

    function setUp() public {
        EscrowConfig memory fixed_ = config();
        fixed_.token = address(_calling);
        _target = IEscrow(
            Committed.deploy("Escrow", abi.encode(fixed_, Committed.deploy("EscrowExtension", abi.encode(fixed_))))
        );
        _stakes = IReputation(_target.reputation());
        VM.prank(_provider);
        _stakes.stake(1e12);
    }

    function test_reentrancy__escrow_is_shut_while_the_token_works() public {
        Terms memory terms = termsOf(10e6, 1);
        Terms memory other = termsOf(10e6, 2);
        Terms memory paid = termsOf(10e6, 3);
        VM.prank(_client);
        _target.fund(terms);
        VM.prank(_provider);
        _target.accept(terms);
        _aim(address(_target), _entries(terms));
        VM.prank(_client);
        _target.fund(paid);
        _target.fundWithAuthorization(other, 1, hex"", Acceptance(0, hex""));
        VM.prank(_client);
        _target.cancel(paid);
        VM.prank(_client);
        _target.withdraw(1);
        VM.prank(_client);
        _target.withdrawTo(_provider, 1);
        VM.prank(_client);
        _target.releaseAndPay(terms, 4e6);
        VM.prank(_provider);
        _target.refundAndPay(terms, 5e6);
        _allShut(6);
        equal("client", _target.balanceOf(_client), 10e6 - 2);
        equal("provider", _target.balanceOf(_provider), 0);
    }

    function test_reentrancy__reputation_is_shut_while_the_token_works() public {
        VM.prank(address(_target));
        _stakes.lock(_provider, 0, 100);
        VM.prank(address(_target));
        _stakes.slash(_provider, 0, 100, Outcome.Lost, 0, 50, 50, _client);
        VM.prank(_provider);
        _stakes.requestUnstake(1e12 - 100);
        VM.warp(block.timestamp + 14 days);
        bytes[] memory data = new bytes[](7);
        data[0] = abi.encodeCall(_stakes.stake, (1));
        data[1] = abi.encodeCall(_stakes.completeUnstake, (_provider));
        data[2] = abi.encodeCall(_stakes.requestUnstake, (1));
        data[3] = abi.encodeCall(_stakes.fundBonusPool, (1));
        data[4] = abi.encodeCall(ILedger.withdraw, (1));
        data[5] = abi.encodeCall(ILedger.withdrawTo, (_client, 1));
        data[6] = abi.encodeCall(ILedger.withdrawWithSignature, (_client, _client, 1, type(uint40).max, hex""));
        _aim(address(_stakes), data);
        VM.prank(_provider);
        _stakes.stake(1);
        _stakes.completeUnstake(_provider);
        VM.prank(_client);
        _stakes.withdraw(20);
        VM.prank(_client);
        _stakes.withdrawTo(_provider, 30);
        _allShut(4);
        equal("stake", _stakes.stakeOf(_provider).staked, 1);
        equal("client", _stakes.balanceOf(_client), 0);
    }

    function _entries(Terms memory terms) private view returns (bytes[] memory data) {
        data = new bytes[](18);
        data[0] = abi.encodeCall(_target.fund, (terms));
        data[1] = abi.encodeCall(_target.fundFromBalance, (terms));
        data[2] = abi.encodeCall(_target.fundWithAuthorization, (terms, 1, hex"", Acceptance(0, hex"")));
        data[3] = abi.encodeCall(_target.accept, (terms));
        data[4] = abi.encodeCall(_target.submit, (terms, 0));
        data[5] = abi.encodeCall(_target.release, (terms, 10e6));
        data[6] = abi.encodeCall(_target.releaseAndPay, (terms, 10e6));
        data[7] = abi.encodeCall(_target.releaseWithQuorum, (terms, 1, 1, new RoleSignature[](0)));
        data[8] = abi.encodeCall(_target.releaseAfterChallenge, (terms));
        data[9] = abi.encodeCall(_target.refund, (terms, 10e6));
        data[10] = abi.encodeCall(_target.cancel, (terms));
        data[11] = abi.encodeCall(_target.reclaim, (terms));
        data[12] = abi.encodeCall(_target.releaseBatch, (new Terms[](0)));
        data[13] = abi.encodeCall(_target.settleStake, (terms));
        data[14] = abi.encodeCall(_target.execute, (terms));
        data[15] = abi.encodeCall(ILedger.withdraw, (1));
        data[16] = abi.encodeCall(ILedger.withdrawTo, (_client, 1));
        data[17] = abi.encodeCall(ILedger.withdrawWithSignature, (_client, _client, 1, type(uint40).max, hex""));
    }

    function _aim(address target, bytes[] memory data) private {
        _calling.aim(target, data);
    }

    /// @dev The token was asked so often, called every entry each time, and found the guard.
    function _allShut(uint256 transfers) private view {
        equal("transfers", _calling.transfers(), transfers);
        check("called", _calling.calls() > transfers);
        for (uint256 i = 0; i < _calling.calls(); ++i) {
            check("shut", _calling.answers(i) == bytes4(keccak256("Reentrancy()")));
        }
    }
}

/// @notice The arbiter keeps its balances behind the same guard; stakes leave it before the token is asked.
contract ArbiterReentrancyTest is ArbiterBase {
    VmStorage private constant STORAGE = VmStorage(address(VM));

    function test_reentrancy__arbiter_pays_once_while_the_token_works() public {
        CallingToken calling = new CallingToken();
        ArbiterConfig memory fixed_ = config();
        fixed_.token = address(calling);
        arbiter = IDisputeArbiter(Committed.deploy("DisputeArbiter", abi.encode(fixed_)));
        VM.prank(juror(1));
        arbiter.stake(5 * STAKE);
        VM.prank(juror(1));
        arbiter.requestUnstake(2 * STAKE);
        _give(address(calling), 100);
        VM.warp(block.timestamp + 7 days);

        bytes[] memory data = new bytes[](3);
        data[0] = abi.encodeCall(ILedger.withdraw, (1));
        data[1] = abi.encodeCall(ILedger.withdrawTo, (juror(1), 1));
        data[2] = abi.encodeCall(ILedger.withdrawWithSignature, (juror(1), juror(1), 1, type(uint40).max, hex""));
        calling.aim(address(arbiter), data);
        VM.prank(address(calling));
        arbiter.withdraw(40);
        VM.prank(address(calling));
        arbiter.withdrawTo(juror(1), 40);
        equal("transfers", calling.transfers(), 2);
        for (uint256 i = 0; i < calling.calls(); ++i) {
            check("shut", calling.answers(i) == bytes4(keccak256("Reentrancy()")));
        }
        equal("left", arbiter.balanceOf(address(calling)), 20);

        data = new bytes[](1);
        data[0] = abi.encodeCall(arbiter.completeUnstake, (juror(1)));
        calling.aim(address(arbiter), data);
        arbiter.completeUnstake(juror(1));
        equal("one transfer", calling.transfers(), 1);
        check("refused", calling.answers(0) == Errors.Arbiter_Unbonding.selector);
        (uint96 free,,,,,) = arbiter.jurorOf(juror(1));
        equal("stake", free, 3 * STAKE);
    }

    /// @dev A balance out of nothing, in whichever slot balances are.
    function _give(address account, uint256 amount) private {
        for (uint256 slot = 0; slot < 64; ++slot) {
            bytes32 place = keccak256(abi.encode(account, slot));
            bytes32 former = STORAGE.load(address(arbiter), place);
            STORAGE.store(address(arbiter), place, bytes32(amount));
            if (arbiter.balanceOf(account) == amount) return;
            STORAGE.store(address(arbiter), place, former);
        }
        revert Untrue("no balances");
    }
}
