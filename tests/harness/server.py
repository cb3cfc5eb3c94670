"""The running service."""

import os
import re
import signal
import subprocess
from pathlib import Path

from . import binary
from .client import Client
from .home import FAST, Home
from .mock import MockCloud
from .slice import Slice

# Peak memory of every server that ran, in kB, for the summary at the end.
peaks: list[tuple[str, int]] = []


class Server:
    """`am-server serve` over a folder. Started by the constructor; `stop` ends it.

    Keyword arguments are sections of the configuration, `mock` the settings of its driver; the pace is
    that of tests unless `pace=None`. Every server's log is looked through when it ends: there must be
    no panic in it, and nothing secret.
    """

    def __init__(self, home: Home, pace=FAST, launcher=(), log_to=None, **sections):
        self.home = home
        # Where the log goes instead of a file: a file descriptor.
        self.log_to = log_to
        # A command that starts the program in another environment: its own arguments, then the program's.
        self.launcher = list(launcher)
        self.process = None
        self.runs = 0
        # Names of slices that no test uses at the moment.
        self.free_names: list[str] = []
        self._names = 0
        home.clock_file.touch()
        home.wall_clock_file.touch()
        if pace:
            home.configure(**pace)
        if sections:
            home.configure(**sections)
        self.start()

    # Life

    def start(self):
        """Starts the process and waits until it accepts connections."""
        assert self.process is None, "it runs already"
        self.runs += 1
        self.log = self.home.folder / f"server-{self.runs}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(*self.launcher, binary.path(), "serve", "--config", self.home.config),
                    *("--clock-ahead", self.home.clock_file, "--wall-clock-ahead", self.home.wall_clock_file),
                ],
                stdout=subprocess.PIPE,
                stderr=log if self.log_to is None else self.log_to,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "AM_LOG": os.environ.get("AM_LOG", "debug,rustls=info,hyper=info")},
            )
        # Ends at once when the process does; a server that hangs at start is ended by the test run's own limit.
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"ready: (https://127\.0\.0\.1:(\d+))/am/3\.0\n", line)
        if not found:
            self.kill()
            raise AssertionError(f"the server did not start: {line!r}\n{self.log.read_text()}")
        self.base_url, self.port = found[1], int(found[2])

    def stop(self):
        """Asks it to end and waits for that."""
        if self.process is None:
            return
        self._note_peak()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self._gone()
        self.check_logs()
        assert code == 0, f"the server ended with {code}:\n{self.log.read_text()[-3000:]}"

    def kill(self):
        """Ends it without warning (SIGKILL), by its own process id."""
        if self.process is None:
            return
        self._note_peak()
        self.process.kill()
        self.process.wait(timeout=60)
        self._gone()

    def restart(self):
        """Killed and started again over the same files."""
        self.kill()
        self.start()

    def _gone(self):
        self.process.stdout.close()
        self.process = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def memory(self, line="VmHWM") -> int:
        """A line of /proc/<pid>/status, in kB: `VmHWM` is the peak, `VmRSS` what is used now."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except FileNotFoundError:
            return 0
        found = re.search(rf"^{line}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def _note_peak(self):
        name = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
        peaks.append((name, self.memory()))

    # Time

    def set_clock_ahead(self, seconds: int):
        """Time passes: from now on the server's clocks are this much ahead of the machine's."""
        self._set(self.home.clock_file, seconds)

    def set_wall_clock_wrong(self, seconds: int):
        """No time passes, but from now on the server's wall clock shows this much more than it should."""
        self._set(self.home.wall_clock_file, seconds)

    @staticmethod
    def _set(file, seconds):
        new = file.with_suffix(".new")
        new.write_text(str(int(seconds)))
        new.replace(file)

    # Callers

    def url(self, api=3, path=None) -> str:
        return self.base_url + (path if path is not None else f"/am/{api}.0")

    def client(self, user="alice", api=3, path=None, tls=None) -> Client:
        """A caller: a user of the folder, or any TLS context."""
        return Client(self.url(api, path), tls or self.home.tls(user))

    def slice(self, name=None, owner="alice", api=3, **credential) -> Slice:
        """A slice with a credential of its owner, and its owner as caller."""
        return Slice(self, name or self._fresh_name(), owner, api, **credential)

    def _fresh_name(self) -> str:
        """A slice name no test uses. Every server begins at the same names, so that credentials are minted once."""
        if self.free_names:
            return self.free_names.pop()
        self._names += 1
        return f"t{self._names}"

    @property
    def mock(self) -> MockCloud:
        return MockCloud(self.home.folder / "mock.sqlite")

    # What must never be in a log

    def check_logs(self):
        """No panic and no piece of a key or credential in any log of this server."""
        files = [it for it in self.home.folder.rglob("*") if it.suffix in (".pem", ".xml")]
        documents = [it.read_text() for it in files] + list(self.home._minted.values())
        secrets = "\n".join({piece for document in documents for piece in _pieces(document)})
        for run in range(1, self.runs + 1):
            log = (self.home.folder / f"server-{run}.log").read_text(errors="replace")
            assert "panicked" not in log, log[log.index("panicked") - 500 :][:3000]
            for word in {word[at : at + PIECE] for word in _pieces(log) for at in range(0, len(word) - PIECE + 1, 8)}:
                assert word not in secrets, f"a piece of a key, certificate or credential is in the log: {word}"


# So many characters of base64 in a row are no name or number that a log may hold.
PIECE = 36


def _pieces(document: str):
    """Runs of base64: lines of keys, certificates, digests and signatures."""
    return re.findall(rf"[A-Za-z0-9+/=]{{{PIECE},}}", document)
