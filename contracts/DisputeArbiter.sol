// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ArbiterAppeals} from "./abstracts/ArbiterAppeals.sol";
import {ArbiterCore} from "./abstracts/ArbiterCore.sol";
import {Funding} from "./abstracts/Funding.sol";
import {GuardedInflow} from "./abstracts/GuardedInflow.sol";
import {JurorLedger} from "./abstracts/JurorLedger.sol";
import {JurorSession} from "./abstracts/JurorSession.sol";
import {IArbitrable} from "./interfaces/IArbitrable.sol";
import {IArbitrator} from "./interfaces/IArbitrator.sol";
import {IDisputeArbiter} from "./interfaces/IDisputeArbiter.sol";
import {Errors} from "./libraries/Errors.sol";
import {ArbiterConfig, DisputePeriod, DisputeState} from "./types/DisputeTypes.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title DisputeArbiter
/// @notice See `IDisputeArbiter`.
///
/// ```
///  createDispute --> Evidence --time--> Drawing --panel full--> Commit --all, or time--> Reveal --all, or time--+
///                                         |  ^                                                                   |
///                          nobody to draw |  | both sides funded: 7, then 15 seats                               |
///                                         v  |                                                                   |
///                    executeRuling <-- Solved, Appeal <---------------------- somebody voted --------------------+
///                                         ^  |  |                                                                |
///                                         |  |  +-- nobody challenges (half time), one side does not answer (end)|
///                                         |  +---------------------------------------------------------------+   |
///                                         +---- nobody voted, or it was the last round --------------------------+
/// ```
///
/// @dev Money in this contract is the sum of what jurors have free, of the pots of rounds (fee and stake at risk), of
/// appeal contributions and of balances. Nobody can move any of it otherwise, stop a dispute, or change a parameter:
/// there is no owner. The guardian stops new stakes and sends on tokens that came by mistake, never USDC; nothing else.
contract DisputeArbiter is
    ArbiterAppeals // 15 inherited components
{
    /// @dev What the native token would have to be to pay: more than there is.
    uint256 private constant NON_PAYABLE = type(uint256).max;

    string private constant NAME = "AICP Arbiter";
    string private constant VERSION = "1";

    /// @param config What this deployment fixes
    constructor(ArbiterConfig memory config)
        Funding(config.token)
        EIP712(NAME, VERSION)
        GuardedInflow(config.guardian)
        JurorLedger(config)
        JurorSession(config)
        ArbiterCore(config)
    {}

    /*////////////////////////////////////////////////////////////////////////
                        USER-FACING STATE-CHANGING FUNCTIONS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IArbitrator
    function createDispute(uint256 choices, bytes calldata extraData, IERC20 feeToken, uint256 feeAmount)
        external
        override
        returns (uint256 disputeID)
    {
        // Check: two sides, well-formed data, and exactly the fee.
        if (choices != 2) revert Errors.Arbiter_ChoicesNotSupported(choices);
        _requireWellFormed(extraData);
        if (address(feeToken) != _token || feeAmount != _costOf(0)) {
            revert Errors.Arbiter_FeeMismatch(feeAmount, arbitrationCost(extraData, feeToken));
        }
        // Check: the caller did not ask this before.
        disputeID = _idOf(msg.sender, extraData);
        DisputeState storage dispute = _disputes[disputeID];
        if (dispute.period != DisputePeriod.None) revert Errors.Arbiter_AlreadyExists(disputeID);
        // Effect: one slot.
        dispute.arbitrable = msg.sender;
        dispute.endsAt = uint40(block.timestamp) + _evidencePeriod;
        dispute.period = DisputePeriod.Evidence;
        emit DisputeCreation({disputeID: disputeID, arbitrable: msg.sender});
        emit DisputeParties({disputeID: disputeID, extraData: extraData});
        // Interaction: pull the fee.
        _pull(msg.sender, feeAmount);
    }

    /// @inheritdoc IDisputeArbiter
    function submitEvidence(uint256 disputeID, string calldata evidence) external override {
        // Check: there is something to be decided.
        DisputeState memory dispute = _current(disputeID);
        if (dispute.period == DisputePeriod.Solved) _wrongPeriod(disputeID, dispute);
        emit Evidence({arbitrator: address(this), evidenceGroupID: disputeID, party: msg.sender, evidence: evidence});
    }

    /// @inheritdoc IDisputeArbiter
    function executeRuling(uint256 disputeID) external override nonReentrant {
        DisputeState memory dispute = _inPeriod(disputeID, DisputePeriod.Solved);
        // Check: once.
        if (dispute.executed) revert Errors.Arbiter_AlreadyExecuted(disputeID);
        // Effect: whatever the arbitrable does, this is over.
        dispute.executed = true;
        _write(disputeID, dispute);
        emit Ruling({arbitrable: dispute.arbitrable, disputeID: disputeID, ruling: dispute.ruling});
        // Interaction: tell the arbitrable, with gas it cannot complain about.
        (bool delivered,) =
            _boundedCall(dispute.arbitrable, abi.encodeCall(IArbitrable.rule, (disputeID, dispute.ruling)), false);
        if (!delivered) emit RulingUndelivered({disputeID: disputeID});
    }

    /// @inheritdoc IDisputeArbiter
    function rescueToken(address token_, address to, uint256 amount) external override nonReentrant {
        // Check: the guardian asks for a token that has no business here.
        if (msg.sender != guardian) revert Errors.Guarded_CallerNotGuardian(msg.sender);
        if (token_ == _token) revert Errors.Rescue_TokenInUse(token_);
        emit TokenRescued({token: token_, to: to, amount: amount});
        // Interaction: send it.
        SafeTransferLib.safeTransfer(token_, to, amount);
    }

    /// @inheritdoc IArbitrator
    function createDispute(uint256 choices, bytes calldata extraData)
        external
        payable
        override
        returns (uint256 disputeID)
    {
        _ignore(choices, extraData, disputeID);
        revert Errors.Arbiter_NativeTokenNotTaken();
    }

    /// @inheritdoc IDisputeArbiter
    function appeal(uint256 disputeID, bytes calldata extraData) external payable override {
        _ignore(disputeID, extraData, 0);
        revert Errors.Arbiter_NativeTokenNotTaken();
    }

    /*////////////////////////////////////////////////////////////////////////
                                      VIEWS
    ////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata extraData) external pure override returns (uint256 cost) {
        _ignore(0, extraData, cost);
        return NON_PAYABLE;
    }

    /// @inheritdoc IDisputeArbiter
    function appealCost(uint256 disputeID, bytes calldata extraData) external pure override returns (uint256 cost) {
        _ignore(disputeID, extraData, cost);
        return NON_PAYABLE;
    }

    /// @inheritdoc IDisputeArbiter
    function canRule() external view override returns (bool) {
        return session.jurors >= _seatsOf(0);
    }

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata extraData, IERC20 feeToken) public view override returns (uint256 cost) {
        _ignore(0, extraData, cost);
        return address(feeToken) == _token ? _costOf(0) : NON_PAYABLE;
    }

    /// @inheritdoc EIP712
    /// @dev The same answer without the code that reads long names from storage.
    function eip712Domain()
        public
        view
        override
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), salt, extensions);
    }

    /// @dev Parameters keep their names in the ABI also where the standard's question has one answer.
    function _ignore(uint256, bytes calldata, uint256) private pure {}
}
