"""Who may connect: TLS with client certificates, and connections that do not behave."""

import re
import socket
import ssl
import threading
import time
import xmlrpc.client

import pytest

from harness import poll, rspec
from harness.openssl import Identity, make

# Nothing goes through after one of these.
REFUSED = (ssl.SSLError, ConnectionError, OSError)


@pytest.fixture(scope="module")
def authority(server) -> Identity:
    """The development authority, for certificates it would not make itself."""
    folder = server.home.folder / "authority"
    return Identity(folder / "cert.pem", folder / "key.pem")


def user(server, name="carol"):
    return server.home.user_urn(name)


def showing(server, identity: Identity | None) -> ssl.SSLContext:
    """A client's TLS that shows this certificate, however weak."""
    context = server.home.tls(user=None)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if identity:
        context.load_cert_chain(str(identity.certificate), str(identity.key))
    return context


def alert(server, identity: Identity | None) -> str:
    """The TLS alert that a handshake with this certificate gets, in OpenSSL's words."""
    context = showing(server, identity)
    with pytest.raises(REFUSED) as refusal:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                # With TLS 1.3 the client learns only from its first reading that it was refused.
                connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                if not connection.recv(1):
                    raise ConnectionError("closed")
    return str(refusal.value)


def test_a_certificate_of_the_authority_is_let_in(server, authority, tmp_path):
    carol = make(tmp_path, "carol", user(server), authority)
    assert server.client(tls=showing(server, carol)).call("GetVersion").code == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_current_versions_of_tls_are_spoken(server, version):
    context = server.home.tls()
    context.minimum_version = context.maximum_version = version
    assert server.client(tls=context).call("GetVersion").code == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_not_spoken(server):
    context = server.home.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(REFUSED):
        server.client(tls=context).call("GetVersion")


def test_without_a_certificate_there_is_no_call(server):
    # AM API v3, authentication: a client certificate is required; who has none never reaches XML-RPC.
    assert re.search("(?i)certificate.required|handshake", alert(server, None))


def test_an_unknown_authority_gets_alert_48(server, tmp_path):
    # Omni looks for this alert to tell its user what is wrong.
    stranger = make(tmp_path, "stranger", user(server, "alice"))
    assert "unknown ca" in alert(server, stranger).replace("_", " ").lower()


def test_an_authority_of_the_same_name_but_another_key_is_unknown(server, tmp_path):
    urn = f"urn:publicid:IDN+{server.home.authority}+authority+sa"
    false_authority = make(tmp_path, "sa", urn, authority=True)
    impostor = make(tmp_path, "alice", user(server, "alice"), false_authority)
    assert "unknown ca" in alert(server, impostor).replace("_", " ").lower()


def test_an_expired_certificate_gets_alert_45(server, authority, tmp_path):
    # Omni looks for this alert, too.
    old = make(tmp_path, "old", user(server), authority, days=("20200101000000Z", "20210101000000Z"))
    assert "certificate expired" in alert(server, old).replace("_", " ").lower()


def test_a_certificate_of_the_future_is_refused(server, authority, tmp_path):
    early = make(tmp_path, "early", user(server), authority, days=("20900101000000Z", "20910101000000Z"))
    alert(server, early)


def test_a_certificate_without_a_urn_is_refused(server, authority, tmp_path):
    # GENI certificates: the URN in subjectAltName is the identity; a common name is none.
    alert(server, make(tmp_path, "alice", "https://example.net/alice", authority))


def test_a_user_of_another_authority_cannot_be_vouched_for(server, authority, tmp_path):
    # GENI certificates: an authority speaks for its own names and those below.
    alert(server, make(tmp_path, "mallory", "urn:publicid:IDN+other.example+user+mallory", authority))


def test_a_user_cannot_issue_certificates(server, authority, tmp_path):
    carol = make(tmp_path, "carol", user(server), authority)
    alert(server, make(tmp_path, "dave", user(server, "dave"), carol))


def test_sha1_signatures_are_accepted_only_by_configuration(server, authority, start_server, tmp_path):
    weak = make(tmp_path, "carol", user(server), authority, digest="sha1")
    alert(server, weak)
    lenient = start_server(tls={"allow_sha1_certificates": True})
    assert lenient.client(tls=showing(lenient, weak)).call("GetVersion").code == 0


