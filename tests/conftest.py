"""Fixtures of the end-to-end tests; what they are made of is in `harness`."""

import pytest

pytest.register_assert_rewrite("harness")

from harness import Home, Server  # noqa: E402
from harness import server as servers  # noqa: E402


@pytest.fixture(scope="session")
def new_home(tmp_path_factory):
    """Makes folders as `am-server init` does; all have the same authority and users."""
    first = Home(tmp_path_factory.mktemp("init"))
    return lambda: Home(tmp_path_factory.mktemp("home"), like=first)


@pytest.fixture(scope="module")
def server(new_home):
    """A running server that the tests of one module share: each works on slices of its own."""
    server = Server(new_home())
    yield server
    try:
        server.stop()
    finally:
        server.kill()


@pytest.fixture
def start_server(new_home):
    """Starts servers of a test's own: `start_server(mock={…}, policy={…})`; `home=` takes an existing folder."""
    started = []

    def start(home=None, **sections):
        server = Server(home or new_home(), **sections)
        started.append(server)
        return server

    yield start
    for server in started:
        try:
            server.stop()
        finally:
            server.kill()


@pytest.fixture
def new_slice(server):
    """Makes slices on the shared server and deletes what is in them afterwards."""
    made = []

    def new(**options):
        made.append(server.slice(**options))
        return made[-1]

    yield new
    for slice in made:
        slice.delete()
        # A name that a test has shut down is spent.
        if slice.describe().code == 0:
            server.free_names.append(slice.name)


@pytest.fixture
def slice(new_slice):
    """One slice of alice's."""
    return new_slice()


# Where several processes share the tests (`-n`), each hands the peaks of its servers to the one that reports.


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["peaks"] = servers.peaks


def pytest_testnodedown(node):
    servers.peaks.extend(tuple(entry) for entry in getattr(node, "workeroutput", {}).get("peaks", []))


def pytest_terminal_summary(terminalreporter):
    if servers.peaks:
        name, peak = max(servers.peaks, key=lambda entry: entry[1])
        terminalreporter.write_sep("-", "memory")
        terminalreporter.write_line(
            f"{len(servers.peaks)} runs of the server; the largest used {peak / 1024:.1f} MiB at its peak ({name})"
        )
