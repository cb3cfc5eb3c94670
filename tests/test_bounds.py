"""What one caller may cost: whoever holds a certificate, or even a credential, cannot take the service from the others."""

import gzip
import socket
import ssl
import threading
import urllib.parse

from harness import openssl, poll, rspec
from harness.client import KEY, RSPEC_VERSION, credential, ed25519_key, options, rsa_key, users
from harness.codes import BADARGS, BADVERSION, BUSY, FORBIDDEN, SEARCHFAILED, SUCCESS, TOOBIG


def answered(connection: ssl.SSLSocket) -> bool:
    """Whether anything came back on a connection, an answer or its end, without waiting for it."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    return True


def test_users_and_keys_are_bounded(server, slice):
    # Every node is told all users: their number and the size of their keys multiply with the slice.
    slice.allocate(rspec.nodes("a")).ok()
    before = slice.state()
    many = [(server.home.user_urn(f"u{n}"), [KEY]) for n in range(501)]
    slice.provision(geni_users=users(*many)).refused(BADARGS, "geni_users", "501", "500")
    long = [rsa_key(2900)] * 90
    slice.provision(geni_users=users((server.home.user_urn("alice"), long))).refused(BADARGS, "geni_users", "bytes")
    halves = [ed25519_key(n) for n in range(160)]
    alice = server.home.user_urn("alice")
    slice.provision(geni_users=users((alice, halves[:80]), (alice, halves[80:]))).refused(BADARGS, "160 keys")
    assert slice.state() == before
    slice.provision(geni_users=users(*many[:500])).ok()


def test_a_node_of_monstrous_size_is_refused(slice):
    interfaces = [f"a:if{n}" for n in range(257)]
    slice.allocate(rspec.request(rspec.node("a", interfaces=interfaces))).refused(TOOBIG, "257 interfaces", "256", "line")
    ends = [f"a:if{n}" for n in range(256)]
    slice.allocate(rspec.request(rspec.node("a", interfaces=ends))).ok()


def test_quoted_text_does_not_grow_the_answer_or_the_log(server, slice):
    before = server.log.stat().st_size
    version = dict(RSPEC_VERSION, type="x" * 1_000_000)
    output = slice.describe(geni_rspec_version=version).refused(BADVERSION, "RSpec type")
    assert len(output) < 3000
    assert server.log.stat().st_size - before < 10_000


def test_new_credentials_take_each_caller_a_share_of_the_processor(start_server):
    server = start_server(limits={"caller_processor_percent": 1})
    alice, bob = server.client("alice"), server.client("bob")
    urn = server.home.slice_urn("budget")
    good = server.home.slice_credential("budget")
    assert alice.call("Status", [urn], [credential(good)], {}).code == SEARCHFAILED

    def new(number):
        """The credential with something changed outside of what is signed: a text not seen before."""
        return credential(good.replace("</signatures>", f"<!-- {number} {'x' * 400_000} --></signatures>"))

    codes = []
    while BUSY not in codes and len(codes) < 500:
        codes.append(alice.call("Status", [urn], [new(len(codes))], {}).code)
    assert set(codes) == {SEARCHFAILED, BUSY}
    assert len(codes) > 3, "a few are everybody's"
    alice.call("Status", [urn], [new("more"), new("and more")], {}).refused(BUSY, "share of the processor", "seconds")
    # What is remembered costs nothing, and the others have their own share.
    last = new(len(codes) - 2)
    assert alice.call("Status", [urn], [last], {}).code == SEARCHFAILED
    assert bob.call("ListResources", [credential(server.home.user_credential("bob"))], options()).code == SUCCESS


def test_heaps_of_credentials_are_refused_before_anything_is_verified(server, slice):
    junk = credential("<signed-credential>" + "<a/>" * 100_000 + "</signed-credential>")
    slice.client.call("Status", [slice.urn], [junk] * 5, {}).refused(BADARGS, "credentials", "bytes")
    # Some junk beside a good credential does no harm.
    slice.allocate(rspec.nodes("a")).ok()
    assert slice.client.call("Status", [slice.urn], [junk, *slice.credentials], {}).code == SUCCESS


def test_slow_senders_of_large_requests_hold_up_only_themselves(server, slice):
    # So many places for large bodies as there are for all callers are taken, or tried to be, by one of them.
    url = urllib.parse.urlsplit(server.base_url)
    slow = []
    try:
        for _ in range(20):
            raw = socket.create_connection((url.hostname, url.port), timeout=10)
            connection = server.home.tls("bob").wrap_socket(raw, server_hostname=url.hostname)
            head = b"POST /am/3.0 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000000\r\n\r\n"
            connection.sendall(head + b" " * 400_000)
            slow.append(connection)
        large = rspec.request(rspec.node("a"), "<!--" + "x" * 500_000 + "-->")
        slice.allocate(large).ok()
        # It did not wait for a slow one to be given up.
        assert not any(answered(connection) for connection in slow)
    finally:
        for connection in slow:
            connection.close()


def test_gzip_that_never_comes_holds_no_place(server, slice):
    url = urllib.parse.urlsplit(server.base_url)
    idle = []
    try:
        for _ in range(20):
            raw = socket.create_connection((url.hostname, url.port), timeout=10)
            connection = server.home.tls("alice").wrap_socket(raw, server_hostname=url.hostname)
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n")
            idle.append(connection)
        body = gzip.compress(b"<?xml version='1.0'?><methodCall><methodName>GetVersion</methodName><params/></methodCall>")
        raw = socket.create_connection((url.hostname, url.port), timeout=20)
        with server.home.tls("alice").wrap_socket(raw, server_hostname=url.hostname) as connection:
            head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            assert connection.recv(12) == b"HTTP/1.1 200"
    finally:
        for connection in idle:
            connection.close()


def test_memory_of_very_large_calls_is_given_back(start_server):
    # Many values of few bytes each take several times the memory of their text.
    server = start_server()
    client = server.client()
    client.call("GetVersion")
    before = server.memory("VmRSS")
    large = {"ignored": [{"a": str(n)} for n in range(120_000)]}
    callers = [threading.Thread(target=server.client().call, args=("GetVersion", large)) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    taken = server.memory() - before
    assert taken > 100 << 10, "kB: these calls are large"

    def is_back():
        assert client.call("GetVersion").code == 0
        return server.memory("VmRSS") - before < taken // 3

    poll.until(is_back, "the memory being given back")


DS = "http://www.w3.org/2000/09/xmldsig#"
COSTLY = """<signed-credential><credential xml:id="a"/><signatures><Signature xmlns="{ds}"><SignedInfo>
<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<Reference URI="#a"><DigestMethod Algorithm="{ds}sha1"/><DigestValue>AAAA</DigestValue></Reference></SignedInfo>
<SignatureValue>AAAA</SignatureValue><KeyInfo><X509Data>{certificates}</X509Data></KeyInfo></Signature></signatures>
<!-- {number} --></signed-credential>"""


def test_credentials_that_cost_more_than_they_look_are_paid_for(start_server):
    # Twelve certificates with large keys: the text is small, and nothing tells the work before it is done.
    server = start_server(limits={"caller_processor_percent": 1})
    home, folder = server.home, server.home.folder
    openssl.openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-nodes", "-days", "2"),
        *("-subj", "/CN=x", "-keyout", folder / "large.key", "-out", folder / "large.pem"),
    )
    certificate = "".join((folder / "large.pem").read_text().split("-----")[2].split())
    certificates = f"<X509Certificate>{certificate}</X509Certificate>" * 12

    def costly(numbers):
        texts = (COSTLY.format(ds=DS, certificates=certificates, number=number) for number in numbers)
        return [credential(text) for text in texts]

    alice, bob = server.client("alice"), server.client("bob")
    alice.call("ListResources", costly([0]), options()).refused(FORBIDDEN, "signature refused")
    alice.call("ListResources", costly(range(1, 33)), options()).refused(BUSY, "share of the processor")
    assert bob.call("ListResources", [credential(home.user_credential("bob"))], options()).code == SUCCESS
