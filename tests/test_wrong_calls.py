"""Wrong calls: each gets its code and a message that says what is wrong, and nothing changes.

The API (v3, return codes) asks for a return struct for everything that is an XML-RPC call of a known method;
`refused` also checks that the message names what was wrong.
"""

import re
import xmlrpc.client
from datetime import datetime, timedelta, timezone

import pytest

from harness import Home, rspec
from harness.client import KEY, RSPEC_VERSION, credential, options, users
from harness.codes import (
    ALREADYEXISTS,
    BADARGS,
    BADVERSION,
    FORBIDDEN,
    INPROGRESS,
    OUTOFRANGE,
    REFUSED,
    SEARCHFAILED,
    SUCCESS,
    TOOBIG,
    UNSUPPORTED,
)
from harness.rspec import RSPEC, Manifest
from harness.slice import Slice

# The finer reasons of a refused credential, in am_code (geni-error-codes.xml).
INVALID, EXPIRED, MISMATCH, UNTRUSTED = 20, 21, 22, 23


class World:
    """What there is before each wrong call, and must be there unchanged after it."""

    def __init__(self, server, elsewhere: Home):
        self.server = server
        self.home = server.home
        self.slice = server.slice("target").provisioned(rspec.nodes("running"))
        manifest = Manifest(self.slice.allocate(rspec.nodes("waiting")).ok()["geni_rspec"])
        self.waiting = manifest.sliver_ids["waiting"]
        self.running = self.slice.manifest().sliver_ids["running"]
        # A slice of alice's with a sliver on its way to another state, and one of bob's.
        self.updating = server.slice("updating")
        self.updating.allocate(rspec.nodes("changing")).ok()
        self.updating.provision().ok()
        self.updating.wait("geni_notready")
        self.updating.update(self.updating.manifest().document).ok()
        self.changing = self.updating.manifest().sliver_ids["changing"]
        self.bobs = server.slice("bobs", owner="bob")
        self.bobs.allocate(rspec.nodes("his")).ok()
        self.his = self.bobs.manifest().sliver_ids["his"]
        self.deleted = Manifest(self.slice.allocate(rspec.nodes("gone")).ok()["geni_rspec"]).sliver_ids["gone"]
        self.slice.delete([self.deleted]).ok()
        # A slice that alice has a credential for, and nothing in it.
        self.empty = server.slice("empty")
        self.user_credential = self.home.user_credential("alice")
        self.long_credential = self.home.slice_credential("target", days=900)
        # Another development authority of the same name: its credentials look alike, but nobody trusts it.
        self.elsewhere = elsewhere
        self.known = self.state()

    @property
    def slices(self):
        return [self.slice, self.updating, self.bobs, self.empty]

    def state(self):
        return [it.state() for it in self.slices] + [self.server.mock.instances(), self.server.mock.last_call()]

    def check_unchanged(self):
        """All is as it was; a change is held against the test that made it, not against those after it."""
        before, self.known = self.known, self.state()
        assert self.known == before


@pytest.fixture(scope="module")
def world(server, tmp_path_factory):
    made = World(server, Home(tmp_path_factory.mktemp("elsewhere")))
    yield made
    for it in made.slices:
        it.delete()


def creds(*xml, kind="geni_sfa"):
    return [credential(it, kind) for it in xml]


def later(**delta) -> str:
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


CASES = {}


def case(name, code, *patterns, am_code=None):
    """Declares a wrong call: a function of the world that makes it."""

    def declare(call):
        assert name not in CASES, name
        CASES[name] = (call, code, patterns, am_code)
        return call

    return declare


# --- Credentials (AM API v3, credentials; every refusal is geni_code 3, its reason in am_code)


def allocate_with(name, make, code=FORBIDDEN, *patterns, am_code=None):
    case(name, code, *patterns, am_code=am_code)(
        lambda w: w.slice.allocate(rspec.nodes("new"), credentials=make(w))
    )


