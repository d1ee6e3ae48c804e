// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice Where a dispute stands, in the numbers of ERC-792.
///
/// @custom:value Waiting No ruling yet.
/// @custom:value Appealable A ruling is given and can still be appealed.
/// @custom:value Solved The ruling is final.
enum DisputeStatus {
    Waiting,
    Appealable,
    Solved
}

/// @title IArbitrator
/// @notice ERC-792 arbitrator whose fee is paid in a token, in the overload of Kleros v2.
///
/// Ruling 0 is refusal or tie. For a dispute of Escrow, 1 is the client and 2 the provider.
///
/// `extraData` of Escrow is `abi.encode(bytes32 escrowId, address client, address provider, address verifier)`.
interface IArbitrator {
    /// @notice The dispute `disputeID` was created for `arbitrable`.
    event DisputeCreation(uint256 indexed disputeID, address indexed arbitrable);

    /// @notice The present ruling of the dispute can be appealed.
    event AppealPossible(uint256 indexed disputeID, address indexed arbitrable);

    /// @notice The present ruling of the dispute was appealed.
    event AppealDecision(uint256 indexed disputeID, address indexed arbitrable);

    /// @notice Creates a dispute, the fee paid in the native token.
    function createDispute(uint256 choices, bytes calldata extraData) external payable returns (uint256 disputeID);

    /// @notice Creates a dispute and takes `feeAmount` base units of `feeToken` from the caller, who gave an
    /// allowance.
    function createDispute(uint256 choices, bytes calldata extraData, IERC20 feeToken, uint256 feeAmount)
        external
        returns (uint256 disputeID);

    /// @notice Fee of a dispute in the native token; so high that nobody can pay it where only tokens are taken.
    function arbitrationCost(bytes calldata extraData) external view returns (uint256 cost);

    /// @notice Fee of a dispute in base units of `feeToken`.
    function arbitrationCost(bytes calldata extraData, IERC20 feeToken) external view returns (uint256 cost);

    /// @notice Window in which the present ruling can be appealed, unix seconds; (0, 0) if it cannot.
    function appealPeriod(uint256 disputeID) external view returns (uint256 start, uint256 end);

    /// @notice Where the dispute stands.
    function disputeStatus(uint256 disputeID) external view returns (DisputeStatus status);

    /// @notice The ruling as it stands now; final once the dispute is Solved.
    function currentRuling(uint256 disputeID) external view returns (uint256 ruling);
}
