// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReputation} from "../../contracts/interfaces/IReputation.sol";
import {FeeMath} from "../../contracts/libraries/FeeMath.sol";
import {Proof} from "./utils/Proof.sol";

/// @notice Quotients, for all inputs. These are solved over the integers (scripts/prove/halmos.py).
contract ArithmeticProofs is Proof {
    IReputation private _reputation;

    function setUp() public {
        _reputation = IReputation(deploy("Reputation", abi.encode(_token, GUARDIAN, uint40(14 days))));
    }

    /// @notice The fees of releasing `a` and then `more` add up to the fee of releasing both at once.
    function check_fee_does_not_depend_on_slices(uint96 a, uint96 more, uint16 feeBps) public pure {
        VM.assume(feeBps <= 10_000);
        VM.assume(more <= type(uint96).max - a);
        unchecked {
            uint96 both = a + more;
            uint256 sliced = FeeMath.ofStep(0, a, feeBps) + FeeMath.ofStep(a, both, feeBps);
            assert(sliced == (uint256(both) * feeBps) / 10_000);
        }
    }

    /// @notice The subtraction in `ofStep` cannot fail, second half: so does the quotient.
    function check_fee_quotient_grows(uint112 left, uint112 step) public pure {
        unchecked {
            assert(uint256(left) / FeeMath.BPS <= (uint256(left) + step) / FeeMath.BPS);
        }
    }

    /// @notice The stake is a fifth of the price, rounded up.
    function check_required_stake_is_a_fifth(uint96 amount) public view {
        uint256 stake = _reputation.requiredStake(amount);
        assert(stake * 5 >= amount);
        assert(stake * 5 < uint256(amount) + 5);
    }
}
