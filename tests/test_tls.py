"""Who may connect: TLS with client certificates, and connections that do not behave."""

import http.client
import re
import socket
import ssl
import threading
import time
import xmlrpc.client
from pathlib import Path

import pytest

from harness import binary, poll, rspec
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


@pytest.mark.parametrize("size", [20_000, 400_000])
@pytest.mark.parametrize("reason", ["unknown ca", "certificate expired", "certificate required"])
def test_an_alert_reaches_a_client_that_is_still_sending(server, authority, tmp_path, reason, size):
    # With TLS 1.3 the client sends its call before the server has seen its certificate. A connection closed with bytes
    # unread is reset, and the reset destroys the alert.
    shown = {
        "unknown ca": lambda: make(tmp_path, "stranger", user(server, "alice")),
        "certificate expired": lambda: make(
            tmp_path, "old", user(server), authority, days=("20200101000000Z", "20210101000000Z")
        ),
        "certificate required": lambda: None,
    }[reason]()
    context = showing(server, shown)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    for _ in range(12):
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
        with pytest.raises(ssl.SSLError) as refusal:
            connection.request("POST", "/am/3.0", b"x" * size)
            connection.getresponse()
        connection.close()
        # OpenSSL 3.0 has no words for alert 116.
        words = str(refusal.value).replace("_", " ").lower()
        assert reason in words or (reason == "certificate required" and "alert" in words), words


def test_a_refused_handshake_is_in_the_log_of_every_day(start_server, tmp_path):
    server = start_server()
    stranger = make(tmp_path, "stranger", user(server, "alice"))
    for _ in range(20):
        alert(server, stranger)
    lines = [line for line in server.log.read_text().splitlines() if "TLS handshake refused" in line]
    assert lines and all(" INFO " in line and "127.0.0.1:" in line and "UnknownIssuer" in line for line in lines)
    # Some a second are enough; the rest are counted.
    assert len(lines) < 20


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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_short_keys_are_accepted_only_by_configuration(server, authority, start_server, tmp_path, version):
    lenient = start_server(tls={"allow_1024_bit_keys": True})
    for bits in (1024, 1536):
        short = make(tmp_path, f"carol{bits}", user(server), authority, bits=bits)
        alert(server, short)
        context = showing(lenient, short)
        context.minimum_version = context.maximum_version = version
        assert lenient.client(tls=context).call("GetVersion").code == 0, bits
    # The key must be the certificate's: another one's signature is not taken because the key is short.
    shorter = make(tmp_path, "shorter", user(server), authority, bits=768)
    alert(lenient, shorter)


def test_a_certificate_that_is_not_for_clients_is_refused(server, authority, tmp_path):
    # RFC 5280, 4.2.1.3 and 4.2.1.12: where an extension limits what a key is for, that holds.
    for name, more in [
        ("host", "extendedKeyUsage=serverAuth"),
        ("cipher", "keyUsage=critical,keyEncipherment"),
    ]:
        said = alert(server, make(tmp_path, name, user(server), authority, more=more))
        assert "unsupported certificate" in said.replace("_", " ").lower(), said
    fit = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,emailProtection"
    carol = make(tmp_path, "carol", user(server), authority, more=fit)
    assert server.client(tls=showing(server, carol)).call("GetVersion").code == 0


def test_identifiers_with_long_arcs_do_no_harm(server, authority, tmp_path):
    # Authorities of Emulab and GENI write this method of access, whose arc has 128 bits, into all their certificates.
    more = "authorityInfoAccess=2.25.305821105408246119474742976030998643995;URI:https://ch.example.net/sa"
    below = make(
        tmp_path, "sub", f"urn:publicid:IDN+{server.home.authority}+authority+sub", authority, authority=True, more=more
    )
    carol = make(tmp_path, "carol", user(server), below, more=more)
    assert server.client(tls=showing(server, carol)).call("GetVersion").code == 0


def test_a_root_without_a_urn_is_trusted_only_by_configuration(new_home, start_server, tmp_path):
    root = make(tmp_path, "root", "https://ca.example.net/", authority=True)
    home = new_home()
    (home.folder / "trusted_roots" / "plain.pem").write_text(root.certificate.read_text())
    carol = make(tmp_path, "carol", "urn:publicid:IDN+other.example+user+carol", root)
    strict = start_server(home)
    alert(strict, carol)
    strict.stop()
    lenient = start_server(home, tls={"allow_authorities_without_urn": True})
    assert lenient.client(tls=showing(lenient, carol)).call("GetVersion").code == 0
    assert "allow_authorities_without_urn" in lenient.log.read_text()


def test_what_is_lax_is_said_at_start(server, start_server):
    warning = "credentials signed with SHA-1 are accepted"
    assert warning in server.log.read_text()
    strict = start_server(tls={"allow_sha1_credentials": False})
    assert warning not in strict.log.read_text()


