// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StakeMath} from "../../contracts/libraries/StakeMath.sol";
import {Outcome} from "../../contracts/types/EscrowTypes.sol";
import {Golden} from "./utils/Golden.sol";
import {GoldenRules} from "./utils/GoldenRules.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice The published rules as Solidity computes them: prices and quotes, decay, stakes.
contract RulesTest {
    struct Quote {
        address agent;
        uint96 base;
        uint32 successes;
        uint32 decided;
        uint8 complexity;
        uint16 urgencyBps;
        uint96 price;
        uint16 formula;
        uint64 asOfBlock;
        uint40 validUntil;
        bytes32 digest;
    }

    struct Decayed {
        uint256 base;
        uint256 recent;
        uint256 daysPassed;
        uint256 current;
    }

    struct Believed {
        uint256 current;
        uint256 creditPpm;
        uint256 score;
    }

    struct Stake {
        uint8 outcome;
        uint96 amount;
        uint96 lock;
        uint96 refunded;
        uint256 fee;
        uint96 toClient;
        uint96 toPool;
        uint96 bonus;
    }

    uint256 private constant BPS = 10_000;
    uint256 private constant FLOOR = 2000;
    uint256 private constant MAX_DAYS = 365;

    error Unequal(string what, uint256 left, uint256 right);

    function test_prices_and_quotes() public pure {
        Quote[] memory quotes = abi.decode(GoldenRules.QUOTES, (Quote[]));
        for (uint256 i; i < quotes.length; ++i) {
            Quote memory quote = quotes[i];
            uint256 product =
                uint256(quote.base) * _multiplier(quote) * (2 + quote.complexity) * uint256(quote.urgencyBps);
            uint256 divisor = 2 * BPS * BPS;
            _same("price", (2 * product + divisor) / (2 * divisor), quote.price);
            _same("digest", uint256(_digest(quote)), uint256(quote.digest));
        }
        // base 1.00, complexity 1, urgency 1.0: 95% gives 3.00, 90% 2.70, 70% 1.80
        _same("worked example", quotes[0].price, 3_000_000);
        _same("at 90%", quotes[1].price, 2_700_000);
        _same("at 70%", quotes[2].price, 1_800_000);
    }

    function test_registrations_of_agents() public pure {
        bytes32 typehash = keccak256("AgentRegistration(address agent,bytes32 profileHash,uint40 updatedAt)");
        bytes32 message = keccak256(
            abi.encode(typehash, Golden.AGENT_ADDRESS, Golden.PROFILE_HASH_BYTES32, Golden.UPDATED_AT_UINT40)
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", _marketplace(Golden.MARKETPLACE_CONTRACT), message));
        _same("registration", uint256(digest), uint256(Golden.AGENT_REGISTRATION));
    }

    /// @dev Solady's exponential is another algorithm; it may be one unit of 1e-18 away.
    function test_the_table_is_an_exponential() public pure {
        for (uint256 day; day <= MAX_DAYS; ++day) {
            uint256 other = uint256(FixedPointMathLib.expWad(-int256(day * 1e17)));
            uint256 apart = FixedPointMathLib.dist(_decay(day), other);
            if (apart > 1) revert Unequal("decay", _decay(day), other);
        }
        if (GoldenRules.DECAY_TABLE.length != (MAX_DAYS + 1) * 8) {
            revert Unequal("days", GoldenRules.DECAY_TABLE.length, MAX_DAYS);
        }
    }

    function test_scores_decay_and_are_believed() public pure {
        Decayed[] memory rows = abi.decode(GoldenRules.DECAYED, (Decayed[]));
        for (uint256 i; i < rows.length; ++i) {
            uint256 left = _decay(rows[i].daysPassed);
            _same("current", (rows[i].base * left + rows[i].recent * (1e18 - left)) / 1e18, rows[i].current);
        }
        Believed[] memory scores = abi.decode(GoldenRules.BELIEVED, (Believed[]));
        for (uint256 i; i < scores.length; ++i) {
            uint256 square = scores[i].creditPpm * scores[i].creditPpm;
            uint256 above = scores[i].current > FLOOR ? scores[i].current - FLOOR : 0;
            _same("score", FLOOR + above * square / (square + 15e12), scores[i].score);
        }
    }

    function test_stakes_are_those_of_the_contract() public pure {
        Stake[] memory rows = abi.decode(GoldenRules.STAKES, (Stake[]));
        for (uint256 i; i < rows.length; ++i) {
            Stake memory row = rows[i];
            Outcome outcome = Outcome(row.outcome);
            _same("lock", StakeMath.required(row.amount), row.lock);
            (uint96 toClient, uint96 toPool) = StakeMath.slashed(row.lock, outcome, row.refunded, row.amount);
            _same("to the client", toClient, row.toClient);
            _same("to the pool", toPool, row.toPool);
            // Escrow asks for a bonus of completed escrows only
            uint256 bonus = outcome == Outcome.Completed ? StakeMath.bonusCap(row.lock, row.fee) : 0;
            _same("bonus", bonus, row.bonus);
        }
    }

    function _multiplier(Quote memory quote) private pure returns (uint256) {
        if (quote.decided < 10) return BPS;
        uint256 rate = uint256(quote.successes) * BPS / quote.decided;
        if (rate >= 9500) return 20_000;
        if (rate >= 9000) return 18_000;
        if (rate >= 8000) return 15_000;
        return rate >= 7000 ? 12_000 : 5000;
    }

    function _marketplace(address escrow) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("AICP Marketplace"),
                keccak256("1"),
                uint256(31_337),
                escrow
            )
        );
    }

    function _digest(Quote memory quote) private pure returns (bytes32) {
        bytes32 domain = _marketplace(GoldenRules.MARKETPLACE);
        bytes32 typehash = keccak256(
            "Quote(address agent,uint96 base,uint32 successes,uint32 decided,uint8 complexity,uint16 urgencyBps,uint96 price,uint16 formula,uint64 asOfBlock,uint40 validUntil)"
        );
        bytes memory words = abi.encode(quote);
        // The encoding of the struct ends with the golden digest, which is no field of the message.
        assembly ("memory-safe") {
            mstore(words, sub(mload(words), 32))
        }
        return keccak256(abi.encodePacked("\x19\x01", domain, keccak256(bytes.concat(typehash, words))));
    }

    /// @dev The day's entry of the packed table.
    function _decay(uint256 day) private pure returns (uint256 value) {
        bytes memory table = GoldenRules.DECAY_TABLE;
        for (uint256 i; i < 8; ++i) {
            value = (value << 8) | uint8(table[day * 8 + i]);
        }
    }

    function _same(string memory what, uint256 left, uint256 right) private pure {
        if (left != right) revert Unequal(what, left, right);
    }
}
