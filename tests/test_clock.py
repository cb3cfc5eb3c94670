"""A wall clock that is wrong destroys nothing."""

import re
import signal

from harness import poll, rspec
from harness.codes import FORBIDDEN, SEARCHFAILED
from test_monitoring import METRICS, Monitor

DAY = 24 * 3600


def test_a_clock_that_is_wrong_for_a_while_expires_nothing(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    slice = server.slice().provisioned(rspec.nodes("a"))
    waiting = server.slice()
    waiting.allocate(rspec.nodes("b")).ok()
    before = slice.state(), waiting.state()
    rounds = lambda: monitor.values()["am_reconciler_rounds_total",]
    for wrong in (8 * DAY, -8 * DAY):
        server.set_wall_clock_wrong(wrong)
        status, _, text = monitor.get("/health")
        assert status == 503 and "clock" in text and "held back" in text
        assert abs(monitor.values()["am_clock_jump_seconds",] - wrong) <= 2
        seen = rounds()
        # Calls that change something would drop what has expired.
        slice.action("geni_restart").ok()
        slice.wait("geni_ready")
        poll.until(lambda: rounds() > seen + 2, "rounds of the reconciler")
        assert (slice.state(), waiting.state()) == before
        # What is promised meanwhile is promised by the time that is believed.
        new = server.slice()
        new.allocate(rspec.nodes("c")).ok()
        assert len(new.slivers()) == 1
        server.set_wall_clock_wrong(0)
        assert monitor.get("/health")[0] == 200
        assert monitor.values()["am_clock_jump_seconds",] == 0
        assert len(new.slivers()) == 1
        new.delete().ok()
    assert (slice.state(), waiting.state()) == before
    assert len(server.mock.instances()) == 1
    log = re.sub(r"\x1b\[[0-9;]*m", "", server.log.read_text())
    assert len(re.findall("the wall clock jumped", log)) == 2 == len(re.findall("the wall clock came back", log))


def test_time_that_passes_by_both_clocks_goes_on_during_a_jump(start_server):
    server = start_server()
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    server.set_wall_clock_wrong(8 * DAY)
    assert len(slice.slivers()) == 1
    server.set_clock_ahead(11 * 60)
    poll.until(lambda: not slice.slivers(), "the expiry")


def test_an_operator_confirms_the_clock(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    slice = server.slice().provisioned(rspec.nodes("a"))
    server.set_wall_clock_wrong(8 * DAY)
    assert monitor.get("/health")[0] == 503
    server.process.send_signal(signal.SIGUSR1)
    poll.until(lambda: not server.mock.instances(), "the machine going")
    slice.status().refused(SEARCHFAILED)
    assert monitor.get("/health")[0] == 200
    assert "an operator confirmed the wall clock" in server.log.read_text()


def test_a_jump_that_has_lasted_is_believed(start_server):
    server = start_server(policy={"clock_jump_minutes": 30})
    slice = server.slice().provisioned(rspec.nodes("a"))
    server.set_wall_clock_wrong(8 * DAY)
    assert len(slice.slivers()) == 1
    server.set_clock_ahead(29 * 60)
    assert len(slice.slivers()) == 1
    server.set_clock_ahead(31 * 60)
    poll.until(lambda: not server.mock.instances(), "the machine going")


def test_a_credential_is_good_only_by_both_clocks(start_server):
    server = start_server()
    slice = server.slice(days=2)
    slice.allocate(rspec.nodes("a")).ok()
    server.set_wall_clock_wrong(3 * DAY)
    slice.status().refused(FORBIDDEN)
    server.set_wall_clock_wrong(0)
    assert len(slice.slivers()) == 1
