"""The places of the service where a test lets the process die or a call fail (see `indexer.failpoints`).

`AICP_BACKEND_FAILPOINT=name` ends the process at the first pass of that name, `name:3` at the third; a test in the same
process installs a hook instead.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from indexer.failpoints import EXIT_CODE, Failpoints

__all__ = ["EXIT_CODE", "NAMES", "Name", "failpoint", "install_hook"]

Name = Literal[
    "vouchers.group_ready",  # a group of vouchers is put together, nothing of it is written
    "vouchers.group_stored",  # the group is committed, nobody has been told
    "txm.nonces_taken",  # the key's nonces are moved on, in the open transaction
    "txm.stored",  # nonces, rows and signed bytes are committed, nothing is sent
    "txm.sending",  # that bytes are about to be sent is committed
    "txm.sent",  # the nodes have answered, nothing of that is written down
    "txm.confirming",  # what the chain says is written down, in the open transaction
]

NAMES: Final[tuple[Name, ...]] = get_args(Name)

_points: Final = Failpoints("AICP_BACKEND_FAILPOINT", NAMES)
failpoint: Final = _points.passed
install_hook: Final = _points.install_hook
