// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title SignatureLib
/// @notice One way to check a signature of plain accounts, EIP-7702 accounts and ERC-1271 contracts.
///
/// @dev ECDSA is tried before the code of the account is looked at: an EIP-7702 account has code, yet its key still
/// signs. Signatures are never used as keys or nonces, so the two encodings of one signature do no harm.
library SignatureLib {
    /// @dev Half of the order of secp256k1; a larger s is the malleable twin of another signature.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice True if `signer` signed `digest`.
    ///
    /// @param signer Expected account; zero never signs
    /// @param digest EIP-712 digest
    /// @param signature 65 bytes (r, s, v), 64 bytes (r, vs, EIP-2098), or what the account's ERC-1271 code understands
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signer == address(0)) return false;
        if (recover(digest, signature) == signer) return true;
        if (signer.code.length == 0) return false;
        return _isValidContractSignature(signer, digest, signature);
    }

    /// @notice The plain account that signed, or zero.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length == 65) {
            return recover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        }
        if (signature.length == 64) {
            return recoverCompact(digest, bytes32(signature[:32]), bytes32(signature[32:64]));
        }
        return address(0);
    }

    /// @notice The plain account behind an EIP-2098 signature, or zero.
    function recoverCompact(bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (address) {
        unchecked {
            return recover(digest, uint8(uint256(vs) >> 255) + 27, r, vs & bytes32(uint256(type(int256).max)));
        }
    }

    /// @notice The plain account behind (v, r, s), or zero; high s is refused.
    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) internal pure returns (address) {
        if (uint256(s) > HALF_ORDER) return address(0);
        return ecrecover(digest, v, r, s);
    }

    /// @dev A reverting or garbage-returning contract has not signed. At most one word of its answer is read.
    function _isValidContractSignature(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool valid)
    {
        bytes memory data = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes4 magic = IERC1271.isValidSignature.selector;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            let ok := staticcall(gas(), signer, add(data, 0x20), mload(data), 0x00, 0x20)
            valid := and(and(ok, gt(returndatasize(), 0x1f)), eq(mload(0x00), magic))
        }
    }
}
