// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @notice Deploys the committed bytecode: the tests run what users get, and have nothing of it to compile. That it is
/// what the sources compile to is shown elsewhere (`make check`, `make contracts`, `make bytecode`).
library Committed {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @param name Contract
    /// @param arguments Its constructor's, encoded
    function deploy(string memory name, bytes memory arguments) internal returns (address made) {
        string memory path = string.concat("sdk/aicp/abi/artifacts/", name, ".json");
        bytes memory code = abi.encodePacked(VM.getCode(path), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(0x00, 0x00, returndatasize())
                revert(0x00, returndatasize())
            }
        }
    }
}
