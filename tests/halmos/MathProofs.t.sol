// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {FeeMath} from "../../contracts/libraries/FeeMath.sol";
import {SignatureLib} from "../../contracts/libraries/SignatureLib.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice Fees, required stake and signatures, for all inputs.
contract MathProofs is Proof {
    IReputation private _reputation;

    function setUp() public {
        _reputation = IReputation(deploy("Reputation", abi.encode(_token, GUARDIAN, uint40(14 days))));
    }

    /// @notice The fees of releasing `a` and then `more` add up to the fee of releasing both at once.
    ///
    /// @custom:halmos --solver-command ".prove/halmos/bin/python scripts/prove/cvc5_entry.py"
    function check_fee_does_not_depend_on_slices(uint96 a, uint96 more, uint16 feeBps) public pure {
        VM.assume(feeBps <= 10_000);
        unchecked {
            uint256 both = uint256(a) + more;
            uint256 sliced = FeeMath.ofStep(0, a, feeBps) + FeeMath.ofStep(a, both, feeBps);
            assert(sliced == (both * feeBps) / 10_000);
        }
    }

    /// @notice The subtraction in `ofStep` cannot fail, first half: what is divided grows with the amount.
    function check_fee_product_grows(uint96 a, uint96 more, uint16 feeBps) public pure {
        unchecked {
            uint256 left = uint256(a) * feeBps;
            uint256 step = uint256(more) * feeBps;
            assert((uint256(a) + more) * feeBps == left + step);
            assert(left <= type(uint112).max && step <= type(uint112).max);
        }
    }

    /// @notice The subtraction in `ofStep` cannot fail, second half: so does the quotient.
    ///
    /// @custom:halmos --solver-command ".prove/halmos/bin/python scripts/prove/cvc5_entry.py"
    function check_fee_quotient_grows(uint112 left, uint112 step) public pure {
        unchecked {
            assert(uint256(left) / FeeMath.BPS <= (uint256(left) + step) / FeeMath.BPS);
        }
    }

    /// @notice The stake is a fifth of the price, rounded up.
    ///
    /// @custom:halmos --solver-command ".prove/halmos/bin/python scripts/prove/cvc5_entry.py"
    function check_required_stake_is_a_fifth(uint96 amount) public view {
        uint256 stake = _reputation.requiredStake(amount);
        assert(stake * 5 >= amount);
        assert(stake * 5 < uint256(amount) + 5);
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
