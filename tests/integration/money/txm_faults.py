"""The rows of the fault table of the transaction manager: each a story that ends well, and would not without its guard.

`Desk.carried` is the end of most: everything final, each exactly once, nonces without a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aicp.abi import usdc
from aicp.abi.runtime import keccak
from aicp.rules.primitives import hex0x
from backend.txm import broadcast, confirm, prepare, replace
from backend.txm.keys import LocalKey, SignerUnavailable
from backend.txm.patience import LONGEST_PAUSE
from backend.txm.rpc import Rpc
from backend.txm.signer import Keyring
from tests.fixtures.moneylab import World
from tests.integration.money.desk import PATIENCE_SECONDS, desk, expiring, opened

Story = Callable[[World], None]


def killed(place: str) -> Story:
    """T1: a worker is killed at a named place; whoever comes next goes on with the bytes that were stored."""

    def story(world: World) -> None:
        with desk(world) as at:
            at.sweep()
            before = at.nonce()
            for _ in range(3):
                at.ask()
            if place == "txm.confirming":
                at.sweep()
                at.mined()
            at.killed_at(place)
            if place == "txm.nonces_taken":
                assert at.nonce() == before, "no nonce without bytes"
            stored = world.sql("SELECT tx_id, seq, hash FROM txm.attempt")
            at.later(20)
            at.carried()
            kept = world.sql("SELECT tx_id, seq, hash FROM txm.attempt")
            assert {tuple(row) for row in stored} <= {tuple(row) for row in kept}, "the bytes that were stored"

    return story


def never_reached_the_node(world: World) -> None:
    """T3: the sending timed out and no node has the bytes."""
    with desk(world) as at:
        intent = at.ask()
        at.script.deaf = True
        at.sweep()
        assert at.attempts(intent)[0][2] == "unknown"
        at.script.deaf = False
        at.later(20)
        at.carried()


def reached_the_node_without_an_answer(world: World) -> None:
    """T2: the sending timed out after a node had taken the bytes."""
    with desk(world) as at:
        at.ask()
        at.script.silent = True
        at.sweep()
        at.script.silent = False
        at.later(20)
        at.carried()


def another_worker_takes_the_nonces(world: World) -> None:
    """T4: while a worker signs for a key's next nonces, another gives them out; each is used once."""
    with desk(world) as at:
        at.sweep()
        for _ in range(3):
            at.ask(anybody=True)
        other = opened(world.new_machine(), at.script, at.machine)
        real = Rpc.balances

        def meanwhile(rpc: Rpc, accounts: Sequence[bytes]) -> dict[bytes, int]:
            Rpc.balances = real
            waiting = "UPDATE txm.intent SET not_before = :t WHERE state = 'queued'"
            world.sql(waiting, t=expiring(world, LONGEST_PAUSE.seconds))
            at.ask(anybody=True)
            assert prepare._prepare(other, at.keys) == 1
            world.sql(waiting, t=None)
            return real(rpc, accounts)

        Rpc.balances = meanwhile
        try:
            assert prepare.prepare(at.machine) == 0, "what it signed was for nonces that are gone"
        finally:
            Rpc.balances = real
        other.rpc.close()
        other.db.close()
        at.carried()


