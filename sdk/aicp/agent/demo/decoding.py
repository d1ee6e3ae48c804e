"""Turns bytes of unknown origin into text, or refuses them. Never holds a whole file."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from aicp.agent.work import CannotDo

_SAMPLE: Final = 65_536
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT_CONTROLS: Final = frozenset(b"\t\n\r\f\x1b\x08")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with path.open("rb") as source:
            while chunk := source.read(_SAMPLE):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def find_encoding(path: Path, name: str) -> str:
    """Return an encoding that reads the whole file. Raises CannotDo for an empty or a binary file."""
    with path.open("rb") as source:
        sample = source.read(_SAMPLE)
    if not sample.strip():
        raise CannotDo(f"{name} is empty")
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            if _decodes(path, encoding):
                return encoding
            raise CannotDo(f"{name} begins like {encoding} but is damaged")
    controls = sum(1 for byte in sample if byte < 0x20 and byte not in _TEXT_CONTROLS)
    if 0 in sample or controls * 50 > len(sample):
        raise CannotDo(f"{name} is not text")
    return next(encoding for encoding in ("utf-8", "cp1252", "latin-1") if _decodes(path, encoding))
