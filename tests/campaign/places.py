"""Odd paths, locales, users, homes, permissions: it works there, or says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .commands import environment, run
from .lab import Lab
from .tries import Attempt, Campaign, Tried

NOBODY = 54321
"""A user without an entry in the password file."""
AS_NOBODY = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
"""Runs a command as that user, who owns what we own and has no power of root."""
QUICK = 60.0
"""Seconds within which a place is refused, if it is."""
COMMANDS = (
    ("mgbench", "sync"),
    ("dvc", "repro", "-s", "-f", "fuse@uniform"),
    (
        "mgbench",
        "submit",
        "write",
        "predictions/fusions/uniform/test.parquet",
        "--edition",
        "mimic",
        "--out",
        "made/s",
    ),
    ("mgbench", "data", "check", "mimic"),
    ("mgbench", "status"),
    ("mgbench", "doctor"),
)
PATHS = (
    "with space",
    "a%20b",
    "a%2Fb",
    "a%zzb",
    "a?b",
    "a#b",
    "a[x]b",
    "a'b",
    'a"b',
    "a;b",
    "a&b",
    "a$HOME",
    "a`b`",
    "é日本",
    "e\u0301",
    "trailing.",
    "-leading",
    "a:b",
    "a{x}b",
    "a\\b",
    "~",
    "a*b",
    "a,b=c",
    "x" * 200,
    "a\nb",
)


@dataclass(frozen=True)
class Place:
    """One odd place."""

    what: str
    folder: str = "project"
    variables: Mapping[str, str | None] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    prepare: Callable[[Path], None] | None = None
    prefix: tuple[str, ...] = ()
    """Program that runs the commands."""
    after: Callable[[Path], None] | None = None
    says: str = ""
    """What the messages must tell the user."""
    may_refuse: bool = False
    """Whether a message at once is as right as working."""
    needs: Callable[[], str] = lambda: ""
    """Says why this machine has no such place."""


def _read_only(root: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w", str(root)], check=True)


def _mount_read_only(root: Path) -> None:
    subprocess.run(["mount", "--bind", str(root), str(root)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(root)], check=True)


def _unmount(root: Path) -> None:
    subprocess.run(["umount", "-l", str(root)], check=True)


def _can_mount() -> str:
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "nothing can be mounted"


def _strangers(root: Path) -> None:
    subprocess.run(["chown", "-R", "12345", str(root)], check=True)


def _no_git(root: Path) -> None:
    shutil.rmtree(root / ".git")


def _can_be_nobody() -> str:
    probe = subprocess.run([*AS_NOBODY, "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "no other user can be taken"


def _has_locale(name: str) -> Callable[[], str]:
    def needs() -> str:
        try:
            known = subprocess.check_output(["locale", "-a"], text=True).split()
        except OSError:
            return "no command locale"
        return (
            ""
            if name.lower().replace("-", "") in {k.lower().replace("-", "") for k in known}
            else f"no {name}"
        )

    return needs


def _needs(program: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(program) else f"no {program}"


def _umask() -> None:
    os.umask(0o077)


def _home(value: str | None) -> dict[str, str | None]:
    return {"HOME": value, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None}


PLACES = (
    *(Place(f"folder {name[:30]!r}", folder=f"{name}/p", may_refuse=True) for name in PATHS),
    Place("locale C", variables={"LC_ALL": "C", "LANG": None}),
    Place(
        "locale POSIX without UTF-8",
        variables={"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Place("locale tr_TR", variables={"LC_ALL": "tr_TR.UTF-8"}, needs=_has_locale("tr_TR.utf8")),
    Place("locale de_DE", variables={"LC_ALL": "de_DE.UTF-8"}, needs=_has_locale("de_DE.utf8")),
    Place("a locale that does not exist", variables={"LC_ALL": "xx_YY.UTF-8"}),
    Place(
        "PYTHONUTF8=0 in C and a folder of other letters",
        folder="é日本/p",
        variables={"LC_ALL": "C", "PYTHONUTF8": "0"},
    ),
    Place("time zone Kiritimati", variables={"TZ": "Pacific/Kiritimati"}),
    Place("time zone of nonsense", variables={"TZ": "Mars/Base"}),
    Place("umask 077", before=_umask),
    Place("HOME unset", variables=_home(None)),
    Place("HOME missing", variables=_home("/nowhere/at/all")),
    Place("HOME is a file", variables=_home("/dev/null"), may_refuse=True),
    Place("USER and LOGNAME unset", variables={"USER": None, "LOGNAME": None}),
    Place(
        "a user without an entry",
        variables=_home("/nowhere/at/all") | {"USER": None, "LOGNAME": None},
        prefix=AS_NOBODY,
        needs=_can_be_nobody,
    ),
    Place(
        "another user's project",
        variables=_home("/nowhere/at/all"),
        prefix=AS_NOBODY,
        prepare=_strangers,
        needs=_can_be_nobody,
        may_refuse=True,
    ),
    Place(
        "a project without the right to write",
        prefix=AS_NOBODY,
        prepare=_read_only,
        variables=_home("/nowhere/at/all"),
        needs=_can_be_nobody,
        may_refuse=True,
    ),
    Place(
        "a read-only file system",
        prepare=_mount_read_only,
        after=_unmount,
        needs=_can_mount,
        may_refuse=True,
    ),
    Place("no .git", prepare=_no_git, may_refuse=True, says="git init"),
    Place("no program git", variables={"PATH": "NO-GIT"}, may_refuse=True),
    Place("TMPDIR missing", variables={"TMPDIR": "/nowhere/at/all"}),
    Place("a clock set back by a year", prefix=("faketime", "-1y"), needs=_needs("faketime")),
)


def start(lab: Lab) -> Attempt:
    """Take the places in turn."""
    return lambda seed: _visit(lab, PLACES[seed % len(PLACES)])


def _visit(lab: Lab, place: Place) -> Tried:
    if reason := place.needs():
        return Tried(f"{place.what}: skipped, {reason}")
    base = lab.work / "place"
    if base.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(base)], check=False)
        shutil.rmtree(base)
    root = lab.copy(Path("place") / place.folder, cache=True)
    shutil.rmtree(root / "mlruns")
    if place.prepare:
        place.prepare(root)
    variables = environment(root, _path_without_git(place.variables, lab))
    try:
        faults = _faults(place, root, variables)
    finally:
        if place.after:
            place.after(root)
    top = place.folder.split("/")[0]
    strange = [path.name for path in base.iterdir() if path.name != top]
    if root.parent != base:
        strange += [path.name for path in root.parent.iterdir() if path.name != root.name]
    if strange:
        faults.append(f"written outside of the project: {strange}")
    return Tried(place.what, "\n".join(faults))


def _faults(place: Place, root: Path, variables: Mapping[str, str]) -> list[str]:
    """Run the commands and return what is wrong with their ends."""
    faults, said = [], ""
    for command in COMMANDS:
        done = run(
            root, *place.prefix, *command, variables=variables, before=place.before, timeout=150
        )
        name, said = " ".join(command[:3]), said + done.out
        if done.fault:
            faults.append(f"{name}: {done.fault}")
        elif done.rc and command[1] != "doctor" and not (place.may_refuse and done.seconds < QUICK):
            faults.append(f"{name}: exit code {done.rc}\n{done.out[-800:]}")
        elif done.rc and not any(word in done.out for word in ("Error", "ERROR", "fault", "error")):
            faults.append(f"{name}: no message, exit code {done.rc}\n{done.out[-300:]}")
    if place.says not in said:
        faults.append(f"nothing says '{place.says}'")
    return faults


def _path_without_git(variables: Mapping[str, str | None], lab: Lab) -> dict[str, str | None]:
    """Turn the path NO-GIT into a folder of links to every program but git."""
    if variables.get("PATH") != "NO-GIT":
        return dict(variables)
    folder = lab.work / "programs"
    folder.mkdir(exist_ok=True)
    first, *others = environment(lab.finished)["PATH"].split(":")
    for part in reversed([part for part in others if part != first]):
        for program in Path(part).iterdir() if Path(part).is_dir() else ():
            link = folder / program.name
            if not program.name.startswith("git"):
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    # The environment's own programs stay: links to its Python would not find its packages.
    return {"PATH": f"{first}:{folder}"}


CAMPAIGNS = (
    Campaign("places", "odd folders, locales, users, homes, permissions", len(PLACES), 14, start),
)
