"""What clients must know of the chain: addresses, constants, operators, how far the mirror is, and totals."""

from __future__ import annotations

from dataclasses import fields
from typing import Final, Literal

from sqlalchemy.orm import Session

from aicp.rules.constants import MARKETPLACE_SALT
from backend.agents import repo as agents
from backend.agents.service import HEARD_WITHIN_SECONDS
from backend.alarms import repo as alarms_repo
from backend.alarms import service as alarms
from backend.alarms.schemas import AlarmOut, OperatorAlarmOut, alarm_out, operator_alarm_out
from backend.auctions import repo as auctions
from backend.context import Context
from backend.db.times import moment
from backend.domain.micro import accepts_orders
from backend.domain.task_states import TaskState
from backend.network import repo
from backend.network.schemas import (
    ConstantsOut,
    ContractsOut,
    KeysOut,
    NetworkOut,
    NodeOut,
    OperatorOut,
    StatusOut,
    TokenOut,
    TotalsOut,
)
from backend.tasks import repo as tasks
from indexer import views

STALE_AFTER_SECONDS: Final = 15
"""The indexer writes its cursor at least this often while the chain answers."""
CATCHING_UP_SECONDS: Final = 60
HOUR: Final = 3600
LATEST_ALARMS: Final = 200
State = Literal["ok", "catching_up", "chain_unreachable", "finality_stalled"]


def network(ctx: Context) -> NetworkOut:
    """Return the configuration a wallet, the SDK or the page needs to sign for this deployment."""
    d, net, settings = ctx.deployment, ctx.network, ctx.settings
    names = {field.name for field in fields(ctx.constants)} & set(ConstantsOut.model_fields)
    return NetworkOut(
        chain_id=d.chain_id,
        name=net.name,
        currency=net.currency,
        rpc_url=settings.public_rpc_url or settings.rpc_urls[0],
        voucher_urls=settings.voucher_urls,
        explorer=net.explorer,
        public=net.public,
        contracts=ContractsOut(
            escrow=d.escrow,
            payment_channel=d.payment_channel,
            reputation=d.reputation,
            usdc=d.usdc,
            erc3009_collector=d.erc3009_collector,
            arbiter=d.arbiter,
            deploy_block=d.deploy_block,
        ),
        token=TokenOut(symbol="USDC", name=d.token_name, version=d.token_version, decimals=6),
        operators=_operators(ctx),
        constants=ConstantsOut(
            **{name: getattr(ctx.constants, name) for name in names}, marketplace_salt=MARKETPLACE_SALT
        ),
        server_time=moment(ctx.now()),
    )


def _operators(ctx: Context) -> list[OperatorOut]:
    """Return every epoch. One whose key is not here is over, whatever the file says; so is a key the file omits."""
    now = moment(ctx.now())
    known = {epoch.address for epoch in ctx.deployment.operators}
    listed = [
        OperatorOut(
            address=epoch.address,
            from_time=epoch.from_time,
            until=epoch.until if epoch.address in ctx.operators else min(epoch.until or now, now),
        )
        for epoch in ctx.deployment.operators
    ]
    unlisted = [address for address in ctx.operators if address not in known]
    return listed + [OperatorOut(address=address, from_time=moment(0), until=now) for address in unlisted]


