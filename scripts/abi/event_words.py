"""The quick way to decode an event: its padding checked by one mask over all words, its values taken in one go.

It answers what the careful readers of `aicp.abi.runtime` answer, or leaves the log to them, who know what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.abi.types import Field, Type, snake

_WORD_BITS = 256


@dataclass(frozen=True, slots=True)
class _Layout:
    """A word: how `struct` takes its value, the bits that must be zero, and the expression of the value."""

    format: str
    padding: int
    value: str
    """`{}` stands for what `struct` gives; without it `struct` gives nothing."""


def _layout(kind: Type, careful: str) -> _Layout:
    if kind.solidity == "address":
        return _Layout("12x20s", _left_padding(160), "{}")
    if kind.solidity == "bool":
        return _Layout("31x?", _left_padding(1), "{}")
    if kind.solidity.startswith("bytes"):
        size = kind.bits
        return _Layout(f"{size}s{32 - size}x" if size < 32 else "32s", (1 << 8 * (32 - size)) - 1, "{}")
    if kind.solidity.startswith("int"):
        return _Layout("32x", 0, careful)
    if kind.bits <= 64:
        return _Layout("24xQ", _left_padding(kind.bits), "{}")
    size = kind.bits // 8
    return _Layout(f"{32 - size}x{size}s" if size < 32 else "32s", _left_padding(kind.bits), "big_endian({})")


def _left_padding(bits: int) -> int:
    return (1 << _WORD_BITS) - (1 << bits)


class _Words:
    """The words of an event that are looked at together, in their order."""

    def __init__(self) -> None:
        self.formats: list[str] = []
        self.padding = 0
        self.names: list[str] = []

    def take(self, kind: Type, source: str, at: int) -> str:
        """Add the words of a static value and return the expression of the value."""
        if kind.struct:
            return f"{kind.struct}({', '.join(self._parts(kind, source, at))})"
        layout = _layout(kind, kind.read(source, str(at)))
        self.formats.append(layout.format)
        self.padding = self.padding << _WORD_BITS | layout.padding
        if "{}" in layout.value:
            self.names.append(f"v{len(self.names)}")
            return layout.value.format(self.names[-1])
        return layout.value

    def _parts(self, kind: Type, source: str, at: int) -> Iterator[str]:
        for part in kind.fields:
            yield self.take(part.type, source, at)
            at += part.type.words * 32


def at_once(name: str, fields: tuple[Field, ...]) -> tuple[list[str], list[str]]:
    """Return the constants and the first lines of `decode` of an event whose data is static."""
    words = _Words()
    values: dict[str, str] = {}
    topics = [f"t{index}" for index, _ in enumerate((part for part in fields if part.indexed), start=1)]
    pieces: list[str] = []
    for topic, part in zip(topics, (part for part in fields if part.indexed), strict=True):
        if part.type.solidity == "bytes32" or not part.type.is_static:
            values[part.attribute] = topic
        else:
            pieces.append(topic)
            values[part.attribute] = words.take(part.type, topic, 0)
    length = 0
    for part in (part for part in fields if not part.indexed):
        values[part.attribute] = words.take(part.type, "data", length)
        length += part.type.words * 32
    pieces += ["data"] if length else []
    lines = [f"if len(topics) == {len(topics) + 1} and topics[0] == cls.TOPIC and len(data) == {length}:"]
    if topics:
        lines.append(f"    _, {', '.join(topics)} = topics")
        lines.append(f"    if {' == '.join(f'len({topic})' for topic in topics)} == 32:")
    constants, taken = _taken(snake(name), words, " + ".join(pieces))
    margin = " " * (8 if topics else 4)
    lines += [margin + line for line in taken]
    inner = margin + ("    " if words.padding else "")
    lines.append(f"{inner}return cls({', '.join(values[part.attribute] for part in fields)})")
    return constants, ["        " + line for line in lines]


def _taken(name: str, words: _Words, source: str) -> tuple[list[str], list[str]]:
    """Return the constants of an event and the lines that check the padding of `source` and name its values."""
    constants: list[str] = []
    lines: list[str] = []
    if not words.formats:
        return constants, lines
    if "+" in source:
        lines.append(f"words = {source}")
        source = "words"
    margin = ""
    if words.padding:
        constants.append(f"_{name}_padding = {words.padding:#x}")
        lines.append(f"if not big_endian({source}) & _{name}_padding:")
        margin = "    "
    if words.names:
        constants.append(f'_{name}_values = Words(">{"".join(words.formats)}").unpack')
        names = ", ".join(words.names) if len(words.names) > 1 else f"({words.names[0]},)"
        lines.append(f"{margin}{names} = _{name}_values({source})")
    return [*constants, "", ""], lines
