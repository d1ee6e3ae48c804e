"""The content policies allow nothing inline that they do not name by hash."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from backend.api import docs
from backend.api.headers import content_policy
from backend.settings import Settings


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split(";"))}


def test_the_page_runs_no_inline_script_and_takes_no_inline_style(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        database_url="postgresql:///none",
        redis_url="",
        rpc_urls=["http://127.0.0.1:8545"],
        chain_id=31337,
        deployment=tmp_path / "none.json",
        operator_key="0x" + "11" * 32,
        relayer_keys=[],
        frontend_dist=tmp_path,
    )
    found = directives(content_policy(settings))
    assert found["script-src"] == found["style-src"] == ["'self'"]
    assert found["default-src"] == ["'none'"]
    assert not any("unsafe" in value for values in found.values() for value in values)


def test_the_policy_of_the_api_page_names_its_own_style_sheet() -> None:
    page = docs.render({"info": {"title": "t"}, "paths": {}, "components": {"schemas": {}}})
    [style] = re.findall(r"<style>(.*?)</style>", page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert directives(docs.POLICY)["style-src"] == [f"'sha256-{digest}'"]
    assert "style=" not in page
