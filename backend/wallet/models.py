"""How much gas was relayed for an address, by day."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, Date
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base


class RelayedGas(Base):
    """Gas units reserved for an address on a UTC day."""

    __tablename__ = "relayed_gas"

    address: Mapped[AddressColumn] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    gas: Mapped[int] = mapped_column(BigInteger, default=0)

    __table_args__ = ({"schema": "app"},)
