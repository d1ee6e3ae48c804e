"""What the documents list is what the code has: settings, kinds of alarms, kinds of notifications."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from backend.alarms.service import AlarmKind
from backend.domain.notices import NoticeKind
from backend.settings import Settings
from indexer.settings import Settings as IndexerSettings

DOCS = Path(__file__).resolve().parents[3] / "docs"


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next one of its rank."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """The names in the first column of the tables of a text."""
    return [name for row in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]


def default_of(field: FieldInfo) -> str:
    """A default as the document writes it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "none" if value in (None, "", []) else f"`{value}`"


@pytest.mark.parametrize(("settings", "indexer"), [(Settings, False), (IndexerSettings, True)])
def test_every_setting_is_documented_with_its_default(settings: type[BaseSettings], indexer: bool) -> None:
    of_service, of_indexer = (
        (DOCS / "operations/configuration.md").read_text(encoding="utf-8").split("\n## The indexer\n")
    )
    rows = re.findall(r"^\| `(AICP_\w+)` \| .+ \| (.+) \|$", of_indexer if indexer else of_service, re.MULTILINE)
    expected = [(f"AICP_{name.upper()}", default_of(field)) for name, field in settings.model_fields.items()]
    assert sorted(rows) == sorted(expected)


def test_every_setting_of_the_indexer_is_in_its_document() -> None:
    text = (DOCS / "operations/Indexer.md").read_text(encoding="utf-8")
    assert [name for name in IndexerSettings.model_fields if f"`AICP_{name.upper()}" not in text] == []


def test_every_kind_of_alarm_is_explained_once() -> None:
    assert sorted(first_cells(section("operations/relayer.md", "Alarms"))) == sorted(AlarmKind)


def test_every_kind_of_notification_is_listed_once() -> None:
    assert sorted(first_cells(section("guides/webhooks.md", "What is told"))) == sorted(NoticeKind)
