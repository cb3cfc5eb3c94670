"""A folder made by `am-server init`: configuration, certificates, credentials."""

import shutil
import ssl
import tomllib
from pathlib import Path

from . import binary, toml

# The pretended cloud and the reconciler at a pace for tests.
FAST = {
    "reconcile": {"busy_seconds": 0.03, "full_seconds": 1.0},
    "mock": {"lifecycle": {"create_ms": 60, "start_ms": 40, "stop_ms": 40, "reboot_ms": 40}},
}


class Home:
    """One folder, and what is done with it without a running server."""

    def __init__(self, folder: Path, authority: str = "am.test.example", like: "Home | None" = None):
        """Makes the folder, or copies one that was made before: making keys takes a while.

        Credentials minted in one copy are good in all of them, and are shared.
        """
        self.folder = folder
        self.authority = authority
        self._minted: dict[tuple, str] = {}
        # The folder whose slice certificates stand for the slices of all copies: a slice is known by its certificate.
        self.minting = self
        if like:
            self._minted = like._minted
            self.minting = like.minting
            shutil.copytree(like.folder, folder, dirs_exist_ok=True)
        else:
            binary.run("init", "--dir", folder, "--authority", authority, "--listen", "127.0.0.1:0")

    def __repr__(self):
        return f"Home({self.folder})"

    @property
    def config(self) -> Path:
        return self.folder / "am.toml"

    @property
    def root(self) -> Path:
        """The development authority's certificate."""
        return self.folder / "trusted_roots" / "development.pem"

    @property
    def clock_file(self) -> Path:
        """Holds by how many seconds the server's clocks are ahead."""
        return self.folder / "clock"

    @property
    def wall_clock_file(self) -> Path:
        """Holds by how many seconds more the server's wall clock is ahead."""
        return self.folder / "wall-clock"

    def user(self, name: str) -> Path:
        return self.folder / "users" / name

    def user_urn(self, name: str) -> str:
        return f"urn:publicid:IDN+{self.authority}+user+{name}"

    def slice_urn(self, name: str) -> str:
        return f"urn:publicid:IDN+{self.authority}+slice+{name}"

    @property
    def urn(self) -> str:
        """The aggregate's own URN."""
        return f"urn:publicid:IDN+{self.authority}+authority+am"

    def configure(self, mock=None, **sections):
        """Changes the configuration: members of sections, and of the first driver as `mock`.

        A member that is a table is changed member by member; anything else is replaced.
        """
        settings = tomllib.loads(self.config.read_text())
        _merge(settings, sections)
        if mock:
            _merge(settings["drivers"][0], mock)
        self.config.write_text(toml.dumps(settings))

    def over_deltacloud(self, url: str):
        """Makes a client of the Deltacloud server at `url` the only driver."""
        (self.folder / "cloud-password").write_text("mockpassword\n")
        settings = {
            "name": "dc",
            "kind": "deltacloud",
            "url": url,
            "user": "mockuser",
            "password_file": "cloud-password",
            "timeout": 10.0,
        }
        self.configure(
            drivers=[settings], sliver_types={"default-vm": "m1-small"}, reconcile=FAST["reconcile"]
        )

    def drivers(self) -> list[dict]:
        """The `[[drivers]]` entries of the configuration."""
        return tomllib.loads(self.config.read_text())["drivers"]

    def user_credential(self, user: str) -> str:
        return (self.user(user) / "user-cred.xml").read_text()

    def slice_credential(self, slice_name: str, owner: str = "alice", days: int = 30) -> str:
        """A credential over a slice, minted by the folder's authority."""
        key = (slice_name, owner, days)
        if key not in self._minted:
            command = ["credential", "slice", "--dir", self.minting.folder, "--slice", slice_name]
            minted = binary.run(*command, "--owner", owner, "--days", days).stdout.strip()
            self._minted[key] = minted
        return self._minted[key]

    def delegate(self, credential: str, giver: str, taker: str, privileges=None, days=None) -> str:
        """A credential handed on from one user to another."""
        file = self.folder / "to-delegate.xml"
        file.write_text(credential)
        command = ["credential", "delegate", "--dir", self.folder, "--credential", file]
        command += ["--from", giver, "--to", taker]
        if privileges is not None:
            command += ["--privileges", ",".join(privileges)]
        if days is not None:
            command += ["--days", days]
        return binary.run(*command).stdout.strip()

    def tls(self, user="alice", certificate=None, key=None) -> ssl.SSLContext:
        """A client's TLS: trusts the development authority, checks the server's name, shows a certificate.

        `user=None` shows none.
        """
        context = ssl.create_default_context(cafile=str(self.root))
        if certificate is not None:
            context.load_cert_chain(str(certificate), str(key))
        elif user is not None:
            context.load_cert_chain(str(self.user(user) / "cert.pem"), str(self.user(user) / "key.pem"))
        return context


def _merge(into: dict, changes: dict):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
