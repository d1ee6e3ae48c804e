"""Everything the client raises. `str()` of each is one sentence for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aicp.rules.terms import PROBLEMS


class ClientError(Exception):
    """Base of all errors of the client."""


class ProblemError(ClientError):
    """The service refused: an RFC 9457 problem with its stable `code`."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.detail = str(document.get("detail") or document.get("title") or f"The service answered {status}.")
        self.what_to_do = str(document.get("what_to_do", ""))
        self.retryable = bool(document.get("retryable", False))
        self.document = document
        super().__init__(" ".join(part for part in (self.detail, self.what_to_do) if part))


class Unreachable(ClientError):  # noqa: N818  # reads as the state it is
    """The service did not answer, also after retries."""


class Mismatch(ClientError):  # noqa: N818
    """The service named an id, a hash or a signature that we compute differently. Nothing was signed."""


class TermsRefused(ClientError):  # noqa: N818
    """The terms are not what was agreed. Nothing was signed. `codes` are keys of `aicp.rules.terms.PROBLEMS`."""

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        super().__init__(" ".join(PROBLEMS[code] for code in codes))


class NotEnough(ClientError):  # noqa: N818
    """The wallet or the pool does not hold what the step needs."""


class BondAboveLimit(ClientError):  # noqa: N818
    """The arbiter asks for more than the caller allowed for a bond. Nothing was signed."""


class NotDue(ClientError):  # noqa: N818
    """The escrow is not in a state, or not in the time, in which this step counts. Nothing was signed."""


def together(failures: Sequence[ClientError]) -> ClientError:
    """Return one error to raise for several steps that failed, each by itself: a single one as it is."""
    if len(failures) == 1:
        return failures[0]
    sentences = " ".join(str(failure) for failure in failures)
    for kind in (Unreachable, Mismatch):
        if all(isinstance(failure, kind) for failure in failures):
            return kind(sentences)
    return ClientError(sentences)
