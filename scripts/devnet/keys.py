"""The accounts of the local chain, from the public test mnemonic every development chain uses.

Anyone can spend from these accounts, so they are refused wherever the chain is not the local one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from eth_account import Account

from scripts.devnet.config import LOCAL_CHAIN_ID
from scripts.devnet.errors import DevnetError

PUBLIC_TEST_MNEMONIC = "test test test test test test test test test test test junk"


@dataclass(frozen=True, slots=True)
class DevAccount:
    """An account anyone knows the key of."""

    address: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DevAccounts:
    """Who is who on the local chain."""

    deployer: DevAccount
    """Deploys, and hands out test USDC."""
    operator: DevAccount
    relayers: tuple[DevAccount, DevAccount]
    guardian: DevAccount
    """Guardian, admin and fee recipient."""
    buyer: DevAccount
    """The key a person imports into MetaMask."""
    tabula: DevAccount
    lexis: DevAccount
    """The two demo agents."""
    jurors: tuple[DevAccount, DevAccount, DevAccount]


@cache
def _derive(index: int) -> DevAccount:
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(PUBLIC_TEST_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return DevAccount(account.address, "0x" + account.key.hex().removeprefix("0x"))


def dev_accounts(chain_id: int) -> DevAccounts:
    """Return the development accounts. Raises DevnetError on any chain but the local one."""
    if chain_id != LOCAL_CHAIN_ID:
        raise DevnetError(
            f"The public development keys are refused on chain {chain_id}; "
            "set AICP_OPERATOR_KEY and AICP_RELAYER_KEYS to keys of your own."
        )
    return DevAccounts(
        deployer=_derive(0),
        operator=_derive(1),
        relayers=(_derive(2), _derive(3)),
        guardian=_derive(4),
        buyer=_derive(5),
        tabula=_derive(6),
        lexis=_derive(7),
        jurors=(_derive(10), _derive(11), _derive(12)),
    )


def extra_account(index: int) -> DevAccount:
    """Return a further account of the local chain, for tests that need strangers: 8 and 9 have ETH, later ones none."""
    return _derive(index)
