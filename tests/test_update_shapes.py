"""The shapes in which clients call Update and Cancel; Omni sends more than the draft prints."""

import pytest

from harness import rspec
from harness.client import credential
from harness.codes import BADARGS, FORBIDDEN
from harness.rspec import Manifest


@pytest.mark.parametrize("api", [3, 4])
def test_omni_calls_update_and_cancel(new_slice, api):
    slice = new_slice(api=api)
    slice.provisioned(rspec.nodes("a"), started=False)
    document = slice.manifest().document
    # Omni: urns, credential structs, the RSpec as it is, options without geni_best_effort for Update and with it for
    # Cancel; both answers have to be structs that are not empty.
    answer = slice.client.call("Update", [slice.urn], slice.credentials, document, {"geni_end_time": "2030-01-01T00:00:00Z"})
    assert {"geni_rspec", "geni_slivers"} <= set(answer.ok()) and answer.value["geni_slivers"]
    for it in answer.slivers:
        assert isinstance(it["geni_next_allocation_status"], str) and isinstance(it["geni_expires"], str)
    answer = slice.client.call("Cancel", [slice.urn], slice.credentials, {"geni_best_effort": False})
    assert {"geni_rspec", "geni_urn", "geni_slivers"} <= set(answer.ok())
    assert answer.value["geni_urn"] == slice.urn
    for it in answer.slivers:
        assert it["geni_allocation_status"] in ("geni_unallocated", "geni_provisioned")
        assert isinstance(it["geni_operational_status"], str)
    assert set(Manifest(answer.rspec).nodes) == {"a"}


def test_cancel_takes_credentials_as_strings_or_structs(slice):
    # The draft prints "string credentials[]", clients send structs as everywhere else.
    slice.provisioned(rspec.nodes("a"), started=False)
    document = slice.manifest().document
    for credentials in ([slice.credential], slice.credentials, [slice.credential, credential(slice.credential)]):
        slice.update(document).ok()
        assert slice.cancel(credentials=credentials).slivers[0]["geni_allocation_status"] == "geni_provisioned"


def test_a_cancel_that_frees_everything_is_still_a_struct(slice):
    slice.allocate(rspec.nodes("a")).ok()
    value = slice.cancel().ok()
    assert value["geni_urn"] == slice.urn and value["geni_slivers"]
    assert Manifest(value["geni_rspec"]).nodes == {}


def test_flags_come_in_several_types(slice):
    slice.provisioned(rspec.nodes("a"), started=False)
    unknown = f"urn:publicid:IDN+{slice.server.home.authority}+sliver+{'0' * 32}"
    urns = [*slice.slivers(), unknown]
    for yes in (True, 1, "true"):
        assert len(slice.cancel(urns, geni_best_effort=yes).ok()["geni_slivers"]) == 2
    slice.cancel(urns, geni_best_effort=[]).refused(BADARGS)


def test_only_who_may_change_the_slice_may_update_or_cancel(slice):
    slice.provisioned(rspec.nodes("a"), started=False)
    before, document = slice.state(), slice.manifest().document
    other = slice.server.slice(owner="bob")
    for credentials, code in ([], BADARGS), (other.credentials, FORBIDDEN):
        slice.update(document, credentials=credentials).refused(code)
        slice.cancel(credentials=credentials).refused(code)
    assert slice.state() == before


def test_a_slice_that_is_shut_down_is_neither_updated_nor_cancelled(slice):
    slice.provisioned(rspec.nodes("a"), started=False)
    document = slice.manifest().document
    slice.update(document).ok()
    slice.shutdown().ok()
    slice.update(document).refused(FORBIDDEN)
    slice.update(rspec.nodes("n", image="no-such-image")).refused(FORBIDDEN)
    slice.cancel().refused(FORBIDDEN)


@pytest.mark.parametrize("arguments", [0, 1, 2, 3])
def test_missing_arguments(slice, arguments):
    full = ([slice.urn], slice.credentials, rspec.nodes("a"), {})
    slice.client.call("Update", *full[:arguments]).refused(BADARGS) if arguments < 3 else None
    if arguments < 2:
        slice.client.call("Cancel", *full[:arguments]).refused(BADARGS)
    for urns in ("", slice.urn, [], [7], ["not a urn"], [slice.urn, slice.urn + "x"]):
        slice.client.call("Update", urns, *full[1:]).refused(BADARGS)
        slice.client.call("Cancel", urns, slice.credentials, {}).refused(BADARGS)
