"""Takes what people sent out of database errors, where every error passes: before anything can log it.

PostgreSQL quotes values in its messages and DETAIL lines ("Key (title)=(...) already exists", "invalid input syntax
for type integer: ..."), and both drivers put them into the exception's text. What stays is what helps to find the
cause: class, SQLSTATE and the names of constraint, table and column; and the message itself where the server speaks of
the statement or of the connection, which hold no values because every value is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

_SPEAKS_OF_NO_VALUE: Final = ("08", "25", "3F", "40", "42", "53", "55", "57")
"""SQLSTATE classes: connection, transaction state, schema, rollback, syntax and names, resources, locks, shutdown."""
_NAMES: Final = ("constraint_name", "table_name", "column_name")
_TALKATIVE: Final = ("detail", "hint", "context", "internal_query", "query")


def redact_errors(engine: Engine) -> None:
    """Let every database error of this engine carry no parameter value, in itself and in its causes."""
    event.listen(engine, "handle_error", _redact)


def _redact(context: ExceptionContext) -> None:
    for error in _chain(context.original_exception):
        error.args = (_text(error),)
        for name in _TALKATIVE:
            if isinstance(getattr(error, name, None), str):
                setattr(error, name, None)
    if context.sqlalchemy_exception is not None:
        orig = context.original_exception
        context.sqlalchemy_exception.args = (f"({type(orig).__module__}.{type(orig).__name__}) {orig}",)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from: one driver wraps the other's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _text(error: BaseException) -> str:
    told: Any = getattr(error, "diag", None) or error.__cause__ or error
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):  # raised by the driver, or no answer at all
        first = str(error).partition("\n")[0]
        return first if _is_about_the_connection(error) else type(error).__name__
    names = [f"{name}={value}" for name in _NAMES if (value := getattr(told, name, None))]
    spoken = str(error).partition("\n")[0] if state.startswith(_SPEAKS_OF_NO_VALUE) else ""
    return " ".join([type(error).__name__, state, *names, spoken]).rstrip()


def _is_about_the_connection(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__name__ in {"OperationalError", "InterfaceError"}
