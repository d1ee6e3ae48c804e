"""What one worker process holds: made after the fork, so that no connection is shared with a parent or a sibling."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from aicp.rules.primitives import parse_address
from backend.context import Context
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.settings import Settings
from backend.txm.keys import LocalKey, RemoteKey, Signer
from backend.txm.machine import Machine
from backend.txm.rpc import Rpc
from backend.txm.signer import Keyring

ORPHAN_CHECK_SECONDS: Final = 1.0


def build_machine(settings: Settings, ctx: Context) -> Machine:
    """Return engine, node connections and relayer keys of one process."""
    return Machine(
        ctx=ctx,
        db=SyncDatabase(make_sync_engine(settings.database_url, pool_size=3)),
        rpc=Rpc(settings.rpc_urls, settings.chain_id, settings.rpc_timeout_seconds),
        keys=Keyring(settings.chain_id, load_keys(settings)),
    )


def load_keys(settings: Settings) -> list[Signer]:
    """Return the relayer keys: those in the settings, those in encrypted files, those behind a signing service.

    Raises ValueError for a file that does not open, or an address that is none.
    """
    signers: list[Signer] = [LocalKey.from_hex(key.get_secret_value()) for key in settings.relayer_keys]
    password = settings.relayer_keystore_password.get_secret_value()
    signers += [LocalKey.from_keystore(path, password) for path in settings.relayer_keystores]
    signers += [
        RemoteKey(
            parse_address(address), settings.signing_service_url,
            token=settings.signing_service_token.get_secret_value(),
            timeout_seconds=settings.signing_service_timeout_seconds,
        )
        for address in settings.relayer_service_addresses
    ]  # fmt: skip
    return signers


def close_machine(machine: Machine) -> None:
    """Close what `build_machine` opened."""
    machine.keys.close()
    machine.rpc.close()
    machine.db.close()


def die_with_parent() -> None:
    """End this process soon after its parent is gone, so that a killed worker leaves no orphans behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="orphan-watch", daemon=True).start()
