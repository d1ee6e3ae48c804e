"""Scenarios of the transaction manager, one for each T-row of the fault table: each raises where a guard is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backend.db.times import moment
from backend.errors import IdempotencyMismatch
from backend.txm import service as txm
from backend.txm.keys import SignerUnavailable
from backend.txm.machine import Machine
from backend.txm.patience import LONGEST_PAUSE
from backend.worker import sweeps
from tests.sim.money.check import require
from tests.sim.money.contract import CHANNEL, calldata, text
from tests.sim.money.mempool import Sent
from tests.sim.money.people import Purse, cast
from tests.sim.money.stage import POINTS, Stage


def rows(stage: Stage, query: str) -> Sequence[Any]:
    """Return what is in the database."""
    with stage.sandbox.engine.connect() as connection:
        return connection.exec_driver_sql(query).all()


def refusals(stage: Stage, what: str) -> int:
    """Return how often the nodes' pools have refused something for this reason."""
    return sum(pool.refused[what] for pool in stage.ground.pools)


def purse() -> Purse:
    """Return the first buyer's purse."""
    return cast().purses[0]


def one_key(stage: Stage) -> bytes:
    """Let workers have one key only, and return it."""
    stage.keys = stage.keys[:1]
    return stage.keys[0].address


def funded(stage: Stage, units: int = 9_000_000) -> None:
    """Give the first pool money, final in the mirror."""
    stage.market.deposit(purse(), units)
    for _ in range(4):
        stage.round()


def dies_anywhere(stage: Stage) -> None:
    """A worker dies at each fail point in turn; no nonce is ever spent on nothing."""
    for name in POINTS:
        stage.market.deposit(purse(), 1_000_000)
        stage.armed = name
        for _ in range(3):
            stage.sweep()
            stage.pass_time(2)
            stage.mine()
        require(stage.armed is None, f"nobody came past {name}")
    stage.finish()
    require(not rows(stage, "SELECT 1 FROM txm.tx WHERE intent_id IS NULL"), "a nonce was spent on nothing")


def same_intent_on_two_keys(stage: Stage) -> None:
    """While a worker signs with one key, another sends the same intent with another."""
    slow, quick = _pair(stage, (0,), (1,))
    stage.market.deposit(purse(), 1_000_000)
    with _meanwhile(slow, lambda: sweeps.sweep_transactions(quick)):
        stage.drive("sweep", sweeps.sweep_transactions, slow)
    require(len(rows(stage, "SELECT 1 FROM txm.tx")) == 1, "an intent was signed for twice")
    stage.finish()


def same_nonces_twice(stage: Stage) -> None:
    """While a worker signs, another takes the same nonces of the key for something else; leases do not help."""
    slow, quick = _pair(stage, (0,), (0,))
    one_key(stage)
    stage.market.deposit(purse(), 1_000_000)

    def other() -> None:
        with stage.sandbox.engine.begin() as connection:
            later = moment(quick.ctx.now()) + LONGEST_PAUSE
            connection.exec_driver_sql("UPDATE txm.intent SET not_before = %s", (later,))
        stage.market.deposit(purse(), 2_000_000)
        sweeps.sweep_transactions(quick)
        with stage.sandbox.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE txm.intent SET not_before = NULL")

    with _meanwhile(slow, other):
        stage.drive("sweep", sweeps.sweep_transactions, slow)
    stage.finish()


def _pair(stage: Stage, *places: tuple[int, ...]) -> list[Machine]:
    """Return two workers with these keys, neither of which heeds the other's leases."""
    found = []
    for place in places:
        stage.keys = tuple(cast().relayers[at] for at in place)
        machine = stage.hire()
        machine.db.holding = _all_of_them  # type: ignore[method-assign]
        sweeps.sweep_transactions(machine)
        found.append(machine)
    stage.keys = cast().relayers
    return found


@contextmanager
def _all_of_them(locks: Sequence[int]) -> Iterator[list[int]]:
    yield list(locks)


@contextmanager
def _meanwhile(machine: Machine, act: Any) -> Iterator[None]:
    """Let something happen while a worker signs for the first time."""
    real, done = machine.keys.sign, []

    def sign(*arguments: Any) -> Any:
        if not done:
            done.append(True)
            act()
        return real(*arguments)

    machine.keys.sign = sign  # type: ignore[method-assign]
    yield
    machine.keys.sign = real  # type: ignore[method-assign]
    require(bool(done), "nothing was signed")


def unknown_is_not_rejected(stage: Stage) -> None:
    """A broadcast is lost after the nodes have it, and is refused for good when it is sent again; then it is mined."""
    stage.market.deposit(purse(), 1_000_000)
    for gate in stage.gates:
        gate.scripted = ["send_timeout_after"]
    stage.sweep()
    for node in stage.nodes:
        node.refuses = lambda _: "exceeds block gas limit"
    stage.pass_time(20)
    stage.sweep()
    stage.pass_time(20)
    stage.sweep()
    for node in stage.nodes:
        node.refuses = lambda _: None
    stage.mine(blocks=2)
    stage.finish()
    require(stage.ground.money.nonces[cast().relayers[0].address] == 1, "a second nonce was used")


