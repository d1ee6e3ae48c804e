"""JSON-RPC as the rest of the indexer sees it: one provider, or several as one."""

from __future__ import annotations

from indexer.chain.pool import Providers
from indexer.chain.provider import Call, Provider

__all__ = ["Call", "Provider", "Providers"]
