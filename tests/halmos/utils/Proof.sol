// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The cheatcodes of forge that Halmos knows and the proofs use.
interface Vm {
    function assume(bool condition) external pure;
    function getCode(string calldata path) external view returns (bytes memory code);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
}

/// @notice The cheatcodes of Halmos.
interface Svm {
    function enableSymbolicStorage(address account) external;
}

/// @notice A token that agrees to everything. What an escrow or a channel books must not depend on more.
contract AnyToken {
    fallback() external {
        assembly ("memory-safe") {
            mstore(0x00, 1)
            return(0x00, 0x20)
        }
    }
}

/// @notice A deployment of the committed bytecode.
abstract contract Proof {
    Vm internal constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant SVM = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    address internal constant ADMIN = address(0xAD);
    address internal constant GUARDIAN = address(0x6D);
    address internal constant TREASURY = address(0xFEE);
    uint256 internal constant NOW = 1_800_000_000;

    address internal immutable _token = _newToken();

    function _newToken() internal virtual returns (address) {
        return address(new AnyToken());
    }

    /// @dev Deploys what `make` has compiled, not what this file's compilation would make of it.
    function deploy(string memory name, bytes memory arguments) internal returns (address made) {
        bytes memory code =
            abi.encodePacked(VM.getCode(string.concat(".prove/out/", name, ".sol/", name, ".json")), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        VM.assume(made != address(0));
    }
}
