"""Content-addressed files: the blob once, an upload row per owner."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.db.base import AddressColumn, Base, CreatedAt, HashColumn


class Upload(Base):
    """Somebody stored a file. The bytes lie once under their SHA-256, however many uploads name them."""

    __tablename__ = "upload"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    owner: Mapped[AddressColumn] = mapped_column(index=True)
    sha256: Mapped[HashColumn] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("owner", "sha256", "name"), {"schema": "app"})
