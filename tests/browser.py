"""A page in headless Chromium: what a script that runs in it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ERRORS = """<script>
window.faults = [];
addEventListener("error", event => faults.push(String(event.message || event.target.src)), true);
addEventListener("unhandledrejection", event => faults.push(String(event.reason)));
const told = console.error;
console.error = (...words) => { faults.push(words.join(" ")); told(...words); };
</script>"""
ANSWER = "<script>(async () => {{ const said = await (async () => {{ {} }})(); document.title = \
JSON.stringify({{said, faults: window.faults}}); }})();</script>"


def ask(page: Path, script: str, folder: Path, *, width: int = 1200) -> Any:
    """What `script`, the body of an async function, returns when it runs at the end of `page`.

    Errors of the page, of its files and of its console fail the test.
    """
    assert CHROMIUM is not None
    text = page.read_text("utf-8")
    text = text.replace("<head>", "<head>" + ERRORS, 1)
    text = text.replace("</body>", ANSWER.format(script) + "</body>", 1)
    (folder / "page.html").write_text(text, "utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        "--autoplay-policy=no-user-gesture-required", "--virtual-time-budget=20000",
        f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}",
        (folder / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    told = json.loads(unescape(title))
    assert told["faults"] == []
    return told["said"]


def text_of(url: str, folder: Path, *, wait: int) -> str:
    """What a person reads at `url` after the page had `wait` seconds to draw itself."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        f"--virtual-time-budget={1000 * wait}", "--window-size=1600,1000",
        f"--user-data-dir={folder / 'profile'}", url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", done.stdout, flags=re.S)
    return unescape(re.sub(r"<[^>]+>", " ", page))