def status(session: Session, ctx: Context) -> StatusOut:
    """Return how far the mirror is, and say it in a sentence."""
    open_intents = session.execute(repo.open_intents()).scalar_one()
    nodes, keys, told = _senders(session, ctx)
    try:
        sync = views.sync_status(session)
    except views.MirrorEmptyError:
        return StatusOut(
            state="catching_up",
            sentence="The indexer has not read the chain yet; payments on chain wait until it has.",
            head_number=None,
            safe_number=None,
            finalized_number=None,
            head_age_seconds=None,
            finalized_age_seconds=None,
            open_intents=open_intents,
            off_chain_accepting=False,
            nodes=nodes,
            keys=keys,
            alarms=told,
        )
    now = ctx.now()
    silent = now - int(sync.updated_at.timestamp())
    final_age = max(0, now - sync.finalized_time)
    state = _state(ctx, silent=silent, head_age=now - sync.head_time, final_age=final_age)
    accepting = accepts_orders(finalized_time=sync.finalized_time, now=now, constants=ctx.constants)
    return StatusOut(
        state=state,
        sentence=_sentence(state, sync.head_number, final_age, accepting=accepting),
        head_number=sync.head_number,
        safe_number=sync.safe_number,
        finalized_number=sync.finalized_number,
        head_age_seconds=max(0, now - sync.head_time),
        finalized_age_seconds=final_age,
        open_intents=open_intents,
        off_chain_accepting=accepting,
        nodes=nodes,
        keys=keys,
        alarms=told,
    )


def operator_alarms(session: Session) -> list[OperatorAlarmOut]:
    """Return the newest alarms with what an operator must know of them."""
    return [operator_alarm_out(alarm) for alarm in session.execute(alarms_repo.latest_alarms(LATEST_ALARMS)).scalars()]


def _senders(session: Session, ctx: Context) -> tuple[list[NodeOut], KeysOut, list[AlarmOut]]:
    """Return what sends transactions, as the workers left it, and the open alarms."""
    chain_id = ctx.deployment.chain_id
    usable, quarantined = session.execute(repo.keys(chain_id)).tuples().one()
    in_flight = session.execute(repo.in_flight(chain_id)).scalar_one()
    nodes = [
        NodeOut(name=node.name, answers=node.answers, failures=node.failures, updated_at=node.updated_at)
        for node in session.execute(repo.nodes()).scalars()
    ]
    told = [alarm_out(alarm) for alarm in alarms.open_alarms(session)]
    return nodes, KeysOut(usable=usable, quarantined=quarantined, in_flight=in_flight), told


def _state(ctx: Context, *, silent: int, head_age: int, final_age: int) -> State:
    if silent > STALE_AFTER_SECONDS and head_age > STALE_AFTER_SECONDS:
        return "chain_unreachable"
    # a local chain makes blocks only when there is something to put in them
    if ctx.network.public and head_age > CATCHING_UP_SECONDS:
        return "catching_up"
    if final_age > ctx.constants.max_finality_age_seconds:
        return "finality_stalled"
    return "ok"


def _sentence(state: State, head: int, final_age: int, *, accepting: bool) -> str:
    off_chain = "go on" if accepting else "are paused"
    match state:
        case "ok":
            return f"Everything works; the newest block we have read is {head}."
        case "catching_up":
            return f"We are catching up with the chain at block {head}; payments on chain may show late."
        case "chain_unreachable":
            return (
                f"The chain does not answer. On-chain payments wait and will catch up; payments below $10 {off_chain}."
            )
        case "finality_stalled":
            minutes = final_age // 60
            return f"The chain has finalised nothing for {minutes} minutes; payments below $10 {off_chain}."


def totals(session: Session, ctx: Context) -> TotalsOut:
    """Return the figures of the landing page."""
    chain = views.totals(session)
    try:
        block_number = views.sync_status(session).head_number
    except views.MirrorEmptyError:
        block_number = None
    now = ctx.now()
    return TotalsOut(
        escrow_locked_units=chain.escrow_locked_units,
        escrow_released_units=chain.escrow_released_units,
        pools_units=chain.pool_balance_units,
        paid_off_chain_units=session.execute(repo.earned_off_chain()).scalar_one(),
        settled_units=chain.settled_units,
        tasks_open=session.execute(tasks.count_in((TaskState.OPEN,))).scalar_one(),
        tasks_completed=session.execute(tasks.count_in((TaskState.COMPLETED,))).scalar_one(),
        agents_available=session.execute(agents.count_heard_since(moment(now - HEARD_WITHIN_SECONDS))).scalar_one(),
        bids_last_hour=session.execute(auctions.count_since(moment(now - HOUR))).scalar_one(),
        block_number=block_number,
    )