def test_a_header_makes_nobody_somebody_else(server, new_slice):
    # The certificate is the only source of the caller's identity, whatever proxies elsewhere may send.
    slice = new_slice(owner="alice")
    headers = [
        ("X-Fed4Fire-User", server.home.user_urn("alice")),
        ("X-SSL-Client-Cert", (server.home.user("alice") / "cert.pem").read_text().replace("\n", " ")),
        ("X-Forwarded-User", "alice"),
        ("SSL_CLIENT_S_DN", "CN=alice"),
    ]
    proxy = xmlrpc.client.ServerProxy(server.url(), context=server.home.tls("bob"), headers=headers)
    answer = proxy.Allocate(slice.urn, slice.credentials, rspec.nodes("x"), {})
    assert answer["code"]["geni_code"] == 3
    assert slice.slivers() == {}


# Connections that do not behave


def connect(server) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return server.home.tls().wrap_socket(plain, server_hostname="127.0.0.1")


def test_idle_slow_and_half_open_connections_cost_the_others_nothing(server, slice):
    strange = []
    # Connected, and not a byte of TLS.
    strange += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    # Half a greeting.
    for _ in range(20):
        plain = socket.create_connection(("127.0.0.1", server.port))
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        strange.append(plain)
    # Through the handshake, and silent; a header without an end; a body that never comes.
    strange += [connect(server) for _ in range(20)]
    for part in (b"POST /am/3.0 HTTP/1.1\r\nHost: x\r\nX-", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n<"):
        for _ in range(20):
            connection = connect(server)
            connection.sendall(part)
            strange.append(connection)
    # Gone without a word.
    for _ in range(20):
        connect(server).close()
    client = server.client()
    for _ in range(20):
        assert client.call("GetVersion").code == 0
    slice.allocate(rspec.nodes("x")).ok()
    for connection in strange:
        connection.close()


def test_a_call_that_comes_byte_by_byte_is_answered(server):
    body = xmlrpc.client.dumps((), "GetVersion").encode()
    request = b"POST /am/3.0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    answers = []

    def slowly():
        with connect(server) as connection:
            for byte in request:
                connection.sendall(bytes([byte]))
            answer = b""
            while part := connection.recv(65536):
                answer += part
            answers.append(answer)

    threads = [threading.Thread(target=slowly) for _ in range(8)]
    for thread in threads:
        thread.start()
    client = server.client()
    while any(thread.is_alive() for thread in threads):
        assert client.call("GetVersion").code == 0
    assert len(answers) == 8 and all(b"geni_api" in answer for answer in answers)


def test_slow_requests_end_after_the_configured_time(start_server):
    # Bounds on a handshake, on headers and on a body, so that nobody can hold places for ever.
    server = start_server(limits={"request_seconds": 1, "idle_seconds": 1})
    silent = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    waiting = connect(server)
    started = connect(server)
    started.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n<")
    assert silent.recv(1) == b"", "a handshake that never begins ends"
    assert waiting.recv(1) in (b"",), "an idle connection ends"
    answer = b""
    while part := started.recv(65536):
        answer += part
    assert answer.startswith(b"HTTP/1.1 408"), "a body that never comes is given up"
    assert server.client().call("GetVersion").code == 0


def test_more_connections_than_places_wait_for_theirs(start_server):
    server = start_server(limits={"connections": 4})
    holding = [connect(server) for _ in range(4)]
    answers = []
    caller = threading.Thread(target=lambda: answers.append(server.client().call("GetVersion")))
    caller.start()
    time.sleep(0.2)
    assert not answers, "there was no place"
    holding.pop().close()
    poll.until(lambda: answers, "the waiting call being served")
    caller.join()
    for connection in holding:
        connection.close()


def test_stopping_lets_calls_under_way_finish(start_server):
    # A graceful stop: no new connections, and no request is left without its answer.
    server = start_server()
    slices = [server.slice(f"stop{n}") for n in range(4)]
    document = rspec.nodes(*(f"n{n}" for n in range(20)))
    answers = {}

    def run(slice):
        try:
            answers[slice.name] = slice.allocate(document).code
        except REFUSED:
            answers[slice.name] = None

    threads = [threading.Thread(target=run, args=(slice,)) for slice in slices]
    for thread in threads:
        thread.start()
    poll.until(lambda: answers, "a first answer")
    server.stop()
    for thread in threads:
        thread.join()
    server.start()
    for slice in slices:
        count = len(slice.reconnect().slivers())
        assert count == (20 if answers[slice.name] == 0 else 0)