def lost_before_the_node(stage: Stage) -> None:
    """A broadcast never arrives."""
    stage.market.deposit(purse(), 1_000_000)
    for gate in stage.gates:
        gate.scripted = ["send_timeout_before"]
    stage.sweep()
    require(not any(pool.waiting for pool in stage.ground.pools), "it arrived")
    stage.finish()


def mempool_dropped(stage: Stage) -> None:
    """Both nodes forget what they hold."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    for pool in stage.ground.pools:
        pool.waiting.clear()
    stage.finish()


def asked_twice(stage: Stage) -> None:
    """The same request twice is one call; the same key with another call is refused."""
    given = purse().deposit(stage.ctx, 1_000_000, b"\1" * 32, stage.ground.now + 600)
    for _ in range(3):
        code = stage.market.ask("deposit", lambda s: _deposit(stage, s, given))
        require(code is None, f"a repeat was answered {code}")
    require(len(rows(stage, "SELECT 1 FROM txm.intent")) == 1, "a request became two calls")
    known = rows(stage, "SELECT idem_key FROM txm.intent")[0].idem_key
    try:
        stage.market.api.write(
            lambda s: txm.enqueue(
                s,
                stage.ctx,
                idem_key=known,
                kind="pool_deposit",
                on_behalf_of=b"\1" * 20,
                to=CHANNEL,
                data=b"other",
                expires_at=None,
                reference={},
            )
        )
    except IdempotencyMismatch:
        stage.finish()
        return
    raise AssertionError("another call was taken under a key that is in use")


def _deposit(stage: Stage, session: Any, given: Any) -> object:
    """Ask the service for a deposit."""
    from backend.payments import pools  # one scenario needs it

    return pools.deposit(session, stage.ctx, purse().buyer.address, given)


def base_fee_rises(stage: Stage) -> None:
    """The base fee rises tenfold while something waits; its replacement is one that pools take."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    stage.ground.base_fee *= 10
    for _ in range(4):
        stage.pass_time(12)
        stage.sweep()
        stage.mine()
    require(refusals(stage, "replacement transaction underpriced") == 0, "a replacement was too cheap")
    require(stage.ground.money.nonces != {}, "nothing was mined")
    require(bool(rows(stage, "SELECT 1 FROM txm.attempt WHERE seq > 1")), "nothing was replaced")
    stage.finish()


def used_by_a_stranger(stage: Stage) -> None:
    """Somebody else sends with our key: the call goes out once more with another one."""
    stage.sweep()
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    sent = rows(stage, "SELECT account, nonce FROM txm.tx")[0]
    stage.ground.send_of(bytes(sent.account), bytes(sent.account), b"", nonce=sent.nonce)
    stage.finish()
    found = rows(stage, "SELECT state FROM txm.tx ORDER BY created_at")
    require([row.state for row in found] == ["superseded", "final"], f"transactions: {found}")
    quarantined = rows(stage, "SELECT 1 FROM txm.account WHERE quarantined_reason IS NOT NULL")
    require(len(quarantined) == 1, "the key is still in use")


def ours_without_a_receipt(stage: Stage) -> None:
    """Our own transaction is final, and no node shows its receipt yet."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    for node in stage.nodes:
        node.hides_receipts = True
    stage.mine(blocks=12)
    stage.advance()
    stage.sweep()
    for node in stage.nodes:
        node.hides_receipts = False
    require(not rows(stage, "SELECT 1 FROM txm.tx WHERE state = 'superseded'"), "our own was taken for a stranger's")
    stage.finish()


def reorged_out(stage: Stage) -> None:
    """What was mined leaves the chain, and every pool with it."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    stage.mine(blocks=2)
    stage.sweep()
    stage.fork(2, 3, forget=1.0)
    stage.finish()