def base_fee_rises(world: World) -> None:
    """T6: fees rise while a transaction waits; no replacement is refused for rising too little, or is still too low."""
    for floor in (0, 5 * 10**9):
        with desk(world) as at:
            intent = at.ask()
            at.sweep()
            base = at.machine.rpc.head().base_fee_wei
            world.chain.rpc("anvil_dropAllTransactions")  # the pool holds it, and no block takes it
            world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(max(floor, base * 102 // 100)))
            at.mined()
            at.later(PATIENCE_SECONDS + 1)
            assert replace.bump_stuck(at.machine) == 1
            broadcast.broadcast(at.machine)
            (old_fee, old_tip, _), (fee, tip, outcome) = at.attempts(intent)
            assert outcome in {"accepted", "known"}, outcome
            assert fee * 10 >= old_fee * 11
            assert tip * 10 >= old_tip * 11
            assert fee >= at.machine.rpc.head().base_fee_wei, "it can be mined now"
            assert not at.script.pool.counts["replacement transaction underpriced"]
            at.carried()


def pool_forgets(world: World) -> None:
    """T7: every node is restarted and has forgotten what it had taken."""
    with desk(world) as at:
        for _ in range(3):
            at.ask()
        at.sweep()
        at.script.pool.forget()
        world.chain.rpc("anvil_dropAllTransactions")
        at.later(20)
        at.carried()


def replaced_and_the_old_one_is_mined(world: World) -> None:
    """T9: after a replacement was mined and reorged out, another node's block has the first attempt."""
    with desk(world) as at:
        intent = at.ask()
        at.sweep()
        [(first,)] = world.sql(
            "SELECT a.raw FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id WHERE t.intent_id = :i", i=intent.id
        )
        at.later(PATIENCE_SECONDS + 1)
        assert replace.bump_stuck(at.machine) == 1
        broadcast.broadcast(at.machine)
        snapshot = world.chain.rpc("evm_snapshot")
        at.mined()
        confirm.confirm(at.machine)
        assert at.states() == ["mined"]
        world.chain.rpc("evm_revert", snapshot)
        world.chain.rpc("anvil_dropAllTransactions")
        at.script.pool.forget()
        world.chain.rpc("evm_increaseTime", 7)
        world.chain.rpc("eth_sendRawTransaction", hex0x(bytes(first)))
        at.mined(4)
        for _ in range(2):
            confirm.confirm(at.machine)
        assert at.states() == ["final"]
        mined = bytes(world.one("SELECT tx_hash FROM txm.intent WHERE id = :i", i=intent.id))
        assert mined == keccak(bytes(first))
        at.carried()


def out_of_funds(world: World) -> None:
    """T10: a key without funds takes no nonce; somebody is told; after a top-up it goes on."""
    with desk(world) as at:
        at.sweep()
        [key] = at.keys
        had = world.chain.rpc("eth_getBalance", hex0x(key), "latest")
        world.chain.rpc("anvil_setBalance", hex0x(key), hex(21_000))
        before = at.nonce()
        at.ask()
        at.sweep()
        assert (at.nonce(), at.states()) == (before, ["queued"])
        assert ("key_out_of_funds", hex0x(key)) in at.alarms()
        world.chain.rpc("anvil_setBalance", hex0x(key), had)
        at.carried()
        assert ("key_out_of_funds", hex0x(key)) not in at.alarms()


def reverts_on_chain(world: World) -> None:
    """T11: a call that passed its simulation fails in its block, with a reason of the contract's own."""
    with desk(world) as at:
        contract = keccak(at.name.encode())[12:]
        world.chain.rpc("anvil_setCode", hex0x(contract), "0x00")
        intent = at.ask(to=contract)
        assert prepare.prepare(at.machine) == 1
        words = usdc.FaucetCapExceeded.SELECTOR + (7).to_bytes(32) + (5).to_bytes(32)
        # copies what follows the code's own twelve bytes to memory and reverts with it
        size = len(words)
        code = bytes([0x60, size, 0x60, 12, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xFD]) + words
        world.chain.rpc("anvil_setCode", hex0x(contract), hex0x(code))
        broadcast.broadcast(at.machine)
        before = at.nonce()
        for _ in range(2):
            at.mined(4)
            confirm.confirm(at.machine)
        [(state, reason, detail, gas)] = world.sql(
            "SELECT state, error_code, error_detail, gas_used FROM txm.intent WHERE id = :i", i=intent.id
        )
        assert (state, reason) == ("failed", "FaucetCapExceeded"), (state, reason, detail)
        assert gas > 21_000
        assert world.one("SELECT state FROM txm.tx WHERE intent_id = :i", i=intent.id) == "failed_onchain"
        assert at.machine.rpc.nonce(at.keys[0]) == before, "the nonce is used"
        told = world.one(
            "SELECT count(*) FROM app.outbox WHERE type = 'intent.changed' AND payload->>'intent_id' = :i "
            "AND payload->>'error_code' = 'FaucetCapExceeded'",
            i=str(intent.id),
        )
        assert told >= 1, "whoever has to make up for it is told"


def signer_is_silent(world: World) -> None:
    """T17: a signing service does not answer; nothing is sent, no nonce is taken, somebody is told."""
    with desk(world) as at:
        at.sweep()
        [key] = at.keys
        before, real = at.nonce(), at.machine.keys
        secret = at.machine.keys._signers[key]
        assert isinstance(secret, LocalKey)
        service = Silent(secret)
        machine = opened(world.new_machine(), at.script, at.machine)
        at.machine = type(machine)(
            ctx=machine.ctx, db=machine.db, rpc=machine.rpc, keys=Keyring(real.chain_id, [service])
        )
        at.ask()
        at.sweep()
        assert (at.nonce(), at.states()) == (before, ["queued"])
        assert world.one("SELECT count(*) FROM txm.tx WHERE account = :a", a=key) == 0
        assert ("signer_failed", hex0x(key)) in at.alarms()
        service.answers = True
        at.carried()
        assert ("signer_failed", hex0x(key)) not in at.alarms()
        machine.rpc.close()
        machine.db.close()


def the_seventeenth_waits(world: World) -> None:
    """T18: a pool keeps sixteen of an account; the others wait here and are never refused."""
    with desk(world) as at:
        for _ in range(20):
            at.ask()
        for _ in range(20):
            prepare.prepare(at.machine)
        broadcast.broadcast(at.machine)
        assert at.states().count("sent") == 16
        at.carried()
        assert not at.script.pool.counts["txpool is full"]


def a_full_pool_loses_nothing(world: World) -> None:
    """T18: a pool with less room than that says so; its refusals are no verdict on the calls."""
    with desk(world) as at:
        at.script.pool.executable, at.script.pool.queued = 4, 0
        for _ in range(10):
            at.ask()
        for _ in range(10):
            prepare.prepare(at.machine)
        broadcast.broadcast(at.machine)
        assert at.script.pool.counts["txpool is full"] == 6
        at.carried()


def clock_goes_back(world: World) -> None:
    """T19: the clock jumps back an hour: nothing expires early, is bumped twice, or waits an hour to be sent again."""
    with desk(world) as at:
        at.later(3600)
        intent = at.ask(expires_at=expiring(world, 600))
        for _ in range(2):
            prepare.prepare(at.machine)
        broadcast.broadcast(at.machine)
        at.later(-3600)
        at.script.pool.forget()
        world.chain.rpc("anvil_dropAllTransactions")
        assert prepare.expire(at.machine) == 0
        assert replace.bump_stuck(at.machine) == 0
        assert broadcast.broadcast(at.machine) == 1, "a stamp from the future is long ago"
        assert len(at.attempts(intent)) == 1
        at.carried()


class Silent:
    """A signing service that is down until it is told otherwise."""

    def __init__(self, key: LocalKey) -> None:
        self._key = key
        self.answers = False

    @property
    def address(self) -> bytes:
        return self._key.address

    def sign(self, digest: bytes) -> bytes:
        if not self.answers:
            raise SignerUnavailable("timeout")
        return self._key.sign(digest)

    def derive(self, purpose: bytes) -> bytes:
        return self._key.derive(purpose)
