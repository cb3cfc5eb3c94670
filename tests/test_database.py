"""The database file and the service: what happens to the one while the other runs, and what health says of it."""

import re
import resource
import signal
import sqlite3
import time

import pytest

from harness import binary, poll, rspec
from harness.codes import DBERROR
from test_monitoring import METRICS, Monitor


@pytest.fixture
def watched(start_server):
    """A server with its monitor."""
    server = start_server(metrics=METRICS)
    return server, Monitor(server)


def database(server):
    return server.home.folder / "am.sqlite"


def tamper(server, sql, *parameters):
    """Changes the database behind the service's back, conditions or not."""
    other = sqlite3.connect(database(server), timeout=20)
    try:
        with other:
            other.execute("PRAGMA ignore_check_constraints = ON")
            assert other.execute(sql, parameters).rowcount > 0
    finally:
        other.close()


def ended(server) -> tuple[int, str]:
    """Exit status and log of a server that ends by itself."""
    code = server.process.wait(timeout=60)
    server._gone()
    return code, server.log.read_text()


@pytest.mark.parametrize("what", ["am.sqlite", "am.sqlite-wal"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_gone_ends_the_service(start_server, what, how):
    server = start_server()
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    file = server.home.folder / what
    away = server.home.folder / "away"
    file.rename(away)
    if how == "replaced":
        file.write_bytes(away.read_bytes())
    # What is asked for between the loss and the end is not acknowledged.
    try:
        assert slice.allocate(rspec.nodes("b")).code == DBERROR
    except OSError:
        pass
    code, log = ended(server)
    assert code == 1
    last = log.strip().splitlines()[-1]
    assert last.startswith("am-server: the service ended:") and what in last and how in last
    assert "panicked" not in log


def test_what_was_acknowledged_is_in_the_file_that_was_moved_away(start_server):
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes("a"))
    before = slice.state()
    away = server.home.folder / "away"
    database(server).rename(away)
    assert ended(server)[0] == 1
    away.rename(database(server))
    server.start()
    assert slice.reconnect().state() == before


def test_the_end_of_the_service_is_told_by_its_exit_status(start_server):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = start_server()
        server.process.send_signal(number)
        code, log = ended(server)
        assert code == 0
        assert " ERROR " not in log and "ended" not in log, log[-2000:]


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_two_services_never_share_a_file(start_server, new_home, link):
    server = start_server()
    other = new_home()
    name = other.folder / "am.sqlite"
    if link == "symbolic":
        name.symlink_to(database(server))
    else:
        name.hardlink_to(database(server))
    done = binary.run("serve", "--config", other.config, check=False)
    assert done.returncode == 1 and "in use" in done.stderr
    server.slice().allocate(rspec.nodes("a")).ok()


def test_a_limit_on_files_is_a_full_disk_and_no_crash(watched):
    server, monitor = watched
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    assert monitor.get("/health")[0] == 200
    log = server.home.folder / "am.sqlite-wal"
    # The log may grow by a little only: calls use that up.
    unlimited = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    limit = max(log.stat().st_size, database(server).stat().st_size, server.log.stat().st_size) + (1 << 16)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    names = (f"n{number}" for number in range(10_000))
    kept = ["a"]

    def refused():
        batch = [next(names) for _ in range(20)]
        answer = slice.allocate(rspec.nodes(*batch))
        if answer.code == 0:
            kept.extend(batch)
        return answer.code not in (0, 6) and answer

    try:
        assert poll.until(refused, "a refusal").code == DBERROR
        status, _, text = monitor.get("/health")
        assert status == 503 and "commit" in text and "sqlite" not in text
        assert monitor.values()["am_database_commits_failed_total",] >= 1
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)
    poll.until(lambda: monitor.get("/health")[0] == 200, "health")
    assert set(slice.manifest().nodes) == set(kept), "whole calls or nothing"
    slice.delete().ok()


