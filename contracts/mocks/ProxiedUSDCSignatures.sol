// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignatureLib} from "../libraries/SignatureLib.sol";

/// @title ProxiedUSDCSignatures
/// @notice Where `ProxiedUSDCLogic` has signatures checked: USDC keeps this code in a library of its own, which costs
/// every authorization two more accounts.
contract ProxiedUSDCSignatures {
    /// @notice True when `signer` signed `digest`; its code is looked at first, and a contract is asked itself.
    function isValidSignatureNow(address signer, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool)
    {
        if (signer.code.length != 0) return SignatureLib.isValid(signer, digest, signature);
        return signer != address(0) && SignatureLib.recover(digest, signature) == signer;
    }
}
