"""Scenarios of promises and claims, one for each P-row of the fault table: each raises where a guard is missing."""

from __future__ import annotations

from aicp.rules.primitives import keccak
from backend.payments.schemas import PoolWithdrawIn
from tests.sim.money.book import Order
from tests.sim.money.check import covered, require
from tests.sim.money.contract import CHANNEL, calldata, text
from tests.sim.money.people import Person, cast
from tests.sim.money.sending import funded, one_key, purse, rows
from tests.sim.money.stage import Stage

_DAY = 86_400


def done(stage: Stage, price: int = 1_000_000, agent: int = 0) -> Order:
    """Order, deliver and accept."""
    order = stage.market.order(purse(), cast().agents[agent], price)
    assert order is not None
    require(order.state == "placed", f"the order is {order.state}")
    stage.market.deliver(order)
    stage.market.judge(order, accepted=True)
    return order


def announce(stage: Stage, units: int) -> None:
    """Let the buyer ask for the pool from a wallet of its own."""
    parties = (text(purse().session.address), text(stage.ctx.operator.address))
    stage.ground.send_of(purse().buyer.address, CHANNEL, calldata("initiatePoolWithdraw", *parties, units))


def take(stage: Stage) -> None:
    """Let the buyer take what was asked for."""
    parties = (text(purse().buyer.address), text(purse().session.address), text(stage.ctx.operator.address))
    stage.ground.send_of(purse().buyer.address, CHANNEL, calldata("finalizePoolWithdraw", *parties))


def refused(stage: Stage, code: str, price: int, *, signer: Person | None = None) -> None:
    """An order must be refused for this reason; one that is taken is carried out, so that what it costs is seen."""
    before = stage.counts[f"order_{code}"]
    order = stage.market.order(purse(), cast().agents[1], price, signer=signer)
    if order is not None and order.state == "placed":
        stage.market.deliver(order)
        stage.market.judge(order, accepted=True)
        covered(stage, purse())
    require(stage.counts[f"order_{code}"] == before + 1, f"the order was not refused: {code}")


def more_than_the_pool(stage: Stage) -> None:
    """Two agents are promised more than the pool holds."""
    funded(stage, 3_000_000)
    done(stage, 2_000_000)
    refused(stage, "voucher_above_pool", 2_000_000)
    stage.finish()


def strangers_voucher(stage: Stage) -> None:
    """A voucher that somebody else has signed pays nothing, whoever is promised."""
    funded(stage)
    refused(stage, "invalid_signature", 1_000_000, signer=Person("a stranger"))
    stage.market.book.ceilings.clear()
    done(stage)
    stage.finish()


def lost_answer(stage: Stage) -> None:
    """The order is stored and its answer lost: the client's repeat gets it, and pays once."""
    funded(stage)
    order = _broken(stage, "after")
    require(order.doubt is not None, "a lost answer counts as one")
    stage.market.resolve()
    require(order.state == "placed", f"the repeat made it {order.state}")
    stage.finish()


def lost_commit(stage: Stage) -> None:
    """COMMIT fails after everything else went well: nobody is told of success, and the repeat is taken."""
    funded(stage)
    order = _broken(stage, "before")
    if order.doubt is not None:
        stage.market.resolve()
    stage.market.deliver(order)
    stage.market.judge(order, accepted=True)
    stage.finish()


def _broken(stage: Stage, when: str) -> Order:
    """Order while the COMMIT of the order itself breaks."""
    real = stage.market.request

    def request(order: Order, what: str, then: object, act: object) -> str | None:
        stage.api.scripted = when
        stage.market.request = real  # type: ignore[method-assign]
        return real(order, what, then, act)  # type: ignore[arg-type]

    stage.market.request = request  # type: ignore[method-assign, assignment]
    order = stage.market.order(purse(), cast().agents[0], 1_000_000)
    assert order is not None
    return order


def deposit_reorged_out(stage: Stage) -> None:
    """A deposit is seen in the newest block, promised on by nobody, and leaves the chain."""
    funded(stage, 1_000_000)
    stage.market.deposit(purse(), 5_000_000)
    stage.sweep()
    stage.mine(blocks=2)
    stage.index(2)
    order = stage.market.order(purse(), cast().agents[1], 4_000_000)
    if order is not None and order.state == "placed":
        stage.market.deliver(order)
        stage.market.judge(order, accepted=True)
    for _ in range(40):
        stage.pass_time(60)  # until its signature is too old to be sent again
    stage.fork(2, 3, forget=1.0)
    stage.ground.now += 7_000
    stage.finish()
    require(order is not None and order.state == "refused", "promised on a deposit that was not final")


def withdrawal_with_receipts(stage: Stage) -> None:
    """A pool is withdrawn while it owes a receipt that is worth less than its gas: it is claimed all the same."""
    funded(stage)
    done(stage, 20_000)
    stage.ground.base_fee *= 20
    announce(stage, 9_000_000)
    stage.mine()
    stage.work()
    stage.ground.now += _DAY
    take(stage)
    stage.finish()


