"""`make clean` forgets the folder of `make up` and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and what `make up` and the tests leave there."""
    folder = tmp_path / "home" / "check out"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    state(folder / ".aicp")
    (folder / "test-results").mkdir()
    return folder


def state(folder: Path) -> Path:
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "lock").touch()
    return folder


def clean(checkout: Path, place: Path | str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it as a person would, whatever the `make` around this test was told."""
    kept = {name: value for name, value in os.environ.items() if name not in {"AICP_STATE_DIR", "MAKEFLAGS", "MFLAGS"}}
    environ = kept | {"HOME": str(checkout.parent)} | more
    if place is not None:
        environ["AICP_STATE_DIR"] = str(place)
    return subprocess.run(
        ["make", "clean"], cwd=checkout, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_usual_folder_is_forgotten(checkout: Path) -> None:
    assert clean(checkout).returncode == 0
    assert [path.name for path in checkout.iterdir()] == ["Makefile"]
    assert clean(checkout).returncode == 0


@pytest.mark.parametrize("relative", [False, True])
def test_the_folder_that_was_named_is_forgotten_and_the_usual_one_kept(
    checkout: Path, tmp_path: Path, relative: bool
) -> None:
    place = state(tmp_path / "other place")
    assert clean(checkout, os.path.relpath(place, checkout) if relative else place).returncode == 0
    assert not place.exists()
    assert (checkout / ".aicp").exists()


def test_a_folder_of_somebody_else_is_kept(checkout: Path, tmp_path: Path) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    done = clean(checkout, place)
    assert done.returncode != 0
    assert done.stderr.startswith(f"{place} is no folder of `make up`, so nothing in it is removed.\n")
    assert place.exists()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_around_the_checkout_is_kept(checkout: Path, depth: int) -> None:
    place = [checkout, *checkout.parents][depth]
    state(place)
    assert clean(checkout, place).returncode != 0
    assert (checkout / "Makefile").exists()


def test_an_empty_setting_means_the_usual_folder(checkout: Path) -> None:
    assert clean(checkout, "").returncode == 0
    assert not (checkout / ".aicp").exists()


def test_the_root_is_kept(checkout: Path) -> None:
    (checkout / "bin").mkdir()
    rm = checkout / "bin" / "rm"
    rm.write_text(f'#!/bin/sh\necho "$@" >> "{checkout}/removed"\n')
    rm.chmod(0o755)
    done = clean(checkout, "/", PATH=f"{checkout / 'bin'}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert not (checkout / "removed").exists()
