"""Golden vectors of prices, awards, stakes, decay and scores, and the same as constants for the tests in Solidity."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from msgspec.structs import replace

from aicp.abi.enums import Outcome
from aicp.abi.signing import address_of, sign
from aicp.abi.typed_data import AwardInputs, Quote, Vouch, marketplace_domain
from aicp.rules.awarding import (
    DEFAULT_WEIGHTS,
    EQUAL_WEIGHTS,
    Contest,
    Offer,
    Weights,
    award_record,
    inputs_hash,
    rank,
)
from aicp.rules.canonical import document_hash
from aicp.rules.decay import DAY, DECAY, MAX_DAYS, decayed
from aicp.rules.epochs import (
    Inputs,
    SignedVouch,
    evidence_of,
    leaves,
    manifest,
    root_and_manifest_hash,
    score_cards,
    score_file,
)
from aicp.rules.facts import Deal, MicroDeal
from aicp.rules.fees import required_stake
from aicp.rules.pricing import TIERS, URGENCY_BPS, price_of, quote
from aicp.rules.primitives import MAX_UINT96, checksum, hex0x, keccak
from aicp.rules.reputation import believed, forecast
from aicp.rules.review import review_queue
from aicp.rules.scores import score_proof
from aicp.rules.specialties import SPECIALTIES, qualities, specialties
from aicp.rules.stakes import stake_effect
from aicp.rules.witnesses import DEVNET
from tests.unit.rules.markets import END, account, deal, inputs, witnesses

CHAIN_ID = 31337
KEY = keccak(b"a voucher's key")
EDGES = (0, 6_999, 7_000, 7_999, 8_000, 8_999, 9_000, 9_499, 9_500, 10_000)

Tags = dict[bytes, dict[str, str]]


def pricing() -> dict[str, Any]:
    cases = [(1_000_000, 19, 20, 1, "1.0"), (1_000_000, 9, 10, 1, "1.0"), (1_000_000, 7, 10, 1, "1.0")]
    cases += [(333_333, edge, 10_000, 1 + edge % 10, "1.25") for edge in EDGES]
    cases += [(7, 3, 9, 3, "1.5"), (0, 10, 10, 10, "1.5"), (1, 6, 10, 2, "1.25"), (10**15, 10, 10, 10, "1.5")]
    quotes = [
        quote(
            account("agent"),
            base,
            successes=successes,
            decided=decided,
            complexity=complexity,
            urgency=urgency,
            as_of_block=7_000_000 + n,
            valid_until=END + n,
        )
        for n, (base, successes, decided, complexity, urgency) in enumerate(cases)
    ]
    domain = marketplace_domain(CHAIN_ID, account("escrow"))
    return {
        "chain_id": CHAIN_ID,
        "escrow": checksum(account("escrow")),
        "tiers": [[edge, tier, multiplier] for edge, tier, multiplier in TIERS],
        "urgency_bps": dict(URGENCY_BPS),
        "quotes": [
            {
                **_quote_json(one),
                "urgency": case[4],
                "tier": price_of(
                    case[0], successes=case[1], decided=case[2], complexity=case[3], urgency=case[4]
                ).tier.value,
                "digest": hex0x(one.digest(domain)),
            }
            for case, one in zip(cases, quotes, strict=True)
        ],
    }


def _quote_json(one: Quote) -> dict[str, Any]:
    return {
        "agent": checksum(one.agent),
        "base_units": str(one.base),
        "successes": one.successes,
        "decided": one.decided,
        "complexity": one.complexity,
        "urgency_bps": one.urgency_bps,
        "price_units": str(one.price),
        "formula": one.formula,
        "as_of_block": one.as_of_block,
        "valid_until": one.valid_until,
    }


def decay() -> dict[str, Any]:
    scores = ((10_000, 2_000), (2_000, 10_000), (7_350, 8_125), (9_999, 1))
    return {
        "table": [str(value) for value in DECAY],
        "decayed": [
            {"base": base, "recent": recent, "days": days, "current": decayed(base, recent, days)}
            for base, recent in scores
            for days in (0, 1, 7, 30, MAX_DAYS)
        ],
        "believed": [
            {"current": current, "credit_ppm": str(credit), "score": believed(current, credit)}
            for current in (0, 2_000, 6_543, 10_000)
            for credit in (0, 999_999, 1_000_000, 5_500_000, 20_000_000, 10**15)
        ],
    }


def stakes() -> list[dict[str, Any]]:
    amounts = ((10_000_000, 10_000_000), (25_000_001, 8_333_333), (1, 1), (MAX_UINT96, MAX_UINT96), (7, 0))
    found = []
    for outcome in Outcome:
        for amount, refunded in amounts:
            if outcome in {Outcome.NONE, Outcome.CANCELLED}:
                continue
            fee = (amount - refunded) * 250 // 10_000
            for pool in (0, 10**30):
                effect = stake_effect(
                    outcome, amount_units=amount, refunded_units=refunded, fee_units=fee, bonus_pool_units=pool
                )
                found.append(
                    {
                        "outcome": int(outcome),
                        "amount_units": str(amount),
                        "lock_units": str(required_stake(amount)),
                        "refunded_units": str(refunded),
                        "fee_units": str(fee),
                        "bonus_pool_units": str(pool),
                        "to_client_units": str(effect.to_client),
                        "to_pool_units": str(effect.to_pool),
                        "bonus_units": str(effect.bonus),
                    }
                )
    return found


def offers(seed: int, count: int) -> list[Offer]:
    dice = random.Random(seed)
    return [
        Offer(
            bid_hash=keccak(f"bid {seed} {n}".encode()),
            agent=account(f"agent {dice.randrange(count)}"),
            amount=dice.randrange(1, 30_000_000),
            eta_seconds=dice.randrange(1, 4_000),
            valid_until=END + dice.randrange(-100, 1_000),
            seq=n + 1,
            withdrawn=dice.random() < 0.1,
            revealed=dice.random() < 0.9,
            lapsed=n % 5 == 4,
            reputation=dice.randrange(2_000, 10_001),
            specialty=dice.randrange(2_000, 10_001),
        )
        for n in range(count)
    ]


def awards() -> list[dict[str, Any]]:
    found = []
    for seed, (count, weights) in enumerate(
        ((1, DEFAULT_WEIGHTS), (6, EQUAL_WEIGHTS), (12, Weights(price=10_000, reputation=0, time=0, specialty=0)))
    ):
        contest = Contest(
            task_hash=keccak(f"task {seed}".encode()),
            budget_units=25_000_000,
            allowed_seconds=3_600,
            weights=weights,
            epoch=seed,
            decided_at=END,
        )
        given = offers(seed + 20, count)
        best = rank(contest, given).winner
        if best is None:
            raise ValueError("a golden award has a winner")
        # equal in everything but the hash
        given.append(Offer(**{**_plain(best), "bid_hash": keccak(b"twin"), "agent": account("twin"), "seq": 99}))
        record = award_record(contest, given)
        message = AwardInputs(
            task_hash=contest.task_hash,
            bid_hash=bytes.fromhex(record["winner"][2:]),
            inputs_hash=inputs_hash(record),
            rule=record["rule"],
        )
        found.append(
            {
                "record": record,
                "inputs_hash": hex0x(inputs_hash(record)),
                "digest": hex0x(message.digest(marketplace_domain(CHAIN_ID, account("escrow")))),
            }
        )
    return found


def _plain(offer: Offer) -> dict[str, Any]:
    return {name: getattr(offer, name) for name in offer.__dataclass_fields__}


def golden_market() -> tuple[Inputs, list[Deal], Tags, list[MicroDeal]]:
    """A market with everything a score can meet: failures, forgiveness, a vouch, groups, a clique, small deals."""
    dice = random.Random(7)
    deals = witnesses(24)
    for agent in range(6):
        for n in range(14):
            outcome = dice.choice([Outcome.COMPLETED] * 8 + [Outcome.SETTLED, Outcome.RETURNED, Outcome.LOST])
            deals.append(
                deal(
                    f"buyer {dice.randrange(24)}",
                    f"agent {agent}",
                    dice.randrange(10, 300),
                    outcome=outcome,
                    days_ago=dice.randrange(3 * agent, 90),
                    rating=dice.choice([None, dice.randrange(101)]),
                    number=n,
                    refunded_bps=dice.choice([0, 2_500, 10_000]) if outcome is Outcome.SETTLED else None,
                    used=dice.choice([60, 1_800, 3_599]),
                )
            )
    deals += [deal("agent 1", "buyer 2", 30, days_ago=9)]  # money going back and forth
    deals += [deal("sock", "agent 2", 900, days_ago=2, rating=100), deal("buyer 3", "sock", 20, days_ago=50)]
    deals += [deal(f"ring buyer {n}", "ring agent", 4_000, days_ago=n, rating=100) for n in range(3)]
    deals += [deal("buyer 1", "agent 5", 60, outcome=Outcome.MISSED, days_ago=4, number=9)]
    deals += [deal("buyer 7", "agent 5", 80, days_ago=1, number=70), deal("agent 5", "buyer 7", 300)]  # redeems nothing
    vouch = Vouch(
        voucher=address_of(KEY),
        agent=account("agent 5"),
        at_risk=40_000_000,
        valid_from=END - 20 * DAY,
        valid_until=END + 10 * DAY,
        salt=keccak(b"vouch"),
    )
    deals += [
        Deal(**{**_deal_plain(deal(f"buyer {n}", "the voucher", 50, days_ago=n + 1)), "provider": address_of(KEY)})
        for n in range(8)
    ]
    unsigned = replace(vouch, agent=account("agent 4"))
    signed = SignedVouch(
        vouch=vouch, signature=sign(vouch.digest(marketplace_domain(CHAIN_ID, account("escrow"))), KEY)
    )
    given = inputs(
        funders={
            account("sock"): account("bank"),
            account("agent 2"): account("bank"),
            account("agent 3"): account("x"),
        },
        common=frozenset({account("x")}),
        vouches=(
            signed,
            signed,  # listed twice, it counts once
            SignedVouch(vouch=unsigned, signature=bytes(65)),
        ),
        free_stake={address_of(KEY): 50_000_000},
    )
    tags = {
        one.escrow_id: {name: values[n % len(values)] for name, values in SPECIALTIES.items()}
        for n, one in enumerate(deals)
        if n % 5
    }
    small = [
        MicroDeal(
            order_hash=keccak(f"order {n}".encode()),
            client=account(f"buyer {n % 3}"),
            provider=account("agent 0"),
            succeeded=n % 4 != 0,
            ended_at=END - DAY * (n // 20) - 5,
            allowed_seconds=600,
            used_seconds=None if n % 4 == 0 else 10 * n,
            signed_by_client=n % 7 != 0,
            signed_by_provider=n % 8 == 0,
        )
        for n in range(40)
    ]
    return given, deals, tags, small


def _deal_plain(one: Deal) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def reputation() -> dict[str, Any]:
    given, deals, tags, small = golden_market()
    cards = score_cards(given, deals)
    root, manifest_hash = root_and_manifest_hash(given, deals)
    anchored = leaves(cards, given.epoch)
    evidence = evidence_of(given, deals)
    devnet = Inputs(**{**{name: getattr(given, name) for name in given.__dataclass_fields__}, "parameters": DEVNET})
    return {
        "deals": [_deal_json(one) for one in deals],
        "tags": {hex0x(escrow): found for escrow, found in tags.items()},
        "micro": [_micro_json(one) for one in small],
        "manifest": manifest(given, deals),
        "manifest_hash": hex0x(manifest_hash),
        "root": hex0x(root),
        "file_hash": hex0x(document_hash(score_file(given, deals))),
        "devnet_scores": [card.score for card in score_cards(devnet, deals)],
        "agents": [
            {
                **{name: getattr(card, name) for name in card.__dataclass_fields__ if name != "agent"},
                "agent": checksum(card.agent),
                "credit": str(card.credit),
                "settled_value": str(card.settled_value),
                "tier": card.tier.value,
                "proof": [hex0x(node) for node in score_proof(anchored, leaf)],
                "forecast": [score for _, score in forecast(about, given.end, (0, 7, 30, 400))],
                "specialties": {f"{key[0]}:{key[1]}": score for key, score in specialties(about, tags).items()},
                "qualities": asdict(qualities(about, [one for one in small if one.provider == card.agent])),
            }
            for card, leaf, about in zip(cards, anchored, evidence, strict=True)
        ],
        "review": [[checksum(one.agent), one.reason, str(one.measure)] for one in review_queue(cards, evidence, {})],
    }


def _deal_json(one: Deal) -> dict[str, Any]:
    plain = _deal_plain(one)
    for name in ("amount", "released", "refunded", "fee", "bonus"):
        plain[name] = str(plain[name])
    for name in ("client", "provider"):
        plain[name] = checksum(plain[name])
    return plain | {"escrow_id": hex0x(one.escrow_id), "outcome": one.outcome.name.lower()}


def _micro_json(one: MicroDeal) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return plain | {
        "order_hash": hex0x(one.order_hash),
        "client": checksum(one.client),
        "provider": checksum(one.provider),
    }


def market_vectors() -> dict[str, Any]:
    """Return the vectors by the name of their file."""
    return {
        "pricing": pricing(),
        "decay": decay(),
        "stakes": stakes(),
        "awards": awards(),
        "reputation": reputation(),
    }
