"""The declarative base and the column types all tables share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import DateTime, LargeBinary, MetaData, Numeric, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Units(TypeDecorator[int]):
    """Base units as NUMERIC(78,0): exact up to uint256, `int` in Python. Add a CHECK (>= 0) on every table."""

    impl = Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else int(value)


class Base(DeclarativeBase):
    """Base of the `app` and `txm` tables; the `chain` schema belongs to the indexer."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {dict[str, Any]: JSONB}  # noqa: RUF012  # the shape SQLAlchemy asks for


AddressColumn = Annotated[bytes, mapped_column(LargeBinary(20))]
HashColumn = Annotated[bytes, mapped_column(LargeBinary(32))]
SignatureColumn = Annotated[bytes, mapped_column(LargeBinary)]
UnitsColumn = Annotated[int, mapped_column(Units)]
Moment = Annotated[dt.datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[dt.datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
