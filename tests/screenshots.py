"""`make screenshots`: the README's pictures, of Model Ops inside Airflow over the ledger of
TOLLGATE_HOME.

The ledger is copied into a scratch home with users of its own: nothing of the home is touched, and
it may be up.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.ops.facts import Facts
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.browser import Browser, browser, chromium
from tests.plugins.api_server import api_server
from tests.ports import free_ports

PICTURES = CHECKOUT / "docs" / "pictures"
COLOURS = 128
"""A page has few colours: so many make a picture a third as large, and nobody sees the
difference.
"""


def main() -> int:
    """Make the pictures; exit code 1 where something that they need is missing."""
    settings = Settings.from_environment()
    ledger = Path(settings.ledger.removeprefix("sqlite:///"))
    if chromium() is None or not ledger.is_file():
        print(
            f"needs Chromium (apt install chromium) and a ledger at {ledger} (make demo)",
            file=sys.stderr,
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="screenshots-") as scratch:
        copy = Settings.build(
            home=scratch, airflow_port=free_ports(1)[0], use_case=settings.use_case
        )
        with (
            closing(sqlite3.connect(ledger)) as source,
            closing(sqlite3.connect(f"{scratch}/ledger.sqlite")) as target,
        ):
            source.backup(target)
        shutil.copytree(settings.home / "releases", copy.home / "releases", dirs_exist_ok=True)
        facts = Facts(Run(copy, load(copy.use_case)))
        with api_server(copy) as url, browser() as tab:
            answer = httpx.post(f"{url}/auth/token", json={"username": "ada", "password": "ada"})
            tab.cookie(url, "_token", answer.json()["access_token"])
            _pictures(tab, url, facts)
    return 0


def _pictures(tab: Browser, url: str, facts: Facts) -> None:
    tab.look(1180, 760)
    tab.open(f"{url}/plugin/model-ops")
    _await_frame(tab)
    _keep("now", tab.picture())
    tab.open(f"{url}/ops/scorecard")
    _keep("scorecard", tab.picture())
    tab.look(390, 760, dark=True)
    tab.open(f"{url}/ops/days/{facts.newest}")
    _keep("day-phone", tab.picture())


def _await_frame(tab: Browser) -> None:
    """Airflow's own page loads ours into a frame; its scripts take a moment."""
    ours = (
        "document.querySelector('iframe')?.contentDocument?.querySelector('h1')?.textContent ?? ''"
    )
    deadline = time.monotonic() + 30
    while not tab.ask(ours):
        assert time.monotonic() < deadline, "Airflow did not show the page"
        time.sleep(0.2)
    time.sleep(0.5)


def _keep(name: str, png: bytes) -> None:
    from PIL import Image

    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"{path.relative_to(CHECKOUT)}  {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    sys.exit(main())
