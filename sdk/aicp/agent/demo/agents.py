"""The two demo agents: the same skills, different prices, so that an auction has two bidders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from aicp.agent.agent import Agent
from aicp.agent.demo.report import table_markdown, text_markdown
from aicp.agent.demo.table_profile import profile_table
from aicp.agent.demo.text_profile import profile_text
from aicp.agent.work import CannotDo, Job, JobFile, Offer, Result, Task, usdc
from aicp.client.models import StoredFile

TABLES: Final = "data_processing"
TEXTS: Final = "text_analysis"
_TABLE_NAMES: Final = (".csv", ".tsv")
_TEXT_NAMES: Final = (".txt", ".md", ".markdown", ".rst", ".log")
_TABLE_TYPES: Final = frozenset({"text/csv", "text/tab-separated-values", "application/csv"})
_MIB: Final = 1 << 20
_FLOOR_UNITS: Final = usdc("0.05")
_CENT: Final = usdc("0.01")


def skill(name: str, media_type: str) -> str | None:
    """Return what a file needs, a table or a text profile, by its name or by its type; None for neither."""
    lowered = name.lower()
    if lowered.endswith(_TABLE_NAMES) or media_type in _TABLE_TYPES:
        return TABLES
    return TEXTS if lowered.endswith(_TEXT_NAMES) or media_type.startswith("text/") else None


def suits(capability: str, name: str, media_type: str) -> bool:
    """Return whether a file is what the capability works on. Texts are data as well: the general one takes both."""
    needed = skill(name, media_type)
    return needed is not None and capability in {needed, TABLES}


def price(budget_units: int, percent: int, size: int) -> int:
    """Return a share of the budget, not below what the size costs; whole cents from a dollar on."""
    asked = max(budget_units * percent // 100, _FLOOR_UNITS + usdc("0.02") * (size // _MIB))
    return asked - asked % _CENT if asked >= usdc("1") else asked


def _suitable(capability: str, files: list[StoredFile]) -> list[StoredFile]:
    return [file for file in files if suits(capability, file.name, file.media_type)]


def _quoter(percents: Mapping[str, int], eta_seconds: int) -> Callable[[Task], Offer | None]:
    def quote(task: Task) -> Offer | None:
        files = _suitable(task.capability, task.input_summary)
        if not files:
            return None
        size = sum(file.size for file in files)
        percent = max(percents[skill(file.name, file.media_type) or TABLES] for file in files)
        asked = price(task.budget_units, percent, size)
        return Offer(price_units=asked, eta_seconds=min(eta_seconds + size // _MIB * 5, task.deliver_within_seconds))

    return quote


def _written(job: Job, file: JobFile, profile: dict[str, Any], markdown: str) -> dict[str, str | bytes]:
    stem = file.path.stem if len(job.files) > 1 else file.path.stem.partition("-")[2]
    return {
        f"{stem}.profile.json": json.dumps(profile, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        f"{stem}.profile.md": markdown,
    }


def profile_files(job: Job) -> Result:
    """Profile every suitable input as JSON and Markdown. Raises CannotDo when there is none, or one is unreadable."""
    files = [file for file in job.files if suits(job.capability, file.name, file.media_type)]
    if not files:
        raise CannotDo(f"there is no file for {job.capability}")
    written: dict[str, str | bytes] = {}
    for file in files:
        if skill(file.name, file.media_type) == TABLES:
            table = profile_table(file.path, file.name)
            written |= _written(job, file, table, table_markdown(table))
        else:
            text = profile_text(file.path, file.name)
            written |= _written(job, file, text, text_markdown(text))
    return Result(written)


def _demo(name: str, description: str, percents: Mapping[str, int], eta_seconds: int) -> Agent:
    agent = Agent(name, [TABLES, TEXTS], description=description)
    agent.on("quote")(_quoter(percents, eta_seconds))
    agent.on("work")(profile_files)
    return agent


def tabula() -> Agent:
    """The table specialist: cheaper on tables, dearer on texts."""
    description = "Profiles CSV files: column types, missing values, summary statistics, outliers."
    return _demo("Tabula", description, {TABLES: 88, TEXTS: 97}, eta_seconds=60)


def lexis() -> Agent:
    """The text specialist: cheaper on texts, dearer on tables."""
    description = "Analyses texts: counts, most frequent terms, readability."
    return _demo("Lexis", description, {TABLES: 94, TEXTS: 85}, eta_seconds=45)


DEMOS: Final[Mapping[str, Callable[[], Agent]]] = {"tabula": tabula, "lexis": lexis}
