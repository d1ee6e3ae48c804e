from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aicp.agent.demo.report import text_markdown
from aicp.agent.demo.text_profile import profile_text, syllables
from aicp.agent.work import CannotDo


def profile(tmp_path: Path, content: str | bytes) -> dict[str, Any]:
    path = tmp_path / "text.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return profile_text(path, "text.txt")


def test_counts_by_hand(tmp_path: Path) -> None:
    found = profile(tmp_path, "The cat sat. The cat ran!\nDid it?\n\nA well-known cat, don't ask\n")
    assert found["words"] == 13
    assert found["sentences"] == 4
    assert found["paragraphs"] == 2
    assert found["lines"] == 4
    assert found["most_frequent_terms"][0] == {"term": "cat", "count": 3}
    assert {"term": "well-known", "count": 1} in found["most_frequent_terms"]
    assert not any(item["term"] == "the" for item in found["most_frequent_terms"])


def test_simple_prose_reads_easier_than_officialese(tmp_path: Path) -> None:
    simple = profile(tmp_path, "The dog ran. The sun was hot. We sat in the shade.")
    heavy = profile(
        tmp_path,
        "Notwithstanding considerable organisational difficulties, interdepartmental communication necessitates "
        "comprehensive documentation of administrative responsibilities.",
    )
    assert simple["readability"]["flesch_reading_ease"] > 90
    assert heavy["readability"]["flesch_reading_ease"] < 0
    assert heavy["readability"]["level"] == "very difficult"


@pytest.mark.parametrize(
    ("word", "count"), [("cat", 1), ("table", 2), ("make", 1), ("readability", 5), ("free", 1), ("rhythm", 1)]
)
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_words_are_not_cut_between_chunks(tmp_path: Path) -> None:
    found = profile(tmp_path, "elephant " * 50_000)
    assert found["words"] == 50_000
    assert found["distinct_words"] == 1


def test_a_giant_word_does_not_need_the_whole_file(tmp_path: Path) -> None:
    found = profile(tmp_path, "x" * 3_000_000)
    assert found["words"] >= 1
    assert len(found["most_frequent_terms"][0]["term"]) <= 100


def test_unicode_and_curly_apostrophes(tmp_path: Path) -> None:
    found = profile(tmp_path, "Größe zählt. L\u2019été, l'été\u2026 Привет мир\u3002")
    terms = {item["term"]: item["count"] for item in found["most_frequent_terms"]}
    assert terms["l'été"] == 2
    assert "größe" in terms
    assert found["sentences"] == 3


@pytest.mark.parametrize("content", [b"", b"\n \n", b"12 34 ... 5", b"\x00\x01\x02\x03", b"%PDF-1.7\x00\x00"])
def test_what_holds_no_words_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CannotDo, match=r"text\.txt"):
        profile(tmp_path, content)


def test_markdown_names_every_figure(tmp_path: Path) -> None:
    text = text_markdown(profile(tmp_path, "One <b>bold</b> word."))
    assert "Flesch reading ease" in text
    assert "<b>" not in text