@pytest.mark.parametrize("change", ["configuration = '{}'", "creator = 'nobody'"])
def test_an_unreadable_row_stops_its_slice_alone(watched, change):
    server, monitor = watched
    broken, whole = (server.slice().provisioned(rspec.nodes("a")) for _ in range(2))
    machines = {it.id for it in server.mock.instances()}
    assert len(machines) == 2
    (sliver,) = broken.slivers()
    server.kill()
    tamper(server, f"UPDATE slivers SET {change} WHERE urn = ?", sliver)
    server.start()
    monitor = Monitor(server)
    broken.reconnect().status().refused(DBERROR, "cannot be read")
    broken.delete().refused(DBERROR)
    status, _, text = monitor.get("/health")
    assert status == 503 and "row" in text and sliver not in text
    assert monitor.values()["am_database_unreadable_rows",] == 1
    assert sliver in server.log.read_text()
    # Others go on, and so does the reconciler.
    whole.reconnect().delete().ok()
    more = server.slice().provisioned(rspec.nodes("b"))
    poll.until(lambda: len(server.mock.instances()) == 2, "the other machine going")
    # The machine is the broken sliver's: comparisons leave it alone.
    rounds = lambda: monitor.values()["am_driver_requests_total", "instances/index", "lab", "ok"]
    before = rounds()
    poll.until(lambda: rounds() >= before + 3, "comparisons")
    assert len(machines & {it.id for it in server.mock.instances()}) == 1
    more.delete().ok()
    # An operator who takes the row out is told so: its machine is nobody's then.
    tamper(server, "DELETE FROM slivers WHERE urn = ?", sliver)
    poll.until(lambda: monitor.get("/health")[0] == 200, "health")
    poll.until(lambda: not server.mock.instances(), "the machine going")


def test_an_unreadable_tombstone_stops_no_other(watched):
    server, _ = watched
    slice = server.slice().provisioned(rspec.nodes("a", "b"))
    first, second = sorted(slice.slivers())
    # While no driver works nothing is cleared away: both tombstones are there after a restart.
    server.kill()
    other = sqlite3.connect(database(server))
    with other:
        other.execute(
            "INSERT INTO departed SELECT key, urn, (SELECT urn FROM slices), resource, created, creator, ?, 'deleted', "
            "configuration, instance FROM slivers",
            (int(time.time()),),
        )
        other.execute("DELETE FROM slivers")
        other.execute("DELETE FROM frames")
        other.execute("DELETE FROM slices")
        other.execute("UPDATE departed SET instance = '[]' WHERE urn = ?", (first,))
    other.close()
    server.start()
    left = lambda: {it.name.rsplit("-", 1)[1] for it in server.mock.instances()}
    poll.until(lambda: second.rsplit("+", 1)[1] not in left(), "the readable one being cleared away")
    # The other one's machine belongs to no sliver.
    poll.until(lambda: not left(), "the machine going")
    log = re.sub(r"\x1b\[[0-9;]*m", "", server.log.read_text())
    assert re.search(r"cannot be read.*departed", log) or first in log


def test_a_damaged_file_is_refused_at_start_and_told_while_running(watched):
    server, monitor = watched
    slice = server.slice()
    for n in range(5):
        slice.allocate(rspec.nodes(*(f"n{n}-{m}" for m in range(8)))).ok()
    server.stop()
    whole = database(server).read_bytes()
    server.start()
    monitor = Monitor(server)
    assert monitor.get("/health")[0] == 200
    with database(server).open("r+b") as file:
        file.seek(4096)
        file.write(b"\x5a" * (len(whole) - 4096))
    poll.until(lambda: monitor.get("/health")[0] == 503, "health")
    server.kill()
    done = binary.run("serve", "--config", server.home.config, check=False)
    assert done.returncode == 1 and "aggregate.database" in done.stderr
    assert re.search("damaged|malformed", done.stderr), done.stderr
    for file in server.home.folder.glob("am.sqlite-*"):
        file.unlink()
    database(server).write_bytes(whole)
    server.start()
    assert len(slice.reconnect().slivers()) == 40
