"""How far the ledger has followed the chain."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt


class LedgerMark(Base):
    """The last final block whose events an operator's ledger holds; one row an operator, moved with its entries."""

    __tablename__ = "ledger_mark"

    operator: Mapped[AddressColumn] = mapped_column(primary_key=True)
    block_number: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("block_number >= 0", name="block_number"), {"schema": "app"})
