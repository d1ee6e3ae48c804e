"""Profiles a text: counts, most frequent terms, readability. One pass, bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aicp.agent.demo.decoding import find_encoding
from aicp.agent.demo.table_columns import tidy
from aicp.agent.work import CannotDo

_CHUNK: Final = 65_536
_MAX_TERMS: Final = 200_000
_TOP: Final = 20
_LONG_WORD: Final = 100
_WORDS_PER_MINUTE: Final = 238
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
_SENTENCE_END: Final = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u201d\u2019)\]]*(?=\s|$)")
_VOWELS: Final = re.compile(r"[aeiouyàâäáãåæèéêëìíîïòóôöõøœùúûüÿ]+")
_STOP_WORDS: Final = frozenset(
    """
    a about after all also an and any are as at be because been but by can could did do does for from
    had has have he her his how i if in into is it its just like may me more most my no not of on one
    only or other our out over she should so some such than that the their them then there these they
    this those to under up us was we were what when where which who will with would you your
    """.split()  # noqa: SIM905  # a list of a hundred quoted words reads worse
)


def syllables(word: str) -> int:
    """Return an estimate of the syllables of an English word: its groups of vowels, less a silent final e."""
    lowered = word.lower()
    groups = len(_VOWELS.findall(lowered))
    if lowered.endswith("e") and not lowered.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    return max(groups, 1)


def _pieces(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text in pieces that end at white space, so that no word is cut; a giant word is cut all the same."""
    rest = ""
    with path.open(encoding=encoding) as source:
        while chunk := source.read(_CHUNK):
            text = rest + chunk
            cut = max(text.rfind(" "), text.rfind("\n"), text.rfind("\t")) + 1
            if cut == 0 and len(text) < 4 * _CHUNK:
                rest = text
                continue
            cut = cut or len(text)
            yield text[:cut]
            rest = text[cut:]
    if rest:
        yield rest


class _Counts:
    def __init__(self) -> None:
        self.characters = self.letters = self.words = self.sentences = self.syllables = self.long_words = 0
        self.lines = self.paragraphs = 0
        self.terms: Counter[str] = Counter()
        self.terms_complete = True
        self.open_sentence = False
        self._in_paragraph = False
        self._line_has_text = False

    def take(self, text: str) -> None:
        self.characters += len(text)
        self._take_lines(text)
        words = _WORD.findall(text)
        self.words += len(words)
        for word in words:
            self._take_word(word)
        ends = list(_SENTENCE_END.finditer(text))
        self.sentences += len(ends)
        tail = text[ends[-1].end() :] if ends else text
        if _WORD.search(tail):
            self.open_sentence = True
        elif ends:
            self.open_sentence = False

    def _take_word(self, word: str) -> None:
        self.letters += len(word)
        count = syllables(word)
        self.syllables += count
        self.long_words += count >= 3
        term = word.lower()[:_LONG_WORD].replace("\u2019", "'")
        if term in self.terms or len(self.terms) < _MAX_TERMS:
            self.terms[term] += 1
        else:
            self.terms_complete = False

    def _take_lines(self, text: str) -> None:
        for line in text.splitlines(keepends=True):
            self._line_has_text |= bool(line.strip())
            if not line.endswith("\n"):
                continue
            self._end_line()

    def _end_line(self) -> None:
        self.lines += 1
        if self._line_has_text and not self._in_paragraph:
            self.paragraphs += 1
        self._in_paragraph = self._line_has_text
        self._line_has_text = False

    def finish(self) -> None:
        """Close the last line and the last sentence."""
        if self._line_has_text:
            self._end_line()
        if self.open_sentence:
            self.sentences += 1


def _level(ease: float) -> str:
    for bound, name in ((90, "very easy"), (80, "easy"), (70, "fairly easy"), (60, "plain"), (50, "fairly difficult")):
        if ease >= bound:
            return name
    return "difficult" if ease >= 30 else "very difficult"


def _readability(counts: _Counts) -> dict[str, Any]:
    words_a_sentence = counts.words / counts.sentences
    syllables_a_word = counts.syllables / counts.words
    ease = 206.835 - 1.015 * words_a_sentence - 84.6 * syllables_a_word
    return {
        "flesch_reading_ease": tidy(round(ease, 1)),
        "level": _level(ease),
        "flesch_kincaid_grade": tidy(round(0.39 * words_a_sentence + 11.8 * syllables_a_word - 15.59, 1)),
        "gunning_fog": tidy(round(0.4 * (words_a_sentence + 100 * counts.long_words / counts.words), 1)),
        "note": "Formulas for English; sentences and syllables are estimated.",
    }


def profile_text(path: Path, name: str) -> dict[str, Any]:
    """Return the profile of a text file, ready for JSON. Raises CannotDo for what holds no words."""
    encoding = find_encoding(path, name)
    counts = _Counts()
    for piece in _pieces(path, encoding):
        counts.take(piece)
    counts.finish()
    if counts.words == 0:
        raise CannotDo(f"{name} holds no words")
    counts.sentences = max(counts.sentences, 1)
    ranked = sorted(counts.terms.items(), key=lambda item: (-item[1], item[0]))
    top = [(term, count) for term, count in ranked if term not in _STOP_WORDS and len(term) > 1][:_TOP]
    return {
        "file": name,
        "encoding": encoding,
        "characters": counts.characters,
        "words": counts.words,
        "distinct_words": len(counts.terms),
        "distinct_words_is_complete": counts.terms_complete,
        "sentences": counts.sentences,
        "lines": counts.lines,
        "paragraphs": counts.paragraphs,
        "average_word_length": tidy(round(counts.letters / counts.words, 2)),
        "average_sentence_words": tidy(round(counts.words / counts.sentences, 2)),
        "reading_minutes": tidy(round(counts.words / _WORDS_PER_MINUTE, 1)),
        "most_frequent_terms": [{"term": term, "count": count} for term, count in top],
        "readability": _readability(counts),
    }
