"""Upload files through Kaggle's client; no other module imports it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from benchmark.core.errors import MissingExtra, SubmissionError


def upload(file: Path, competition: str, message: str) -> str:
    """Send `file` to a competition and return the server's reply.

    The client takes the user's key from its own places: ~/.kaggle or the environment.

    Raises:
        MissingExtra: The client is not installed.
        SubmissionError: There is no key, or the server refuses; its reason is in the message.
    """
    api = _client()
    where = f"Kaggle, {competition}"
    printed = io.StringIO()
    try:
        # The client prints faults of the transfer instead of raising them.
        with redirect_stdout(printed):
            reply = api.competition_submit(str(file), message, competition, quiet=True)
    except Exception as error:  # the client raises its own errors and those of requests
        raise SubmissionError(where, f"refused {file.name}: {_reason(error)}") from error
    if reply.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
        reason = " ".join(printed.getvalue().split()) or reply.message
        raise SubmissionError(where, f"{file.name} did not arrive: {reason}", do="Try again")
    return reply.message


def _client() -> Any:
    """Return Kaggle's client, authenticated; it has no types."""
    key = "Make a key on Kaggle's page of your account and put it into ~/.kaggle/kaggle.json"
    printed = io.StringIO()
    try:
        # Importing the package already asks for the key, and exits the program without one.
        with redirect_stdout(printed):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
    except ImportError:
        raise MissingExtra(
            "Kaggle's client", "not installed", do="Install it: make extras"
        ) from None
    except (SystemExit, OSError, ValueError) as error:
        reason = printed.getvalue().strip().splitlines()[:1] or [str(error)]
        raise SubmissionError("Kaggle's client", f"no key: {reason[0]}", do=key) from None
    return api


def _reason(error: Exception) -> str:
    """Read the server's reason from the body of its reply, or take the client's own words."""
    response: Any = getattr(error, "response", None)
    try:
        return str(response.json()["message"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return str(error)
