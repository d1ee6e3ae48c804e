# ruff: noqa: S608  # every statement is put together from our own names
"""What happened before a load begins: settled small deals of the same buyers and agents, with their bids and notices.

Rows are written directly; nothing of them is on the chain, and nothing that is measured asks for their signatures.
"""

from __future__ import annotations

from typing import Final

import psycopg

_WORD: Final = "sha256(convert_to({kind} || n::text, 'UTF8'))"
_SIGNATURE: Final = "decode(repeat('1b', 65), 'hex')"
_AT: Final = "now() - (n % 86400 + 3600) * interval '1 second'"
_BIDS: Final = 3
_FILLED: Final = "app.task, app.bid, app.award, app.deal, app.task_transition, app.pool, app.channel, app.micro_order"
"""Not every table: others come and go meanwhile."""


def _word(kind: str) -> str:
    return _WORD.format(kind=f"'{kind}'")


def write(database_url: str, buyers: list[bytes], agents: list[bytes], operator: bytes, tasks: int) -> None:
    """Write so many completed tasks of the last day, each with three bids, an award, a deal and two notices."""
    with psycopg.connect(database_url) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TEMP TABLE whom (buyers bytea[], agents bytea[], operator bytea)")
        cursor.execute("INSERT INTO whom VALUES (%s, %s, %s)", (buyers, agents, operator))
        cursor.execute(f"""
            CREATE TEMP TABLE past AS
            SELECT n, gen_random_uuid() AS task, gen_random_uuid() AS award, gen_random_uuid() AS deal,
                   {_word("task")} AS hash, {_word("bid1 ")} AS won, {_word("pool")} AS pool, {_AT} AS at,
                   buyers[n % array_length(buyers, 1) + 1] AS buyer,
                   agents[n * 7 % array_length(agents, 1) + 1] AS agent, operator
            FROM generate_series(1, {tasks}) n, whom""")  # fmt: skip
        for statement in _statements():
            cursor.execute(statement)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ANALYZE {_FILLED}")


def _statements() -> list[str]:
    bid = f"""
        INSERT INTO app.bid (bid_hash, task_id, agent, amount_units, eta_seconds, escrow_only, valid_until, salt,
                             signature, seq, receipt_signature, operator, received_at)
        SELECT sha256(convert_to('bid' || place::text || ' ' || n::text, 'UTF8')), task,
               agents[(n * 7 + place - 1) % array_length(agents, 1) + 1], 400000 + place * 10000, 600, false, 1, hash,
               {_SIGNATURE}, place, {_SIGNATURE}, past.operator, at
        FROM past, whom, generate_series(1, {_BIDS}) place"""
    return [
        """
        INSERT INTO app.task (id, buyer, task_hash, document, title, capability, budget_units, escrow_only,
                              deliver_within_seconds, auction_ends_at, urgency, state, state_since, deal_id, created_at)
        SELECT task, buyer, hash,
               jsonb_build_object('complexity', 1, 'urgency', '1.0', 'description', repeat('All columns. ', 40),
                                  'auction_ends_at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
               'Describe table ' || n, 'data_analysis', 900000, false, 3600, at, '1.0', 'completed', at, deal, at
        FROM past""",
        bid,
        f"""
        INSERT INTO app.award (id, task_id, bid_hash, bids_root, bid_count, operator, signature, decided_by, created_at)
        SELECT award, task, won, hash, {_BIDS}, operator, {_SIGNATURE}, 'buyer', at FROM past""",
        """
        INSERT INTO app.deal (id, task_id, award_id, bid_hash, path, buyer, agent, price_units, operator, live,
                              counts_as, created_at)
        SELECT deal, task, award, won, 'channel', buyer, agent, 410000, operator, false, 'completed', at FROM past""",
        """
        INSERT INTO app.task_transition (task_id, deal_id, source, target, reason, evidence, at)
        SELECT task, CASE WHEN place > 1 THEN deal END, source, target, 'history', '{}', at
        FROM past, (VALUES (1, NULL, 'open'), (2, 'open', 'awaiting_payment'), (3, 'awaiting_payment', 'assigned'),
                           (4, 'assigned', 'delivered'), (5, 'delivered', 'completed')) AS move (place, source, target)
        ORDER BY n, place""",
        """
        INSERT INTO app.pool (pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)
        SELECT DISTINCT ON (buyer) pool, buyer, buyer, operator, 0, 0 FROM past ORDER BY buyer, n""",
        """
        INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units)
        SELECT sha256(pool_id || 'c'), pool_id, agents[1], 0, 0, 0 FROM app.pool, whom""",
        f"""
        INSERT INTO app.micro_order (order_hash, deal_id, channel_id, pool_id, bid_hash, price_units, deliver_by,
                                     evaluate_by, signature, state, verdict_accepted, created_at)
        SELECT {_word("order")}, deal, sha256(pool.pool_id || 'c'), pool.pool_id, won, 410000, 1, 2, {_SIGNATURE},
               CASE WHEN n % 20 = 0 THEN 'void' ELSE 'earned' END, n % 20 <> 0, at
        FROM past JOIN app.pool ON pool.payer = past.buyer""",
    ]