def alarm_of_a_withdrawal(stage: Stage) -> None:
    """Somebody is told of a withdrawal that threatens receipts."""
    funded(stage)
    done(stage)
    announce(stage, 9_000_000)
    stage.mine(blocks=2)
    stage.index(2)
    stage.settle()
    require(stage.counts["logged: a withdrawal threatens receipts"] > 0, "nobody was told")
    stage.finish()


def closing_pool(stage: Stage) -> None:
    """A pool that is being withdrawn in part promises nothing."""
    funded(stage)
    announce(stage, 1_000_000)
    stage.mine(blocks=2)
    stage.index(2)
    refused(stage, "pool_closing", 1_000_000)
    stage.finish()


def withdrawal_nobody_sees(stage: Stage) -> None:
    """The mirror stands still while a withdrawal is announced: soon nothing is promised, so that nothing is lost."""
    funded(stage)
    announce(stage, 9_000_000)
    stage.mine(blocks=2)
    stage.ground.now += _DAY - 3_000
    order = stage.market.order(purse(), cast().agents[1], 1_000_000)
    if order is not None and order.state == "placed":
        stage.market.deliver(order)
        stage.market.judge(order, accepted=True)
    stage.ground.now += 3_000
    take(stage)
    stage.mine(blocks=2)
    stage.finish()
    require(order is not None and order.state == "refused", "promised while the chain was out of sight")


def exact_threshold(stage: Stage) -> None:
    """A price of exactly the threshold is no pool's matter; amounts are whole strings of digits."""
    funded(stage, 30_000_000)
    require(stage.ctx.constants.threshold_units == 10_000_000, "the threshold is another one")
    done(stage, 9_999_999)
    refused(stage, "wrong_state", 10_000_000)
    for units in ("-1", "1.5", 1.5, "1e3", str(2**256)):
        try:
            PoolWithdrawIn.model_validate(
                {"amount_units": units, "nonce": 0, "valid_until": 1, "signature": "0x" + 65 * "00"}
            )
        except ValueError:
            continue
        raise AssertionError(f"{units!r} was taken for an amount")
    stage.finish()


def payout_lost(stage: Stage) -> None:
    """The claim is mined and its settlement's nonce is used by a stranger: the agent is paid by another settlement."""
    funded(stage)
    done(stage)
    stage.pass_time(10)
    stage.settle()
    stage.sweep()
    found = rows(stage, "SELECT t.account, t.nonce FROM txm.tx t JOIN txm.intent i ON i.id = t.intent_id"
                 " WHERE i.kind = 'settle'")  # fmt: skip
    require(len(found) == 1, f"{len(found)} settlements")
    account, nonce = bytes(found[0].account), found[0].nonce
    stage.ground.send_of(account, account, b"", nonce=nonce)
    stage.mine(blocks=2)
    stage.finish()


def claims_follow_the_mirror(stage: Stage) -> None:
    """The mirror stands still after a claim is final: nothing is claimed a second time."""
    funded(stage)
    done(stage)
    stage.pass_time(10)
    stage.settle()
    for _ in range(4):
        stage.sweep()
        stage.pass_time(70)
        stage.mine(blocks=5)
        stage.advance()
        stage.settle()
    require(len(rows(stage, "SELECT 1 FROM txm.intent WHERE kind = 'claim'")) == 1, "the same was claimed again")
    stage.finish()


def bad_row(stage: Stage) -> None:
    """One receipt of several cannot be claimed: the others are, and no batch carries it."""
    funded(stage)
    one_key(stage)
    bad, good = done(stage), done(stage, agent=1)
    channel_id = purse().lane(stage.ctx, bad.agent).channel_id
    [kept] = rows(stage, f"SELECT voucher_signature FROM app.receipt WHERE channel_id = '\\x{channel_id.hex()}'")
    _set_signature(stage, channel_id, b"\1" * 64 + b"\x1b")
    stage.pass_time(10)
    for _ in range(3):
        stage.round()
    way = purse().lane(stage.ctx, good.agent)
    require(stage.ground.money.book.channels[way.channel_id].claimed == good.price, "the good receipt is not claimed")
    skipped = keccak(b"RowSkipped(uint256,uint256,uint8)")
    logs = [log for block in stage.chain.path for log in block.logs if log.topics[0] == skipped]
    require(not logs, "a batch carried a bad row")
    _set_signature(stage, channel_id, bytes(kept.voucher_signature))
    stage.finish()


def _set_signature(stage: Stage, channel_id: bytes, signature: bytes) -> None:
    with stage.sandbox.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE app.receipt SET voucher_signature = %s WHERE channel_id = %s", (signature, channel_id)
        )


def ledger_of_what_is_final(stage: Stage) -> None:
    """A deposit is mined, seen by the mirror, and leaves the chain for good: the ledger never had it."""
    funded(stage)
    stage.market.deposit(purse(), 5_000_000)
    stage.sweep()
    stage.mine(blocks=2)
    stage.index(2)
    stage.post()
    stage.fork(2, 3, forget=1.0)
    stage.ground.now += 7_000
    stage.finish()
