// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SignatureLib} from "../../contracts/libraries/SignatureLib.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice Products and signatures, for all inputs.
contract MathProofs is Proof {
    /// @notice The subtraction in `ofStep` cannot fail, first half: what is divided grows with the amount.
    function check_fee_product_grows(uint96 a, uint96 more, uint16 feeBps) public pure {
        unchecked {
            uint256 left = uint256(a) * feeBps;
            uint256 step = uint256(more) * feeBps;
            assert((uint256(a) + more) * feeBps == left + step);
            assert(left <= type(uint112).max && step <= type(uint112).max);
        }
    }

    /// @notice Nobody signs for the zero address, whatever ecrecover answers.
    ///
    /// @custom:halmos --default-bytes-lengths 0,64,65
    function check_zero_never_signs(bytes32 digest, bytes calldata signature) public view {
        assert(!SignatureLib.isValid(address(0), digest, signature));
    }

    /// @notice An account without code has signed only if ecrecover names it.
    ///
    /// @custom:halmos --default-bytes-lengths 0,64,65
    function check_plain_accounts_sign_by_ecrecover(bytes32 digest, bytes calldata signature) public view {
        address signer = address(0x5164);
        address recovered = SignatureLib.recover(digest, signature);
        assert(SignatureLib.isValid(signer, digest, signature) == (recovered == signer));
    }
}
