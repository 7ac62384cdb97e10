"""A page in headless Chromium: what a script that runs in it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
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
ANSWER = """<script>(async () => {{
const said = await (async () => {{ {} }})();
await fetch("/", {{method: "POST", body: JSON.stringify({{said, faults}})}});
}})().catch(error =>
  fetch("/", {{method: "POST", body: JSON.stringify({{faults: [String(error)]}})}}));
</script>"""
SECONDS = 60


class Page(ThreadingHTTPServer):
    """Serves one page on loopback and takes what its script says."""

    def __init__(self, text: str) -> None:
        super().__init__(("127.0.0.1", 0), GroundTruth)
        self.text = text
        self.told: Queue[Any] = Queue()


class GroundTruth(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        found = self.path == "/"
        self.send_response(200 if found else 204)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if found:
            self.wfile.write(self.server.text.encode())

    def do_POST(self) -> None:
        self.server.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def ask(page: Path, script: str, folder: Path, *, width: int = 1200) -> Any:
    """What `script`, the body of an async function, returns when it runs at the end of `page`.

    Errors of the page, of its files and of its console fail the test.
    """
    assert CHROMIUM is not None
    text = page.read_text("utf-8").replace("<head>", "<head>" + ERRORS, 1)
    body, end, rest = text.rpartition("</body>")  # a script may hold others
    text = body + ANSWER.format(script) + end + rest
    with Page(text) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
            "--autoplay-policy=no-user-gesture-required", f"--window-size={width},900",
            f"--user-data-dir={folder / 'profile'}", f"http://127.0.0.1:{server.server_port}/",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            try:
                told = server.told.get(timeout=SECONDS)
            finally:
                run.kill()
                server.shutdown()
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
