"""What operators see: figures for Prometheus, read by its own strict reader, and health."""

import os
import re
import socket
import sqlite3
import urllib.error
import urllib.request
import xmlrpc.client

import pytest
from prometheus_client.openmetrics import parser

from harness import binary, poll, rspec
from harness.client import options
from harness.server import Server


class Monitor:
    """Reads the figures of a server."""

    def __init__(self, server, log=None):
        log = re.sub(r"\x1b\[[0-9;]*m", "", server.log.read_text() if log is None else log)
        self.url = re.search(r"serving figures and health.*?url=\"?(http://127\.0\.0\.1:\d+)", log)[1]

    def get(self, path, method="GET"):
        """Status, headers and text."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def named(self, host):
        """The status of a request under a name of its own."""
        request = urllib.request.Request(self.url + "/health", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def families(self):
        status, headers, text = self.get("/metrics")
        assert status == 200, text
        assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return {family.name: family for family in parser.text_string_to_metric_families(text)}

    def values(self):
        """Every sample by name and labels."""
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in self.families().values()
            for sample in family.samples
        }


METRICS = {"listen": "127.0.0.1:0"}


def test_the_figures_tell_what_happens(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    first = monitor.values()
    assert first["am_build_info", "0.1.0"] == 1
    slice = server.slice().provisioned(rspec.pair())
    slice.status(["urn:publicid:IDN+am.test.example+sliver+none"]).refused(12)
    values = monitor.values()
    assert values["am_calls_total", "0", "Allocate"] == 1
    assert values["am_calls_total", "12", "Status"] == 1
    assert values["am_call_seconds_count", "Provision"] == 1
    assert values["am_slivers", "geni_provisioned", "geni_ready"] == 3
    assert values["am_slivers", "geni_allocated", "geni_pending_allocation"] == 0
    assert (values["am_slices",], values["am_slivers_unsettled",]) == (1, 0)
    assert [monitor.named(host) for host in ("localhost", "evil.example", "127.0.0.1.evil.example")] == [200, 421, 421]
    held = lambda values: sum(value for key, value in values.items() if key[0] == "am_capacity_held")
    assert held(values) == 2 and held(first) == 0
    assert values["am_vlan_tags_held",] == 1
    assert values["am_volume_gigabytes", "lab"] > 0 == values["am_volume_gigabytes_held", "lab"]
    assert values["am_driver_requests_total", "instances/create", "lab", "ok"] == 2
    assert values["am_driver_request_seconds_count", "instances/create", "lab"] == 2
    assert values["am_driver_breaker", "lab"] == 0
    assert values["am_connections_open",] >= 1
    assert values["am_database_commits_total",] > first["am_database_commits_total",]
    assert values["am_reconciler_rounds_total",] > first["am_reconciler_rounds_total",]
    assert values["am_credentials_verified_total", "known"] >= 1
    slice.delete().ok()
    poll.until(lambda: monitor.values()["am_slivers_departed",] == 0, "the machines going")
    assert held(monitor.values()) == 0


def test_the_ends_of_certificates_are_told(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)

    def left():
        samples = monitor.families()["am_certificate_expires_seconds"].samples
        assert all("am.test.example" in sample.labels["subject"] for sample in samples)
        return {(sample.labels["purpose"], sample.labels["file"]): sample.value for sample in samples}

    before = left()
    assert set(before) == {("server", "server-cert.pem"), ("root", "development.pem")}
    five_years = 5 * 365 * 86400
    assert all(five_years - 86400 < seconds <= five_years for seconds in before.values())
    server.set_clock_ahead(100)
    poll.until(lambda: all(left()[name] <= before[name] - 100 for name in before), "the time running")


def test_a_stranger_at_the_door_is_counted(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    before = monitor.values()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while connection.recv(1000):
            pass
    refused = ("am_connections_unserved_total", "handshake")
    poll.until(lambda: monitor.values()[refused] == before[refused] + 1, "the refusal being counted")
    with pytest.raises(xmlrpc.client.Fault):
        server.client().proxy.NoSuchCall()
    assert monitor.values()["am_not_calls_total",] == 1


def test_an_open_breaker_shows(start_server, new_home):
    home = new_home()
    (home.folder / "password").write_text("x\n")
    # Nobody listens there.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    away = {"name": "away", "kind": "deltacloud", "url": f"http://127.0.0.1:{port}/api", "user": "u"}
    home.configure(drivers=[*home.drivers(), {**away, "password_file": "password"}])
    server = start_server(home, metrics=METRICS)
    values = Monitor(server).values()
    assert values["am_driver_breaker", "away"] in (1, 2) and values["am_driver_breaker", "lab"] == 0
    assert values["am_driver_silent_since_seconds", "away"] > 1e9
    assert values["am_driver_requests_total", "away", "realms/index", "unavailable"] >= 1


def test_what_callers_send_makes_no_new_series(start_server):
    # A label whose values strangers choose would grow without end.
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    for name in ("x", "y"):
        slice.action(name)
        with pytest.raises(xmlrpc.client.Fault):
            getattr(slice.client.proxy, name)()
    before = set(monitor.values())
    for n in range(20):
        slice.action(f"action-{n}")
        with pytest.raises(xmlrpc.client.Fault):
            getattr(slice.client.proxy, f"Call{n}")()
    slice.client.call("ListResources", slice.credentials, options(unknown="x"))
    new = {key for key in set(monitor.values()) - before if "ListResources" not in key}
    assert not {key for key in new if not key[0].startswith("am_driver")}, new


def test_a_cloud_of_many_realms_is_told_as_one(start_server):
    for count, shown in ((50, 50), (51, 1)):
        realms = [{"id": "host-{n}", "count": count, "capacity": 2, "hardware_profiles": ["small"]}]
        server = start_server(metrics=METRICS, mock={"realms": realms})
        server.slice().allocate(rspec.nodes("a")).ok()
        families = Monitor(server).families()
        totals, held = (
            {sample.labels["realm"]: sample.value for sample in families[name].samples}
            for name in ("am_capacity", "am_capacity_held")
        )
        assert len(totals) == len(held) == shown and ("*" in totals) == (shown == 1)
        assert (sum(totals.values()), sum(held.values())) == (2 * count, 1)


def test_lines_of_an_unread_log_are_counted(new_home):
    # A pipe that nobody reads: it fills, then the service's own room for lines, and calls go on.
    home = new_home()
    reader, writer = os.pipe()
    server = Server(home, metrics=METRICS, log_to=writer)
    os.close(writer)
    try:
        # The log says which port it is.
        head = b""
        while b"serving figures" not in head or not head.endswith(b"\n"):
            head += os.read(reader, 65536)
        monitor = Monitor(server, head.decode())
        assert monitor.values()["am_log_lines_dropped_total",] == 0
        slice = server.slice()
        # Wide characters take four bytes in the log and one in the bound on a message.
        long = "\N{GRINNING FACE}" * 1_900
        wrong = {"geni_rspec_version": {"type": long, "version": "3"}}

        def dropped():
            for _ in range(100):
                slice.client.call("ListResources", slice.credentials, wrong).refused(4)
            return monitor.values()["am_log_lines_dropped_total",]

        poll.until(lambda: dropped() > 0, "lines being dropped")
        os.set_blocking(reader, False)
        text = b""

        def said():
            nonlocal text
            try:
                while piece := os.read(reader, 1 << 20):
                    text = text[-4096:] + piece
            except BlockingIOError:
                pass
            return b"log lines were dropped" in text

        poll.until(said, "the log saying that lines are missing")
    finally:
        server.stop()
        os.close(reader)


def test_health_and_wrong_requests(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    assert monitor.get("/health")[::2] == (200, "ok\n")
    assert monitor.get("/")[0] == 404
    assert monitor.get("/metrics/")[0] == 404
    for path in ("/metrics", "/health"):
        status, headers, _ = monitor.get(path, "POST")
        assert (status, headers["Allow"]) == (405, "GET")


def test_health_is_not_well_while_the_database_takes_nothing(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    other = sqlite3.connect(server.home.folder / "am.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        status, _, text = monitor.get("/health")
        assert status == 503 and "database" in text and "sqlite" not in text
        # What only reads goes on.
        assert monitor.get("/metrics")[0] == 200
    finally:
        other.close()
    poll.until(lambda: monitor.get("/health")[0] == 200, "health")


def test_a_request_of_unreasonable_size_is_not_read_to_its_end(start_server):
    server = start_server(metrics=METRICS)
    monitor = Monitor(server)
    host, port = monitor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        # It ends before all of this is taken: with an answer that says so, or just so.
        with pytest.raises(OSError):
            while True:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1_000_000)
    assert monitor.get("/health")[0] == 200


def test_figures_are_for_this_machine_alone(new_home):
    home = new_home()
    home.configure(metrics={"listen": "0.0.0.0:9180"})
    done = binary.run("check", "--config", home.config, check=False)
    assert done.returncode != 0 and "metrics.listen" in done.stderr and "127.0.0.1" in done.stderr
    home.configure(metrics={"listen": "127.0.0.1:9180", "surprise": 1})
    done = binary.run("check", "--config", home.config, check=False)
    assert "[metrics]" in done.stderr and "surprise" in done.stderr


@pytest.mark.parametrize("path", ["/metrics", "/health"])
def test_without_the_section_nobody_listens(server, path):
    assert "serving figures" not in server.log.read_text()
