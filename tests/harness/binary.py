"""The program under test."""

import os
import subprocess
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[2]


def path() -> Path:
    """`am-server`, from the environment variable AM_SERVER or as cargo left it in the workspace."""
    found = Path(os.environ.get("AM_SERVER") or WORKSPACE / "target/debug/am-server")
    if not found.is_file():
        raise FileNotFoundError(
            f"{found}: there is no such program; build it with `cargo build -p am-server`, or name it in AM_SERVER"
        )
    return found


def run(*arguments, check=True, timeout=60, **options) -> subprocess.CompletedProcess:
    """Runs one command of the program to its end."""
    command = [str(path()), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done
