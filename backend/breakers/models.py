"""One row for each agent whose server has ever failed; all processes read and change it."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, Moment
from backend.domain.breaker import Breaker, State


class BreakerRow(Base):
    """A breaker (see `backend.domain.breaker`) and what an operator wants to know of it."""

    __tablename__ = "breaker"

    agent: Mapped[AddressColumn] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with every change, so that news which overtake each other are told apart."""
    state: Mapped[str] = mapped_column(Text, default=State.CLOSED.value)
    turn: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(default=0)
    rest_ms: Mapped[int] = mapped_column(default=0)
    until_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    """Milliseconds since 1970."""
    given: Mapped[int] = mapped_column(default=0)
    succeeded: Mapped[int] = mapped_column(default=0)
    opened: Mapped[int] = mapped_column(BigInteger, default=0)
    """How often it has opened."""
    last_error: Mapped[str | None] = mapped_column(Text)
    """A sentence of ours, never what the agent's server said."""
    failed_at: Mapped[Moment | None]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("state in ('closed', 'open', 'half_open')", name="state"),
        CheckConstraint("failures >= 0 AND given >= 0 AND succeeded >= 0 AND rest_ms >= 0", name="counts"),
        {"schema": "app"},
    )

    def breaker(self) -> Breaker:
        """Return the breaker as the rules know it."""
        return Breaker(
            state=State(self.state), turn=self.turn, failures=self.failures, rest_ms=self.rest_ms,
            until_ms=self.until_ms, given=self.given, succeeded=self.succeeded,
        )  # fmt: skip

    def become(self, breaker: Breaker) -> None:
        """Take over what the rules have made of it."""
        self.state, self.turn, self.failures = breaker.state.value, breaker.turn, breaker.failures
        self.rest_ms, self.until_ms = breaker.rest_ms, breaker.until_ms
        self.given, self.succeeded = breaker.given, breaker.succeeded
