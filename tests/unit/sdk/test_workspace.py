from __future__ import annotations

from pathlib import Path

import pytest

from aicp.agent.workspace import Workspace, media_type, safe_name


def test_a_finished_result_survives_with_its_salt(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "deal")
    space.prepare()
    assert space.finished() is None
    done = space.finish({"b.md": "text", "a.json": b"{}"})
    assert [path.name for path in done.files] == ["a.json", "b.md"]
    assert Workspace(tmp_path / "deal").finished() == done
    assert len(done.salt) == 32


def test_an_unfinished_result_counts_as_none(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "deal")
    space.prepare()
    part = tmp_path / "deal" / "result.part" / "files"
    part.mkdir(parents=True)
    (part / "half.json").write_text("{", encoding="utf-8")
    assert space.finished() is None
    assert [path.name for path in space.finish({"whole.json": "{}"}).files] == ["whole.json"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", ".."])
def test_results_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    space = Workspace(tmp_path / "deal")
    space.prepare()
    with pytest.raises(ValueError, match="file name"):
        space.finish({name: "x"})
    with pytest.raises(ValueError, match="at least one"):
        space.finish({})


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sales.csv", "00-sales.csv"),
        ("../../etc/passwd", "00-passwd"),
        ("..", "00-.."),
        ("a\x00b<c>.csv", "00-a_b_c_.csv"),
        ("x" * 300 + ".csv", "00-" + "x" * 96 + ".csv"),
    ],
)
def test_input_names_cannot_escape(name: str, safe: str) -> None:
    assert safe_name(name, 0) == safe
    assert "/" not in safe_name(name, 0)


def test_media_types() -> None:
    assert media_type(Path("a.md")) == "text/markdown"
    assert media_type(Path("a.json")) == "application/json"
    assert media_type(Path("a.unknown-kind")) == "application/octet-stream"
