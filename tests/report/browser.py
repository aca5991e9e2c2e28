"""Opening a page in a headless Chromium: did its images load, what did it fetch?"""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import NamedTuple

from plp.report.page import POLICY

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
)  # fmt: skip
WRITTEN = escape(POLICY)
# What looks at the page from within; the report's own policy lets no script run.
LOOK = """<script>
const blocked = [];
document.addEventListener('securitypolicyviolation', one => blocked.push(one.blockedURI));
window.addEventListener('load', () => {
  const widths = [...document.images].map(image => image.naturalWidth);
  const wide = document.documentElement.scrollWidth > window.innerWidth;
  const told = document.createElement('pre');
  told.id = 'found';
  told.textContent = JSON.stringify({widths, blocked, wide});
  document.body.append(told);
});
</script>"""


class Opened(NamedTuple):
    """What happened to a page.

    Attributes:
        widths: Of its images, as decoded; 0 for one that did not load.
        blocked: What its policy kept from loading.
        wide: Whether the page as a whole must be scrolled sideways.
        fetched: Addresses that the page asked the network for.
    """

    widths: list[int]
    blocked: list[str]
    wide: bool
    fetched: list[str]


def find_browser() -> str | None:
    """Return a Chromium, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def open_page(browser: str, text: str, folder: Path) -> Opened:
    """Open a copy of a page whose policy lets the script above run, and nothing else more."""
    text = text.replace(WRITTEN, WRITTEN + escape("; script-src 'unsafe-inline'"))
    page, log = folder / "page.html", folder / "net.json"
    page.write_text(text.replace("<style>", f"{LOOK}<style>", 1), encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    ended = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=100, check=True
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert found, ended.stdout[-500:] + ended.stderr[-2000:]
    return Opened(**json.loads(unescape(found[1])), fetched=fetched(log))


def fetched(log: Path) -> list[str]:
    """Return the addresses asked for by pages, not by the browser itself."""
    content = json.loads(log.read_text(encoding="utf-8"))
    starts = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [event["params"] for event in content["events"]
             if event["type"] == starts and "url" in event.get("params", {})]  # fmt: skip
    return [one["url"] for one in asked if one.get("initiator") != "not an origin"]
