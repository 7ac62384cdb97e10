"""Run one recipe of `mgbench run`'s makefile: output into a log, begin and end into the events.

Python starts it with -I -S, once per stage: it may import nothing but the standard library. Lines
of the events are `begin STAGE TIME` and `end STAGE CODE TIME`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(events: str, logs: str, *command: str) -> int:
    """Run `command`, whose last word is the stage; return its exit code."""
    stage = command[-1]
    # Ctrl-C reaches the command too, and this process waits for it to end.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    _say(events, "begin", stage)
    with (Path(logs) / f"{stage}.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
        code = child.wait()
    _say(events, "end", stage, str(code))
    return min(abs(code), 255)


def _say(events: str, *words: str) -> None:
    """Append a line in one system call, which keeps lines of other processes apart."""
    descriptor = os.open(events, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, " ".join([*words, f"{time.time():.2f}"]).encode() + b"\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
