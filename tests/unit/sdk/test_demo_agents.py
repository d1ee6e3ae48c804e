from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from pathlib import Path

import pytest

from aicp.agent import CannotDo, Job, JobFile
from aicp.agent.demo.agents import lexis, price, suits, tabula
from aicp.agent.examples import tally
from aicp.client.models import StoredFile, Task
from aicp.rules.primitives import parse_usdc


def task(capability: str, *files: tuple[str, str, int], budget: str = "25") -> Task:
    return Task(
        id=uuid.UUID(int=1),
        buyer=bytes(20),
        task_hash=bytes(32),
        title="t",
        capability=capability,
        complexity=1,
        urgency="1.0",
        budget_units=parse_usdc(budget),
        escrow_only=False,
        path_at_budget="escrow",
        deliver_within_seconds=3600,
        auction_ends_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        state="open",
        public_state="open",
        bid_count=0,
        best_bid_units=None,
        deal_id=None,
        created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        verifier=None,
        input_summary=[
            StoredFile(sha256=hashlib.sha256(name.encode()).digest(), name=name, size=size, media_type=media_type)
            for name, media_type, size in files
        ],
    )


def job(tmp_path: Path, capability: str, **files: str) -> Job:
    made = []
    for index, (stem, content) in enumerate(files.items()):
        path = tmp_path / f"{index:02d}-{stem.replace('_', '.')}"
        path.write_text(content, encoding="utf-8")
        made.append(JobFile(name=stem.replace("_", "."), media_type="text/plain", size=path.stat().st_size, path=path))
    return Job(
        deal_id=uuid.UUID(int=1),
        title="t",
        description="",
        capability=capability,
        price_units=1,
        deadline=0,
        files=tuple(made),
        directory=tmp_path,
    )


def test_both_bid_on_both_kinds_and_each_is_cheaper_in_its_own() -> None:
    table = task("data_processing", ("sales.csv", "text/csv", 1000))
    text = task("text_analysis", ("essay.txt", "text/plain", 1000))
    prices = {}
    for agent in (tabula(), lexis()):
        quote, _ = agent.handlers()
        for asked in (table, text):
            offer = quote(asked)
            assert offer is not None
            assert offer.price_units <= asked.budget_units
            prices[agent.name, asked.capability] = offer.price_units
    assert prices["Tabula", "data_processing"] < prices["Lexis", "data_processing"]
    assert prices["Lexis", "text_analysis"] < prices["Tabula", "text_analysis"]
    assert min(prices.values()) >= parse_usdc("10"), "a 25 dollar task stays on the escrow path"


@pytest.mark.parametrize(
    "asked",
    [
        task("data_processing"),
        task("data_processing", ("photo.png", "image/png", 10)),
        task("image_generation", ("sales.csv", "text/csv", 10)),
        task("text_analysis", ("sales.csv", "text/csv", 10)),
    ],
)
def test_they_do_not_bid_on_what_they_cannot_do(asked: Task) -> None:
    for agent in (tabula(), lexis()):
        assert agent.handlers()[0](asked) is None


def test_prices() -> None:
    assert price(parse_usdc("0.40"), 88, 1000) == parse_usdc("0.352")
    assert price(parse_usdc("25"), 88, 1000) == parse_usdc("22")
    assert price(parse_usdc("0.02"), 88, 1000) == parse_usdc("0.05")
    assert suits("data_processing", "DATA.TSV", "application/octet-stream")


def test_a_table_becomes_json_and_markdown(tmp_path: Path) -> None:
    result = tabula().handlers()[1](job(tmp_path, "data_processing", sales_csv="a,b\n1,x\n2,y\n"))
    assert set(result.files) == {"sales.profile.json", "sales.profile.md"}
    assert json.loads(result.files["sales.profile.json"])["rows"] == 2


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    made = job(tmp_path, "text_analysis", a_txt="one two.", b_txt="three four.")
    assert len(lexis().handlers()[1](made).files) == 4


def test_a_text_under_the_general_capability_is_bid_for_and_analysed(tmp_path: Path) -> None:
    note = task("data_processing", ("note.txt", "text/plain", 100))
    prices = [agent().handlers()[0](note).price_units for agent in (tabula, lexis)]
    assert len(set(prices)) == 2, "an auction has two bidders"
    result = tabula().handlers()[1](job(tmp_path, "data_processing", note_txt="One sentence. Another one."))
    assert sorted(result.files) == ["note.profile.json", "note.profile.md"]
    assert "## Readability" in str(result.files["note.profile.md"])


def test_unreadable_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match="no file"):
        tabula().handlers()[1](job(tmp_path, "text_analysis", sales_csv="a,b"))
    with pytest.raises(CannotDo, match="empty"):
        tabula().handlers()[1](job(tmp_path, "data_processing", sales_csv=""))


def test_the_example_agent_is_short_and_works(tmp_path: Path) -> None:
    source = Path(tally.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 40
    guide = Path(__file__).parents[3] / "docs" / "guides" / "agent.md"
    assert source in guide.read_text(encoding="utf-8"), "the guide shows the example as it is"
    quote, work = tally.agent.handlers()
    assert quote(task("text_analysis", ("photo.png", "image/png", 1))) is None
    offer = quote(task("text_analysis", ("a.txt", "text/plain", 1)))
    assert offer is not None
    assert offer.price_units == parse_usdc("0.10")
    result = work(job(tmp_path, "text_analysis", a_txt="one two\nthree\n"))
    assert result.files["tally.csv"] == "file,bytes,lines,words\na.txt,14,2,3\n"
    broken = job(tmp_path, "text_analysis", b_txt="x")
    broken.files[0].path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(CannotDo, match="UTF-8"):
        work(broken)
