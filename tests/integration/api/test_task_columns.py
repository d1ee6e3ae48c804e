"""What the scheduler needs of tasks is taken from their documents, by migration, where they are older than it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import create_engine, text

from aicp.rules.specialties import INDUSTRIES, REGIONS, TASK_TYPES, first_specialty
from backend.db import migrate
from backend.db.engine import sync_url

DOCUMENTS: list[dict[str, Any]] = [
    {"capability": "ocr", "urgency": "1.5", "instant": True},
    {"capability": "ocr", "urgency": "1.0", "industry": "none of them", "region": "us-west"},
    {"capability": "compute", "urgency": "1.25", "industry": "media"},
    {"capability": "compute", "urgency": "1.0", "task_type": "storage"},
    *({"capability": name, "urgency": "1.0"} for name in TASK_TYPES),
    *({"capability": "ocr", "urgency": "1.0", "industry": name} for name in INDUSTRIES),
    *({"capability": "ocr", "urgency": "1.0", "region": name} for name in REGIONS),
]


def test_older_tasks_have_what_their_documents_say(fresh_pg_url: str) -> None:
    migrate.upgrade(fresh_pg_url, "0021")
    engine = create_engine(sync_url(fresh_pg_url))
    with engine.begin() as connection:
        for number, document in enumerate(DOCUMENTS):
            connection.execute(
                text(
                    "INSERT INTO app.task (id, buyer, task_hash, document, title, capability, budget_units,"
                    " escrow_only, deliver_within_seconds, auction_ends_at, state)"
                    " VALUES (gen_random_uuid(), :b, :h, :d, :t, :c, 1, false, 60, now(), 'open')"
                ),
                {
                    "b": bytes(20), "h": number.to_bytes(32, "big"), "d": json.dumps(document), "t": str(number),
                    "c": document["capability"],
                },
            )  # fmt: skip
    migrate.upgrade(fresh_pg_url)
    migrate.check(fresh_pg_url)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT title, instant, urgency, specialty FROM app.task")).all()
    engine.dispose()
    assert {int(title): (instant, urgency, specialty) for title, instant, urgency, specialty in rows} == {
        number: ("instant" in document, document["urgency"], first_specialty(document))
        for number, document in enumerate(DOCUMENTS)
    }