def test_signers_are_named_for_roots_that_are_there(new_home):
    home = new_home()
    home.configure(tls={"credential_signers": {home.authority: ["sa", "boss"]}})
    binary.run("check", "--config", home.config)
    home.configure(tls={"credential_signers": {"elsewhere.example": ["sa"]}})
    refused = binary.run("check", "--config", home.config, check=False)
    assert refused.returncode != 0
    assert "elsewhere.example" in refused.stdout + refused.stderr


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


def begun(server, user="alice") -> ssl.SSLSocket:
    """A connection on which a request has begun and does not end: the server waits for its body."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection = server.home.tls(user).wrap_socket(plain, server_hostname="127.0.0.1")
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    return connection


def elsewhere(server, user="alice") -> int:
    """The status of a call from another address than all other connections of these tests."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=server.home.tls(user), timeout=60, source_address=("127.0.0.2", 0)
    )
    connection.request("POST", "/", xmlrpc.client.dumps((), "GetVersion"))
    return connection.getresponse().status


def test_more_connections_than_places_wait_for_theirs(start_server):
    server = start_server(limits={"connections": 4, "request_seconds": 600})
    holding = [begun(server) for _ in range(4)]
    try:
        answers = []
        caller = threading.Thread(target=lambda: answers.append(elsewhere(server)))
        caller.start()
        time.sleep(0.2)
        assert not answers, "there was no place"
        holding.pop().close()
        poll.until(lambda: answers == [200], "the waiting call being served")
        caller.join()
    finally:
        for connection in holding:
            connection.close()


def test_idle_connections_make_room_for_others(start_server):
    # One caller with as many idle connections as there are places keeps nobody out.
    server = start_server(limits={"connections": 6})
    holding = [connect(server) for _ in range(6)]
    assert server.client("bob").call("GetVersion").code == 0
    holding[0].settimeout(30)
    assert holding[0].recv(1) == b"", "the oldest was closed"
    for connection in holding:
        connection.close()


def test_a_caller_has_a_share_of_the_connections(start_server):
    server = start_server(limits={"connections": 40, "connections_per_caller": 2, "request_seconds": 600})
    busy = [begun(server), begun(server)]
    for _ in range(2):
        refused = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.home.tls(), timeout=30)
        refused.request("POST", "/", b"x" * 100_000)
        answer = refused.getresponse()
        assert answer.status == 503 and b"2 connections open" in answer.read()
    assert server.client("bob").call("GetVersion").code == 0
    busy.pop().close()
    # An idle one is closed for a new one.
    idle = connect(server)
    assert server.client().call("GetVersion").code == 0
    assert idle.recv(1) == b""
    busy.pop().close()


def test_an_address_has_a_share_of_the_connections(start_server):
    server = start_server(limits={"connections": 40, "connections_per_address": 3})
    holding = [begun(server) for _ in range(3)]
    with pytest.raises(REFUSED):
        connect(server).recv(1)
    assert elsewhere(server) == 200
    # A thread of its own writes the log, after the connection has been closed.
    told = "its address has too many connections open"
    poll.until(lambda: told in server.log.read_text(), "the line about the closed connection")
    for connection in holding:
        connection.close()

    def served():
        try:
            return server.client().call("GetVersion").code == 0
        except REFUSED:
            return False

    poll.until(served, "a place being free again")


def test_bare_connections_of_a_stranger_hold_up_nobody_elsewhere(start_server):
    # Many more than there are places, and not a byte of TLS on any of them.
    server = start_server(limits={"connections": 60})
    bare = []
    for _ in range(300):
        bare.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
    assert elsewhere(server) == 200
    # Those that have a place still have their time: nobody waited for it to end.
    log = server.log.read_text()
    assert "took too long" not in log and "given up" not in log
    for connection in bare:
        connection.close()


def test_room_is_made_for_as_many_open_files_as_connections_need(start_server):
    low = ["sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"]
    server = start_server(launcher=low, limits={"connections": 200})
    limits = Path(f"/proc/{server.pid}/limits").read_text()
    assert int(re.search(r"Max open files\s+(\d+)", limits)[1]) >= 200
    assert "needs more open files" not in server.log.read_text()


def test_too_few_open_files_are_said_at_start_and_lead_to_fewer_connections(start_server):
    low = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"]
    all_of_them = dict.fromkeys(("connections", "connections_per_address", "connections_per_caller"), 1000)
    server = start_server(launcher=low, limits=all_of_them, metrics={"listen": "127.0.0.1:0"})
    said = next(line for line in server.log.read_text().splitlines() if "needs more open files" in line)
    fewer = int(re.search(r"connections=(\d+)", said)[1])
    assert " WARN " in said and "allowed=300" in said and 10 < fewer < 50
    holding = [begun(server) for _ in range(fewer)]
    monitor = re.search(r"serving figures and health.*?127\.0\.0\.1:(\d+)", server.log.read_text())
    watching = http.client.HTTPConnection("127.0.0.1", int(monitor[1]), timeout=30)
    watching.request("GET", "/health")
    assert watching.getresponse().status == 200, "those who watch have places of their own"
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
