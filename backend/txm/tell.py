"""Which of the keys is in trouble, as alarms: raised where it is, cleared where it no longer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from aicp.rules.primitives import hex0x
from backend.alarms import repo as alarm_repo
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.txm.machine import Machine


def open_for(session: Session, kind: AlarmKind) -> set[str]:
    """Return the subjects of the open alarms of a kind."""
    return set(session.execute(alarm_repo.open_subjects(kind.value)).scalars())


def tell(
    machine: Machine, kind: AlarmKind, checked: Sequence[bytes], bad: Mapping[bytes, str], known: set[str] | None = None
) -> None:
    """Raise an alarm for each bad key, with its sentence, and clear those of the other keys that were checked.

    `known` are the subjects of the open alarms, where the caller has read them already.
    """
    subjects = {hex0x(address) for address in checked} - {hex0x(address) for address in bad}
    if subjects and known is None:
        known = machine.db.read(lambda s: open_for(s, kind))
    over = subjects & (known or set())
    if not over and not bad:
        return

    def run(session: Session) -> None:
        for subject in sorted(over):
            alarms.clear(session, kind, subject)
        for address, sentence in bad.items():
            alarms.raise_alarm(session, kind, hex0x(address), sentence)

    machine.db.write(run)
