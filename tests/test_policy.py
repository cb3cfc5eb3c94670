"""What an operator decides: how a slice may be allocated, for how long things are lent, what is told."""

from datetime import datetime, timedelta, timezone

import pytest

from harness import rspec
from harness.codes import OUTOFRANGE, TOOBIG, UNSUPPORTED
from harness.rspec import Manifest


def stamp(**delta) -> str:
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_slivers_that_go_together(start_server):
    # AM API v3, geni_single_allocation: a part of the slice is geni_code 13, the slice or all of it is fine.
    server = start_server(policy={"single_allocation": True})
    assert server.client(api=3).call("GetVersion").ok()["geni_single_allocation"] == 1
    assert server.client(api=4).call("GetVersion").ok()["geni_single_allocation"] is True
    slice = server.slice()
    ids = Manifest(slice.allocate(rspec.nodes("a", "b")).ok()["geni_rspec"]).sliver_ids
    before = slice.state()
    part = [ids["a"]]
    refused = [
        slice.describe(part),
        slice.provision(part),
        slice.renew(stamp(minutes=5), part),
        slice.delete(part),
        slice.delete(part, geni_best_effort=True),
        slice.update(rspec.nodes("a"), part),
        slice.cancel(part),
    ]
    for answer in refused:
        answer.refused(UNSUPPORTED, "geni_single_allocation|together", ids["b"].rsplit("+", 1)[1])
    assert slice.state() == before
    assert len(slice.status(part).ok()["geni_slivers"]) == 1, "Status is not restricted"
    slice.provision(list(ids.values())).ok()
    slice.wait("geni_notready")
    # Nor are operational actions: they are not about what is allocated.
    assert len(slice.action("geni_start", part).ok()) == 1
    slice.wait("geni_ready", part)
    slice.delete(list(ids.values())).ok()


def test_one_allocate_for_each_slice(start_server):
    # AM API v3, geni_allocate geni_single: the second Allocate of a slice is refused, after Delete it is a first one.
    server = start_server(policy={"allocate": "geni_single"})
    assert server.client().call("GetVersion").ok()["geni_allocate"] == "geni_single"
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    before = slice.state()
    slice.allocate(rspec.nodes("b")).refused(UNSUPPORTED, "geni_single", "Update")
    assert slice.state() == before
    slice.delete().ok()
    slice.allocate(rspec.nodes("b")).ok()


@pytest.mark.parametrize("asked, granted", [(dict(minutes=3), dict(minutes=3)), (dict(days=3), dict(minutes=10))])
def test_an_end_time_for_an_allocation_is_kept_within_policy(slice, asked, granted):
    # AM API v3, geni_end_time: honoured as far as local policy goes; going beyond is no error.
    (sliver,) = slice.allocate(rspec.nodes("a"), geni_end_time=stamp(**asked)).slivers
    wanted = datetime.now(timezone.utc) + timedelta(**granted)
    end = datetime.strptime(sliver["geni_expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert abs(end - wanted) < timedelta(seconds=90)


def test_an_end_time_for_provision_is_granted(slice):
    slice.allocate(rspec.nodes("a")).ok()
    end = stamp(days=2)
    (sliver,) = slice.provision(geni_end_time=end).slivers
    assert sliver["geni_expires"] == end


def test_the_limits_are_the_operators(start_server):
    server = start_server(
        policy={"allocated_minutes": 3, "provisioned_days": 2, "renewal_days": 4}, limits={"slivers_per_call": 5}
    )
    slice = server.slice()
    slice.allocate(rspec.nodes(*"abcdef")).refused(TOOBIG, "6 nodes and links", "5")
    (sliver,) = slice.allocate(rspec.nodes("a")).slivers
    assert sliver["geni_expires"] <= stamp(minutes=3)
    (sliver,) = slice.provision().slivers
    assert stamp(days=1, hours=23) < sliver["geni_expires"] <= stamp(days=2)
    answer = slice.renew(stamp(days=5))
    answer.refused(OUTOFRANGE, "longest time this aggregate grants")
    # What would be allowed comes as the value, and is allowed.
    slice.renew(answer.value).ok()


def test_what_is_told_of_the_software_is_the_operators_choice(start_server):
    # AM API v4 draft, change set N: geni_am_code_version is optional.
    server = start_server(aggregate={"show_version": False, "url": "https://am.example.net:12369/"})
    version = server.client().call("GetVersion").ok()
    assert "geni_am_code_version" not in version
    assert version["geni_api_versions"] == {
        "3": "https://am.example.net:12369/am/3.0",
        "4": "https://am.example.net:12369/am/4.0",
    }
