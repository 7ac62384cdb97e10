"""Kaggle's own client against a server on loopback that replies as Kaggle does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from benchmark.challenges.challenge import read_challenge
from benchmark.editions.edition import listed_ids, read_edition
from submission.leaderboard.columns import Wanted
from submission.leaderboard.writer import write_submission
from submissions import MADE_OF, sure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAUNCH = """
import sys
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = sys.argv.pop(1)
from pipelines.cli.main import main
main()
"""
"""The program, but for the port at which the client looks for a local Kaggle."""
RULES = "You must accept this competition's rules before you'll be able to submit."


class Kaggle(ThreadingHTTPServer):
    """Notes what it is asked; `refusal` is what it says to the first request."""

    refusal: str | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Replies)
        self.asked: list[tuple[str, bytes]] = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Replies(BaseHTTPRequestHandler):
    server: Kaggle

    def do_POST(self) -> None:
        body = self._body()
        if self.server.refusal is not None:
            self._say(403, {"code": 403, "message": self.server.refusal})
        elif self.path.endswith("StartSubmissionUpload"):
            self._say(200, {"createUrl": f"{self.server.address}/upload", "token": "t1"})
        else:
            assert b"t1" in body
            self._say(200, {"message": "Successfully submitted to MiGA", "ref": 1})

    def do_PUT(self) -> None:
        self._body()
        self._say(200, {})

    def _body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.path, data))
        return data

    def _say(self, code: int, reply: dict[str, Any]) -> None:
        data = json.dumps(reply).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def kaggle() -> Iterator[Kaggle]:
    with Kaggle() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    challenge = read_challenge("miga2025")
    ids = tuple(listed_ids(read_edition("imigue"), "test") or ())
    folder = tmp_path_factory.mktemp("k") / "mine"
    given = sure(ids, [0] * len(ids), challenge)
    write_submission(given, Wanted(ids), challenge, MADE_OF, folder)
    return folder / "prediction.csv"


def upload(file: Path, home: Path, kaggle: Kaggle, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if "KAGGLE" not in key}
    environment |= {"HOME": str(home), "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "NO_PROXY": "*"}
    environment |= more
    command = [
        sys.executable, "-c", LAUNCH, kaggle.address, "submit", "upload", str(file),
        "--edition", "miga2025", "--message", "first try", "--send",
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, check=False
    )


KEY = {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": "0" * 32}


def test_the_file_arrives_with_its_message_and_the_reply_is_shown(
    kaggle: Kaggle, file: Path, tmp_path: Path
) -> None:
    done = upload(file, tmp_path, kaggle, **KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Kaggle: Successfully submitted to MiGA" in done.stdout
    sent = dict(kaggle.asked)
    assert sent["/upload"] == file.read_bytes()
    last = json.loads(kaggle.asked[-1][1])
    assert last["competitionName"] == "the-3rd-mi-ga-ijcai-challenge-track-1"
    assert last["submissionDescription"] == "first try"


def test_the_reason_of_a_refusal_is_shown_as_the_server_says_it(
    kaggle: Kaggle, file: Path, tmp_path: Path
) -> None:
    kaggle.refusal = RULES
    done = upload(file, tmp_path, kaggle, **KEY)
    assert done.returncode == 2
    assert f"refused prediction.csv: {RULES}" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_key_nothing_is_sent_and_the_way_to_one_is_told(
    kaggle: Kaggle, file: Path, tmp_path: Path
) -> None:
    done = upload(file, tmp_path, kaggle)
    assert done.returncode == 2
    assert "Make a key on Kaggle's page" in done.stderr
    assert kaggle.asked == []
