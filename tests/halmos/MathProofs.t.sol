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

    /// @notice Three releases pay the fee of one, and no step of them can fail.
    function check_fee_does_not_depend_on_slices(uint96 a, uint96 b, uint96 c, uint16 feeBps) public view {
        VM.assume(a <= b && b <= c && feeBps <= 10_000);
        try this.feeOfSlices(a, b, c, feeBps) returns (uint256 sliced) {
            assert(sliced == (uint256(c) * feeBps) / 10_000);
            assert(sliced <= c);
        } catch {
            assert(false);
        }
    }

    function feeOfSlices(uint256 a, uint256 b, uint256 c, uint256 feeBps) external pure returns (uint256) {
        return FeeMath.ofStep(0, a, feeBps) + FeeMath.ofStep(a, b, feeBps) + FeeMath.ofStep(b, c, feeBps);
    }

    /// @notice The stake is a fifth of the price, rounded up.
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
