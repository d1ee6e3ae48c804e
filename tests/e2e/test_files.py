"""A stored file with scripts, opened in the browser, cannot run on the app's origin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page

from scripts.devnet.session import Devnet
from tests.e2e import pages
from tests.e2e.wallet import Wallet

EVIL = b"<!doctype html><title>evil</title><script>localStorage.setItem('owned', 'yes'); opener?.owned?.()</script>"
EVIL_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>localStorage.setItem('owned', 'yes')</script></svg>"


@pytest.mark.parametrize(("name", "body"), [("report.html", EVIL), ("chart.svg", EVIL_SVG)])
def test_scripts_in_files_never_run(
    devnet: Devnet, wallet: Wallet, open_page: Callable[..., Page], name: str, body: bytes
) -> None:
    page = open_page(wallet)
    pages.sign_in(page)
    form = {"file": {"name": name, "mimeType": "text/html", "buffer": body}}
    stored = page.request.post("/api/v1/files", multipart=form, headers={"Origin": devnet.url})
    if stored.status == 415:
        return  # refused at the door: there is nothing to open
    assert stored.ok, stored.text()
    path = f"/api/v1/files/0x{hashlib.sha256(body).hexdigest()}"

    # opened directly, the browser downloads it instead of showing it
    with page.expect_download() as download, pytest.raises(Error, match=r"Download is starting|ERR_ABORTED"):
        page.goto(path)
    assert download.value.suggested_filename == name

    # framed into a page of the app, it does not run either
    page.goto("/")
    page.evaluate(
        "path => new Promise(done => { const frame = document.createElement('iframe'); frame.src = path;"
        " frame.onload = frame.onerror = done; document.body.append(frame); setTimeout(done, 1500) })",
        path,
    )
    assert page.evaluate("localStorage.getItem('owned')") is None
    answer = page.request.get(path)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
