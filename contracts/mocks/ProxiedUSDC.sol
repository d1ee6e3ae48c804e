// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProxiedUSDCLogic} from "./ProxiedUSDCLogic.sol";

/// @title ProxiedUSDC
/// @notice The address of a token whose code is elsewhere, as USDC's is: every call reads the admin and the
/// implementation before it is passed on. Only for measuring gas; see `ProxiedUSDCLogic`.
contract ProxiedUSDC {
    bytes32 private constant ADMIN_SLOT = keccak256("aicp.mocks.proxied-usdc.admin");
    bytes32 private constant IMPLEMENTATION_SLOT = keccak256("aicp.mocks.proxied-usdc.implementation");

    error AdminCannotFallBack();

    /// @param implementation The code
    /// @param admin May not use the token through the proxy
    /// @param owner May mint
    constructor(address implementation, address admin, address owner) {
        (bytes32 adminSlot, bytes32 implementationSlot) = (ADMIN_SLOT, IMPLEMENTATION_SLOT);
        assembly ("memory-safe") {
            sstore(adminSlot, admin)
            sstore(implementationSlot, implementation)
        }
        (bool done,) = implementation.delegatecall(abi.encodeCall(ProxiedUSDCLogic.initialize, (owner)));
        assert(done);
    }

    // solhint-disable-next-line payable-fallback
    fallback() external {
        (bytes32 adminSlot, bytes32 implementationSlot) = (ADMIN_SLOT, IMPLEMENTATION_SLOT);
        (address admin, address implementation) = (address(0), address(0));
        assembly ("memory-safe") {
            admin := sload(adminSlot)
            implementation := sload(implementationSlot)
        }
        if (msg.sender == admin) revert AdminCannotFallBack();
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), implementation, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
