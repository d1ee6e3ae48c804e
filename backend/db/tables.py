"""Imports every model, so that the metadata is whole for migrations and tests."""

from __future__ import annotations

from backend.agents import models as agents
from backend.alarms import models as alarms
from backend.auctions import models as auctions
from backend.auth import models as auth
from backend.breakers import models as breakers
from backend.db.base import Base
from backend.deals import models as deals
from backend.files import models as files
from backend.notifications import models as notifications
from backend.outbox import models as outbox
from backend.payments import charge_models as charges
from backend.payments import models as payments
from backend.payments import move_models as pool_moves
from backend.reconciliation import models as reconciliation
from backend.reputation import models as reputation
from backend.scheduler import models as scheduler
from backend.settlement import models as settlement
from backend.tasks import models as tasks
from backend.txm import models as txm
from backend.wallet import models as wallet
from backend.x402 import models as x402

METADATA = Base.metadata
__all__ = [
    "METADATA",
    "agents",
    "alarms",
    "auctions",
    "auth",
    "breakers",
    "charges",
    "deals",
    "files",
    "notifications",
    "outbox",
    "payments",
    "pool_moves",
    "reconciliation",
    "reputation",
    "scheduler",
    "settlement",
    "tasks",
    "txm",
    "wallet",
    "x402",
]
