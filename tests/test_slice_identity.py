"""A slice is more than its name: the UUID of its certificate tells it from a later slice of the same name."""

import pytest

from harness import binary, poll, rspec
from harness.codes import FORBIDDEN, SEARCHFAILED
from harness.slice import Slice


@pytest.fixture
def server(start_server):
    return start_server()


def another(server, slice, owner="bob") -> Slice:
    """A slice of the same name whose certificate bears another UUID, and a user with a credential for it."""
    home = server.home
    certificate = home.minting.folder / "slices" / f"{slice.name}-cert.pem"
    kept = certificate.read_text()
    certificate.unlink()
    try:
        command = ["credential", "slice", "--dir", home.minting.folder, "--slice", slice.name, "--owner", owner]
        xml = binary.run(*command).stdout.strip()
    finally:
        certificate.write_text(kept)
    return Slice(server, slice.name, owner, xml=xml)


def test_another_slice_of_the_name_gets_nothing_of_the_first(server):
    first = server.slice()
    first.allocate(rspec.nodes("a")).ok()
    second = another(server, first)
    before = first.state()
    for answer in (
        second.status(),
        second.describe(),
        second.status(sorted(first.slivers())),
        second.allocate(rspec.nodes("b")),
        second.provision(),
        second.renew("2031-01-01T00:00:00Z"),
        second.action("geni_start"),
        second.update(rspec.nodes("b")),
        second.cancel(),
        second.delete(),
        second.shutdown(),
    ):
        answer.refused(FORBIDDEN, "another slice", "UUID", "deleted or expire")
    assert first.state() == before
    # Others with the same certificate are no other slice.
    Slice(server, first.name, "bob").status().ok()


def test_the_name_is_free_when_the_first_slice_is_gone(server):
    first = server.slice().provisioned(rspec.nodes("a"))
    old = sorted(first.slivers())
    first.delete().ok()
    second = another(server, first)
    second.allocate(rspec.nodes("b")).ok()
    # Now it is the first one's turn to be another slice.
    first.status().refused(FORBIDDEN, "another slice")
    first.allocate(rspec.nodes("c")).refused(FORBIDDEN)
    second.status(old).refused(SEARCHFAILED)
    server.restart()
    first.reconnect().delete().refused(FORBIDDEN)
    second.reconnect().delete().ok()
    first.allocate(rspec.nodes("d")).ok()


def test_what_has_expired_keeps_no_name(server):
    first = server.slice()
    first.allocate(rspec.nodes("a")).ok()
    second = another(server, first)
    server.set_clock_ahead(11 * 60)
    second.allocate(rspec.nodes("b")).ok()
    assert list(second.manifest().nodes) == ["b"]


def test_an_operator_releases_the_name_of_a_slice_that_was_shut_down(server):
    first = server.slice().provisioned(rspec.nodes("a"))
    first.shutdown().ok()
    second = another(server, first)
    second.allocate(rspec.nodes("b")).refused(FORBIDDEN, "shut down", "release")
    release = ["release", "--config", server.home.config, "--slice", first.urn]
    done = binary.run(*release, check=False)
    assert done.returncode == 1 and "in use" in done.stderr
    server.stop()
    done = binary.run(*release)
    assert "1 slivers are gone" in done.stdout
    assert "nothing here" in binary.run(*release, check=False).stderr
    server.start()
    poll.until(lambda: not server.mock.instances(), "the machine going")
    second.reconnect().allocate(rspec.nodes("b")).ok()
    first.reconnect().status().refused(FORBIDDEN, "another slice")
    server.stop()
    done = binary.run(*release, check=False)
    assert done.returncode == 1 and "not shut down" in done.stderr