def mined_elsewhere(stage: Stage) -> None:
    """Not the replacement is mined but what it replaces, and once more in another block."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    stage.pass_time(12)
    first = {sender: dict(mine) for sender, mine in stage.ground.pools[0].waiting.items()}
    stage.sweep()
    for pool in stage.ground.pools:
        pool.waiting = {sender: dict(mine) for sender, mine in first.items()}
    stage.mine(blocks=2)
    stage.sweep()
    require(len(rows(stage, "SELECT 1 FROM txm.attempt")) == 2, "nothing was replaced")
    stage.fork(2, 3, share=1.0)
    stage.finish()


def out_of_funds(stage: Stage) -> None:
    """The keys are dry: no nonce is taken until they are topped up."""
    stage.sweep()
    owned = dict(stage.ground.money.wei)
    stage.ground.money.wei.clear()
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    require(not rows(stage, "SELECT 1 FROM txm.tx"), "a nonce was taken for what cannot be paid")
    open_alarms = rows(stage, "SELECT kind FROM app.alarm WHERE cleared_at IS NULL")
    require(any(row.kind == "key_out_of_funds" for row in open_alarms), "nobody was told")
    stage.ground.money.wei.update(owned)
    stage.finish()


def fails_on_chain(stage: Stage) -> None:
    """A call passes its simulation and fails in its block, because somebody was first."""
    funded(stage)
    given = purse().withdrawal(stage.ctx, 1_000_000, 0, stage.ground.now + 3_000)
    code = stage.market.ask("withdraw", lambda s: _withdraw(stage, s, given))
    require(code is None, f"the withdrawal was refused: {code}")
    stage.sweep()
    held = [pool.waiting for pool in stage.ground.pools]
    for pool in stage.ground.pools:
        pool.waiting = {}
    parties = (text(purse().session.address), text(stage.ctx.operator.address))
    stage.ground.send_of(purse().buyer.address, CHANNEL, calldata("initiatePoolWithdraw", *parties, 2_000_000))
    stage.mine()
    for pool, waiting in zip(stage.ground.pools, held, strict=True):
        pool.waiting = waiting
    stage.mine()
    stage.finish()
    [row] = rows(stage, "SELECT state, error_code FROM txm.intent WHERE kind = 'pool_withdraw'")
    require(tuple(row) == ("failed", "PoolNonceMismatch"), f"it is {tuple(row)}")
    require(not rows(stage, "SELECT 1 FROM app.ledger_entry WHERE kind = 'withdrawal'"), "the ledger has what was not")


def _withdraw(stage: Stage, session: Any, given: Any) -> object:
    from backend.payments import pools  # one scenario needs it

    return pools.withdraw(session, stage.ctx, purse().pool, purse().buyer.address, given)


def rejected_for_good(stage: Stage) -> None:
    """No node ever takes a transaction, and others of its key wait behind it."""
    one_key(stage)
    stage.market.deposit(purse(), 1_000_001)

    def refuses(sent: Sent) -> str | None:
        return "exceeds block gas limit" if (1_000_001).to_bytes(32) in sent.data else None

    for node in stage.nodes:
        node.refuses = refuses
    stage.market.deposit(purse(), 1_000_000)
    stage.finish()
    states = sorted(row.state for row in rows(stage, "SELECT state FROM txm.intent"))
    require(states == ["failed", "final"], f"intents: {states}")


def words_of_a_wrong_node(stage: Stage) -> None:
    """ "unknown transaction type" holds the words "known transaction", and is no success."""
    stage.market.deposit(purse(), 1_000_000)
    for node in stage.nodes:
        node.refuses = lambda _: "unknown transaction type"
    stage.sweep()
    states = [row.state for row in rows(stage, "SELECT state FROM txm.tx")]
    require(states == ["signed"], f"it counts as {states}")
    for node in stage.nodes:
        node.refuses = lambda _: None
    stage.finish()


def wrong_chain(stage: Stage) -> None:
    """Both nodes serve another chain for a while: nothing is signed, nothing is sent, nothing is believed."""
    stage.sweep()
    stage.market.deposit(purse(), 1_000_000)
    for node in stage.nodes:
        node.foreign = True
    stage.pass_time(20)
    stage.sweep()
    require(not rows(stage, "SELECT 1 FROM txm.tx"), "something was signed for a chain nobody knows")
    stage.finish()


def signer_is_silent(stage: Stage) -> None:
    """The keys' signer does not answer: no nonce is taken."""
    stage.market.deposit(purse(), 1_000_000)
    machine = stage.worker()
    real = machine.keys.sign

    def sign(*_: Any) -> Any:
        raise SignerUnavailable("no answer")

    machine.keys.sign = sign  # type: ignore[method-assign]
    stage.drive("sweep", sweeps.sweep_transactions, machine)
    require(not rows(stage, "SELECT 1 FROM txm.tx"), "a nonce was taken for what nobody signed")
    machine.keys.sign = real  # type: ignore[method-assign]
    stage.finish()


def seventeenth(stage: Stage) -> None:
    """More is asked for than a pool keeps for one account: it waits, and no pool refuses anything."""
    one_key(stage)
    for _ in range(20):
        stage.market.deposit(purse(), 1_000_000)
    for _ in range(3):
        stage.sweep()
    require(refusals(stage, "txpool is full") == 0, "a pool had no room")
    stage.finish()
    require(len(rows(stage, "SELECT 1 FROM txm.intent WHERE state = 'final'")) == 20, "something was lost")


def clock_goes_back(stage: Stage) -> None:
    """The service's clock jumps back an hour, and the pools forget: what was sent is sent again soon."""
    stage.market.deposit(purse(), 1_000_000)
    stage.sweep()
    for pool in stage.ground.pools:
        pool.waiting.clear()
    stage.skew = -3_600
    stage.pass_time(30)
    stage.sweep()
    require(any(mine for pool in stage.ground.pools for mine in pool.waiting.values()), "it was not sent again")
    require(not rows(stage, "SELECT 1 FROM txm.intent WHERE state = 'expired'"), "it expired early")
    stage.finish()