allocate_with("no credential at all", lambda w: [], BADARGS, "credentials is empty")
allocate_with("credentials that are no list", lambda w: w.slice.credential, BADARGS, "credentials must be a list")
allocate_with("a number among the credentials", lambda w: [7], BADARGS, "credentials must be a list of structs, not an integer")
allocate_with("a credential without a value", lambda w: [{"geni_type": "geni_sfa", "geni_version": "3"}], BADARGS, "no member geni_value")
allocate_with("a credential without a type", lambda w: [{"geni_value": w.slice.credential}], BADARGS, "no member geni_type")
allocate_with("a credential whose value is a list", lambda w: [{"geni_type": "geni_sfa", "geni_value": ["x"]}], BADARGS, "geni_value must be a string")
allocate_with("a credential of a type nobody knows", lambda w: creds(w.slice.credential, kind="geni_sfaBROKEN"), FORBIDDEN, 'type "geni_sfaBROKEN", which is not read here', am_code=INVALID)
allocate_with("a credential whose type the client does not know, which is none", lambda w: creds("<abac/>", kind="geni_unknown"), FORBIDDEN, "not a GENI signed credential", am_code=INVALID)
allocate_with("more credentials than anybody holds", lambda w: creds(*[w.slice.credential] * 33), BADARGS, "33 credentials; 32 at most")
allocate_with("a credential that is no XML", lambda w: creds("hello"), FORBIDDEN, "XML|credential", am_code=INVALID)
allocate_with("an empty credential", lambda w: creds(""), FORBIDDEN, "credential", am_code=INVALID)
allocate_with("a credential without its first character", lambda w: creds(w.slice.credential[1:]), FORBIDDEN, "XML|credential", am_code=INVALID)
allocate_with("half a credential", lambda w: creds(w.slice.credential[: len(w.slice.credential) // 2]), FORBIDDEN, "XML", am_code=INVALID)
allocate_with("a credential with an element put in", lambda w: creds(re.sub(r"(<privileges>)", r"\1<privilege><name>*</name><can_delegate>true</can_delegate></privilege>", w.slice.credential, count=1)), FORBIDDEN, "signature", am_code=INVALID)
allocate_with("a credential with a later expiry", lambda w: creds(re.sub(r"<expires>\d{4}", "<expires>2099", w.slice.credential, count=1)), FORBIDDEN, "signature", am_code=INVALID)
allocate_with("a credential with a document type", lambda w: creds(w.slice.credential.replace("?>", '?><!DOCTYPE x [<!ENTITY e "e">]>', 1)), FORBIDDEN, "document type|DTD", am_code=INVALID)
allocate_with("a credential without its signatures", lambda w: creds(re.sub(r"<signatures>.*</signatures>", "<signatures/>", w.slice.credential, flags=re.DOTALL)), FORBIDDEN, "[Ss]ignature", am_code=INVALID)
allocate_with("a signed credential wrapped into a forged one", lambda w: creds(wrapped(w)), FORBIDDEN, "credential", am_code=INVALID)
allocate_with("a credential of megabytes", lambda w: creds("<signed-credential>" + "<x/>" * 400_000 + "</signed-credential>"), FORBIDDEN, "at most|limit|too", am_code=INVALID)
allocate_with("an expired credential", lambda w: creds(w.home.slice_credential("target", days=0)), FORBIDDEN, "expired", am_code=EXPIRED)
allocate_with("a credential of an authority nobody trusts", lambda w: creds(w.elsewhere.slice_credential("target")), FORBIDDEN, "trust|authority", am_code=UNTRUSTED)
allocate_with("the credential of another slice", lambda w: creds(w.empty.credential), FORBIDDEN, "\\+slice\\+empty", am_code=MISMATCH)
allocate_with("the credential of another person", lambda w: creds(w.home.slice_credential("target", "bob")), FORBIDDEN, "\\+user\\+bob", am_code=MISMATCH)
allocate_with("a user credential for a slice's call", lambda w: creds(w.user_credential), FORBIDDEN, "credential", am_code=MISMATCH)
allocate_with("several credentials, all wrong", lambda w: creds("x", w.empty.credential, w.user_credential), FORBIDDEN, "credential")


def wrapped(w: World) -> str:
    """The signed part is still there, but somebody else's words stand where a careless reader looks."""
    signed = re.search(r"<credential .*?</credential>", w.home.slice_credential("empty"), re.DOTALL)[0]
    forged = re.search(r"<credential .*?</credential>", w.slice.credential, re.DOTALL)[0]
    document = w.home.slice_credential("empty")
    return document.replace(signed, forged.replace('xml:id="', 'xml:id="x', 1) + f"<signed>{signed}</signed>")


@case("bob with alice's credential", FORBIDDEN, "\\+user\\+alice", am_code=MISMATCH)
def _(w):
    return Slice(w.server, "target", caller=w.server.client("bob")).delete()


@case("bob looks at alice's sliver with a credential of his own slice", FORBIDDEN, am_code=MISMATCH)
def _(w):
    return w.bobs.describe([w.running])


@case("bob asks after a sliver of alice's that is gone", FORBIDDEN)
def _(w):
    return w.bobs.status([w.deleted])


@case("bob asks after alice's slice without any credential for it", FORBIDDEN)
def _(w):
    return Slice(w.server, "target", caller=w.server.client("bob"), xml=w.bobs.credential).status()


@case("a slice nobody ever heard of, with another slice's credential", FORBIDDEN)
def _(w):
    return w.slice.status([w.home.slice_urn("unheard")])


@case("a delegated credential without the right to allocate", FORBIDDEN, "createsliver", am_code=MISMATCH)
def _(w):
    handed_on = w.home.delegate(w.slice.credential, "alice", "bob", ["info"])
    return Slice(w.server, "target", caller=w.server.client("bob"), xml=handed_on).allocate(rspec.nodes("x"))


@case("a delegated credential without the right to shut down", FORBIDDEN, "shutdown", am_code=MISMATCH)
def _(w):
    handed_on = w.home.delegate(w.slice.credential, "alice", "bob", ["info", "refresh"])
    return Slice(w.server, "target", caller=w.server.client("bob"), xml=handed_on).shutdown()


@case("ListResources without a credential", BADARGS, "credential")
def _(w):
    return w.slice.client.call("ListResources", [], options())


@case("speaking for somebody else", FORBIDDEN, "geni_speaking_for")
def _(w):
    return w.slice.status(geni_speaking_for=w.home.user_urn("bob"))


# --- URNs (AM API v3, urns argument; GENI identifiers)


def status_of(name, make, code, *patterns):
    case(name, code, *patterns)(lambda w: w.slice.status(make(w)))


status_of("no URN at all", lambda w: [], BADARGS, "urns is empty")
status_of("a word instead of a URN", lambda w: ["target"], BADARGS, "not a GENI URN")
status_of("a user's URN", lambda w: [w.home.user_urn("alice")], BADARGS, "slice or sliver")
status_of("a node's URN", lambda w: [f"urn:publicid:IDN+{w.home.authority}+node+lab-host-1"], BADARGS, "slice or sliver")
status_of("two slices", lambda w: [w.slice.urn, w.empty.urn], BADARGS, "several slices")
status_of("a slice together with slivers", lambda w: [w.slice.urn, w.running], BADARGS, "slice together with slivers")
status_of("slivers of two slices", lambda w: [w.running, w.changing], BADARGS, "not a sliver of")
status_of("a sliver that never was", lambda w: [w.running + "0"], SEARCHFAILED, "no sliver .*0 ")
status_of("a known and an unknown sliver", lambda w: [w.running, w.running + "0"], SEARCHFAILED, "0 ")
status_of("a deleted sliver", lambda w: [w.deleted], SEARCHFAILED, "deleted or has expired")
status_of("a list of numbers", lambda w: [1, 2], BADARGS, "list of strings, not an integer")
status_of("a string instead of a list", lambda w: w.slice.urn, BADARGS, "urns must be a list of URNs, not a string")
status_of("a URN of four thousand characters", lambda w: [w.slice.urn + "x" * 4000], BADARGS, "too long|at most|19")


def allocate_in(name, make, code, *patterns):
    case(name, code, *patterns)(
        lambda w: w.slice.client.call("Allocate", make(w), w.slice.credentials, rspec.nodes("x"), {})
    )


allocate_in("a slice name of twenty characters", lambda w: w.home.slice_urn("a" * 20), BADARGS, "slice_urn.*19")
allocate_in("a slice name with a hyphen in front", lambda w: w.home.slice_urn("-a"), BADARGS, "slice_urn")
allocate_in("a slice name with an underscore", lambda w: w.home.slice_urn("a_b"), BADARGS, "slice_urn")
allocate_in("a slice name with a line end behind it", lambda w: w.home.slice_urn("target\n"), BADARGS, "slice_urn")
allocate_in("a slice name with a space", lambda w: w.home.slice_urn("tar get"), BADARGS, "slice_urn")
allocate_in("a sliver's URN where the slice's is needed", lambda w: w.running, BADARGS, "slice_urn.*sliver URN")
allocate_in("an empty slice URN", lambda w: "", BADARGS, "slice_urn")
allocate_in("a list instead of the slice URN", lambda w: [w.slice.urn], BADARGS, "slice_urn must be a string")
allocate_in("the same slice name under another authority", lambda w: "urn:publicid:IDN+other.example+slice+target", FORBIDDEN)


@case("a slice without slivers has no status", SEARCHFAILED, "no slivers at this aggregate")
def _(w):
    return w.empty.status()


# --- RSpecs (RSpec v3; AM API v3, Allocate)


def asking(name, document, code, *patterns):
    """An Allocate of this document in a slice that is there."""
    make = document if callable(document) else lambda w: document
    case(name, code, *patterns)(lambda w: w.slice.allocate(make(w)))


PLACE = r"line \d+, column \d+"
asking("an empty RSpec", "", BADARGS, "rspec.*empty")
asking("an RSpec that is no XML", "please give me a node", BADARGS, PLACE)
asking("typographic quotes", rspec.nodes("x").replace('client_id="x"', "client_id=“x”"), BADARGS, PLACE, "expected a quote, not '“' \\(U\\+201C\\)", "straight quotes")
asking("an RSpec cut off", rspec.nodes("x")[:-10], BADARGS, PLACE)
asking("an RSpec that is a number", lambda w: 5, BADARGS, "rspec must be a string, not an integer")
asking("another root element", f'<node xmlns="{RSPEC}"/>', BADARGS, PLACE, "rspec")
asking("an advertisement", rspec.request(kind="advertisement"), BADARGS, PLACE, "advertisement", "should be request$")
asking("a manifest", rspec.request(rspec.node("x"), kind="manifest"), BADARGS, PLACE, "manifest", "should be request$")
asking("no type at all", rspec.nodes("x").replace('type="request"', ""), BADARGS, PLACE, "type", "should be request$")
asking("a future version of GENI RSpecs", rspec.nodes("x").replace("rspec/3", "rspec/99"), BADVERSION, "rspec/99|version")
asking("a ProtoGENI version 2 RSpec", rspec.nodes("x").replace(RSPEC, "http://www.protogeni.net/resources/rspec/2"), BADVERSION, "version|namespace")
asking("a request for nothing", rspec.request(), BADARGS, "asks for nothing")
asking("only other aggregates' nodes", rspec.request(rspec.node("x", component_manager_id="urn:publicid:IDN+other.example+authority+cm")), SEARCHFAILED, "other aggregates", "\\+authority\\+am")
asking("a node without a name", rspec.request("<node/>"), BADARGS, PLACE, "client_id")
asking("two nodes of one name", rspec.nodes("x", "x"), BADARGS, PLACE, '"x"')
asking("two interfaces of one name", rspec.request(rspec.node("x", interfaces=["i"]), rspec.node("y", interfaces=["i"])), BADARGS, PLACE, '"i"')
asking("a link to an interface that is not there", rspec.request(rspec.node("x"), rspec.link("l", "x:0")), BADARGS, PLACE, "x:0")
asking("a word where yes or no is needed", rspec.request(rspec.node("x", exclusive="maybe")), BADARGS, PLACE, "maybe", "true")
asking("a document type declaration", rspec.nodes("x").replace("?>", '?><!DOCTYPE rspec [<!ENTITY x SYSTEM "file:///etc/passwd">]>', 1), BADARGS, PLACE, "document type|DOCTYPE")
asking("an undefined entity", rspec.request(rspec.node("x", "<foo>&bar;</foo>")), BADARGS, PLACE)
asking("a prefix that is bound to nothing", rspec.request(rspec.node("x", "<q:foo/>")), BADARGS, PLACE, "q")
asking("a thousand elements inside each other", rspec.request(rspec.node("x", "<x:d>" * 1000 + "</x:d>" * 1000), attributes='xmlns:x="urn:x"'), TOOBIG, PLACE, "deep")
asking("a sliver type that is not offered", rspec.nodes("x", sliver_type="quantum"), BADARGS, PLACE, '"quantum"', "default-vm", "raw-pc")
asking("a disk image that is not offered", rspec.nodes("x", image="plan9"), BADARGS, PLACE, '"plan9"', "debian-12")
asking("a component that is not there", rspec.nodes("x", component_id="urn:publicid:IDN+am.test.example+node+pc1"), SEARCHFAILED, "pc1", "ListResources")
asking("a component of another authority", rspec.nodes("x", component_id="urn:publicid:IDN+other.example+node+lab-host-1"), SEARCHFAILED, "other.example")
asking("a shared host for oneself", rspec.nodes("x", component_id="lab-host-1", exclusive="true"), REFUSED, "lab-host-1", "shared")
asking("a virtual machine on a machine of its own", rspec.nodes("x", exclusive="true"), REFUSED, "exclusively")
asking("more machines than there are", rspec.request(*(rspec.node(f"n{n}", sliver_type="raw-pc", exclusive="true") for n in range(5))), TOOBIG, PLACE, "no room", "4 nodes")
asking("more virtual machines than there is room", rspec.nodes(*(f"n{n}" for n in range(200))), TOOBIG, PLACE, "no room")
asking("a name the slice has already", rspec.nodes("running"), ALREADYEXISTS, '"running"')
asking("one new and one old name", rspec.nodes("new", "waiting"), ALREADYEXISTS, '"waiting"')
asking("one good and one bad node", rspec.request(rspec.node("new"), rspec.node("x", sliver_type="quantum")), BADARGS, "quantum")


# --- Options (AM API v3, options of each call)


@case("no RSpec version for Describe", BADARGS, "geni_rspec_version is required")
def _(w):
    return w.slice.client.call("Describe", [w.slice.urn], w.slice.credentials, {})


@case("no RSpec version for Provision", BADARGS, "geni_rspec_version is required")
def _(w):
    return w.slice.client.call("Provision", [w.waiting], w.slice.credentials, {})


@case("no RSpec version for ListResources", BADARGS, "geni_rspec_version is required")
def _(w):
    return w.slice.client.call("ListResources", creds(w.user_credential), {})


@case("half an RSpec version", BADARGS, "no member version")
def _(w):
    half = {"geni_rspec_version": {"type": "GENI"}}
    return w.slice.client.call("Describe", [w.slice.urn], w.slice.credentials, half)


@case("an RSpec version that is a word", BADARGS, "geni_rspec_version must be a struct")
def _(w):
    return w.slice.client.call("Describe", [w.slice.urn], w.slice.credentials, {"geni_rspec_version": "GENI 3"})


@case("an RSpec version nobody speaks here", BADVERSION, "GENI 3")
def _(w):
    version = {"type": "ProtoGENI", "version": "2"}
    return w.slice.client.call("Provision", [w.waiting], w.slice.credentials, {"geni_rspec_version": version})


@case("options that are a list", BADARGS, "options must be a struct, not an array")
def _(w):
    return w.slice.client.call("Status", [w.slice.urn], w.slice.credentials, ["x"])


@case("a flag that is a word", BADARGS, "geni_best_effort must be a boolean")
def _(w):
    return w.slice.delete(geni_best_effort="perhaps")


@case("a flag that is a list", BADARGS, "geni_compressed must be a boolean, not an array")
def _(w):
    return w.slice.describe(geni_compressed=[True])


@case("the version 2 way to ask for a slice's resources", BADARGS, "geni_slice_urn", "Describe")
def _(w):
    return w.slice.client.call("ListResources", creds(w.user_credential), options(geni_slice_urn=w.slice.urn))


def provisioning(name, value, *patterns):
    make = value if callable(value) else lambda w: value
    case(name, BADARGS, "geni_users", *patterns)(lambda w: w.slice.provision([w.waiting], geni_users=make(w)))


provisioning("users that are a struct", {"urn": "x"}, "must be a list of structs")
provisioning("a user that is a word", ["alice"], "geni_users\\[0\\] must be a struct")
provisioning("a user without a URN", [{"keys": [KEY]}], "no member urn")
provisioning("a user without keys", lambda w: [{"urn": w.home.user_urn("alice")}], "no member keys")
provisioning("keys that are a word", lambda w: [{"urn": w.home.user_urn("alice"), "keys": KEY}], "keys must be a list of strings")
provisioning("a key that is none", lambda w: users((w.home.user_urn("alice"), ["open sesame"])), "not an SSH public key")
provisioning("a private key", lambda w: users((w.home.user_urn("alice"), [(w.home.user("alice") / "key.pem").read_text()])), "not an SSH public key")
provisioning("a key that was cut off", lambda w: users((w.home.user_urn("alice"), [KEY, KEY[:40]])), "keys\\[1\\] is not an SSH public key", "ends in the middle")
provisioning("a key of another type than it says", lambda w: users((w.home.user_urn("alice"), [KEY.replace("ed25519", "rsa", 1)])), "ssh-rsa in front", "type ssh-ed25519")
provisioning("a key that brings a command", lambda w: users((w.home.user_urn("alice"), [f'command="rm -rf /" {KEY}'])), "not an SSH public key")
provisioning("a user that is a slice", lambda w: users((w.slice.urn, [KEY])), "user URN is needed")
provisioning("a user that is no URN", users(("alice", [KEY])), "not a GENI URN")


@case("an end time that is none", BADARGS, "geni_end_time", "2030-01-31T12:00:00Z")
def _(w):
    return w.slice.allocate(rspec.nodes("x"), geni_end_time="soon")


# --- Times (RFC 3339; AM API v3, Renew)


def renewing(name, make, code, *patterns, sliver="running", xml=None):
    def call(w):
        credentials = creds(getattr(w, xml)) if xml else None
        return w.slice.renew(make(w) if callable(make) else make, [getattr(w, sliver)], credentials)

    case(name, code, *patterns)(call)


renewing("a renewal until tomorrow, in words", "tomorrow", BADARGS, "expiration_time", "2030-01-31T12:00:00Z")
renewing("a renewal until nothing", "", BADARGS, "expiration_time")
renewing("a renewal until a day that is not in the calendar", "2030-02-30T00:00:00Z", BADARGS, "2030-02-30")
renewing("a renewal until the 24th hour", "2030-01-01T24:00:00Z", BADARGS, "expiration_time")
renewing("a renewal until a number", 1900000000, BADARGS, "expiration_time must be a string, not an integer")
renewing("a renewal in XML-RPC's own kind of date, into the past", datetime(2001, 1, 1), OUTOFRANGE, "2001-01-01T00:00:00Z is not in the future")
renewing("a renewal into the past", "2001-01-01T00:00:00Z", OUTOFRANGE, "not in the future", "up to 20")
renewing("a renewal beyond the credential", "2090-01-01T00:00:00Z", OUTOFRANGE, "expiry of the credential", "up to 20")
renewing("a renewal beyond what this aggregate grants", lambda w: later(days=95), OUTOFRANGE, "longest time this aggregate grants", "up to 20", xml="long_credential")
renewing("a renewal of an allocated sliver beyond its lease", lambda w: later(days=1), OUTOFRANGE, "before Provision", "up to 20", sliver="waiting")


# --- States (AM API v3, operational states; v4 draft, geni_updating)


def acting(name, action, code, *patterns, sliver="running", **more):
    def call(w):
        urn = getattr(w, sliver)
        return (w.updating if sliver == "changing" else w.slice).action(action, [urn], **more)

    case(name, code, *patterns)(call)


acting("an action nobody knows", "random_action", UNSUPPORTED, "random_action", "geni_restart")
acting("no action", "", UNSUPPORTED, "unknown operational action")
acting("starting what is only allocated", "geni_start", UNSUPPORTED, "geni_allocated", "Provision", sliver="waiting")
acting("stopping what is being updated", "geni_stop", INPROGRESS, "geni_updating", sliver="changing")
acting("new users, but none named", "geni_update_users", BADARGS, "geni_users")
acting("taking back a change of users that is not under way", "geni_updating_users_cancel", UNSUPPORTED, "unknown operational action")


@case("an action that is a number", BADARGS, "action must be a string")
def _(w):
    return w.slice.action(7)


@case("an action on everything, of which only a part can", UNSUPPORTED, "geni_allocated")
def _(w):
    return w.slice.action("geni_restart")


@case("deleting one that is there and one that is not", SEARCHFAILED, "0 ")
def _(w):
    return w.slice.delete([w.running, w.running + "0"])


@case("updating to a sliver that is not named", BADARGS, "not in the list of URNs")
def _(w):
    return w.slice.update(w.slice.manifest().document, [w.running])


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_call_is_refused_in_words_and_changes_nothing(world, name):
    call, code, patterns, am_code = CASES[name]
    answer = call(world)
    world.check_unchanged()
    output = answer.refused(code, *patterns)
    if am_code is not None:
        assert answer.am_code == am_code, output
    # A refusal helps its reader, and is no place for the credential or a key.
    assert len(output) < 2000
    assert not re.search(r"[A-Za-z0-9+/]{60,}", output.replace("x" * 60, "")), output


# --- Each argument of each call, missing, surplus, and of every wrong type


def arguments(w: World) -> dict[str, list]:
    """One right call of each method."""
    urns = [w.running]
    own = w.slice.credentials
    return {
        "ListResources": [creds(w.user_credential), options()],
        "Allocate": [w.slice.urn, own, rspec.nodes("x"), {}],
        "Describe": [urns, own, options()],
        "Provision": [urns, own, options()],
        "Status": [urns, own, {}],
        "Renew": [urns, own, later(days=2), {}],
        "PerformOperationalAction": [urns, own, "geni_restart", {}],
        "Delete": [urns, own, {}],
        "Update": [urns, own, rspec.nodes("running"), {}],
        "Cancel": [urns, own, {}],
        "Shutdown": [w.slice.urn, own, {}],
    }


ARITY = {
    "ListResources": 2,
    "Allocate": 4,
    "Describe": 3,
    "Provision": 3,
    "Status": 3,
    "Renew": 4,
    "PerformOperationalAction": 4,
    "Delete": 3,
    "Update": 4,
    "Cancel": 3,
    "Shutdown": 3,
}


@pytest.mark.parametrize("method", ARITY)
def test_missing_and_surplus_arguments_are_named(world, method):
    # AM API v3: wrong arguments are an application's error, no Fault.
    right = arguments(world)[method]
    assert len(right) == ARITY[method]
    for count in range(len(right)):
        world.slice.client.call(method, *right[:count]).refused(BADARGS, f"{method} needs the argument")
    world.slice.client.call(method, *right, {}).refused(BADARGS, f"{method} takes {len(right)} arguments", "not " + str(len(right) + 1))
    world.check_unchanged()


WRONG = {
    "a number": 7,
    "a fraction": 0.5,
    "a truth": True,
    "a date": xmlrpc.client.DateTime("20300101T00:00:00"),
    "bytes": xmlrpc.client.Binary(b"\xff\x00"),
    "a list of lists": [[1], [2]],
    "a struct of structs": {"a": {"b": {}}},
}


@pytest.mark.parametrize("method", ARITY)
def test_arguments_of_wrong_types_are_refused(world, method):
    right = arguments(world)[method]
    for place in range(len(right)):
        for what, value in WRONG.items():
            if isinstance(right[place], dict) and isinstance(value, dict) and method not in NEEDS_RSPEC_VERSION:
                continue  # unknown options are ignored, as they have to be
            if method == "Renew" and place == 2 and what == "a date":
                continue  # taken where a time is wanted
            wrong = [*right[:place], value, *right[place + 1 :]]
            answer = world.slice.client.call(method, *wrong)
            assert answer.code == BADARGS, f"{what} as argument {place + 1}: {answer.code} {answer.output}"
    world.check_unchanged()


NEEDS_RSPEC_VERSION = {"ListResources", "Describe", "Provision"}


def test_unknown_members_and_options_are_ignored(world):
    # AM API v3: what is not known in a struct is no error.
    more = {"geni_unheard_of": {"a": [1]}, "other": True}
    own = [{**it, "comment": "mine", "geni_extra": 1} for it in world.slice.credentials]
    assert world.slice.client.call("Status", [world.slice.urn], own, more).code == SUCCESS


def test_one_good_credential_among_bad_ones_is_enough(world):
    # AM API v3, credentials: those that cannot be used are passed over.
    mixed = [credential("junk", "geni_abac", "1"), *creds("<broken", world.empty.credential), *world.slice.credentials]
    assert world.slice.status(credentials=mixed).code == SUCCESS


def test_credentials_as_clients_really_send_them(world):
    # Plain strings (as version 2 has them), base64 (geni-lib reads files as bytes), types in any case.
    xml = world.slice.credential
    for form in (xml, xmlrpc.client.Binary(xml.encode())):
        assert world.slice.status(credentials=[credential(form)]).code == SUCCESS
    assert world.slice.status(credentials=[xml]).code == SUCCESS
    for kind in ("GENI_SFA", "geni_unknown", " Geni_Unknown"):
        assert world.slice.status(credentials=[credential(xml, kind, "2")]).code == SUCCESS


def test_a_time_may_come_as_xml_rpc_has_it(world):
    # A dateTime.iso8601 has no zone, and is taken as UTC.
    moment = datetime(2026, 1, 2, 3, 4, 5)
    until = (datetime.now(timezone.utc) + timedelta(days=3)).replace(microsecond=0, tzinfo=None)
    before = world.state()
    (renewed,) = world.slice.renew(until, [world.running]).ok()
    assert renewed["geni_expires"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.slice.renew(moment, [world.running]).refused(OUTOFRANGE, "2026-01-02T03:04:05Z")
    old = before[0]["slivers"][world.running]["geni_expires"]
    world.slice.renew(old, [world.running]).ok()
    world.check_unchanged()


def test_slice_names_and_authorities_compare_in_any_case(world):
    # GENI identifiers: slice names and authorities are case-insensitive; sliver names are not.
    shouted = world.slice.urn.replace("am.test.example", "AM.Test.Example").replace("target", "TARGET")
    assert world.slice.status([shouted]).ok()["geni_slivers"] == world.slice.status().ok()["geni_slivers"]
    authority, name = world.running.rsplit("+", 1)
    world.slice.status([f"{authority}+{name.upper()}"]).refused(SEARCHFAILED)


def test_versions_and_urls_do_not_change_a_refusal(world):
    # The same cause gets the same code at every version.
    for path in ("/am/3.0", "/", "/am/4.0"):
        client = world.server.client(path=path)
        assert client.call("Status", ["target"], world.slice.credentials, {}).code == BADARGS
        assert client.call("Allocate", world.slice.urn, [], rspec.nodes("x"), {}).code == BADARGS
        assert client.call("Allocate", world.slice.urn, creds("none"), rspec.nodes("x"), {}).code == FORBIDDEN
        answer = client.call("Describe", [world.slice.urn], world.slice.credentials, {"geni_rspec_version": {**RSPEC_VERSION, "version": "9"}})
        assert answer.code == BADVERSION
