"""A file is what its content says."""

from __future__ import annotations

import pytest

from backend.errors import InvalidInput, UnsupportedFile
from backend.files.sniff import ACTIVE, media_type_of, served_type
from backend.files.upload import safe_name


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"a,b\n1,2\n", "t.csv", "text/csv"),
        (b"words", "noname", "text/plain"),
        (b"MZ,a\n1,2\n", "t.csv", "text/csv"),
        ("ä".encode() * 4095 + "ä".encode()[:1], "t.txt", "text/plain"),
        (b"\xff\xfe\x00bin", "t.txt", "application/octet-stream"),
        (b"\x89PNG\r\n\x1a\n", "t.png", "image/png"),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML><p>", "t.txt", "text/html"),
        (b"  <SCRIPT>alert(1)</SCRIPT>", "t.csv", "text/html"),
        (b"alert(1)", "t.js", "text/javascript"),
        (b"", "empty.json", "application/json"),
    ],
)
def test_the_type_follows_the_content(head: bytes, name: str, expected: str) -> None:
    assert media_type_of(head, name) == expected


@pytest.mark.parametrize(
    ("head", "name"), [(b"\x7fELF\x02\x01\x01\x00\x00", "t.txt"), (b"MZ\x90\x00\x03", "t"), (b"text", "t.png")]
)
def test_programs_and_false_promises_are_refused(head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFile):
        media_type_of(head, name)


def test_nothing_a_browser_runs_is_served_as_such() -> None:
    for media_type in ACTIVE:
        assert served_type(media_type) == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\data.csv", "data.csv"), ("a\r\nb", "ab"), ("ü.txt", "ü.txt")],
)
def test_names_lose_their_folders_and_control_characters(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("given", ["", "..", "x" * 201, "a/"])
def test_names_that_are_none_are_refused(given: str) -> None:
    with pytest.raises(InvalidInput):
        safe_name(given)
