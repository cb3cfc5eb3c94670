"""HTTP/1.1 and XML-RPC around the calls: what is read, what is refused, what is sent."""

import gzip
import http.client
import socket
import xmlrpc.client

import pytest

from harness import rspec
from harness.client import credential, options

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)).replace("&a0;", "&a;")
    + "]>"
)
# The bound on a request's size that the tests of sizes use.
BODY = 1 << 20


class Raw:
    """A connection on which any request can be sent."""

    def __init__(self, server):
        self.connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.home.tls(), timeout=60)

    def send(self, body, path="/am/3.0", method="POST", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        answer.content = answer.read()
        return answer

    def fault(self, body, path="/am/3.0"):
        """The Fault that a body is answered with."""
        answer = self.send(body, path)
        assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/xml")
        with pytest.raises(xmlrpc.client.Fault) as fault:
            xmlrpc.client.loads(answer.content)
        return fault.value

    def call(self, body, **headers):
        """The return struct that a body is answered with."""
        answer = self.send(body, **headers)
        assert answer.status == 200, answer.content
        content = gzip.decompress(answer.content) if answer.getheader("Content-Encoding") == "gzip" else answer.content
        return xmlrpc.client.loads(content)[0][0]


@pytest.fixture(scope="module")
def small(new_home):
    """A server that takes requests of one MiB at most."""
    from harness import Server

    server = Server(new_home(), limits={"body_bytes": BODY})
    yield server
    try:
        server.stop()
    finally:
        server.kill()


@pytest.fixture
def raw(server):
    return Raw(server)


def get_version() -> bytes:
    return xmlrpc.client.dumps((), "GetVersion").encode()


def test_answers_are_plain_xml_rpc(server):
    # AM API v3: integers, booleans, strings, structs and arrays; no nil, no dates, no base64.
    slice = server.slice()
    slice.allocate(rspec.pair()).ok()
    for method, arguments in [
        ("GetVersion", ()),
        ("Describe", ([slice.urn], slice.credentials, options(geni_compressed=True))),
        ("Status", ([slice.urn], slice.credentials, {})),
        ("Status", ([slice.urn], [], {})),
    ]:
        answer = Raw(server).send(xmlrpc.client.dumps(arguments, method).encode())
        assert answer.status == 200 and answer.getheader("Content-Type") == "text/xml; charset=utf-8"
        for unwanted in (b"<nil", b"dateTime", b"base64>", b"<double", b"<i8>", b"<!DOCTYPE"):
            assert unwanted not in answer.content
    slice.delete().ok()


def test_one_connection_carries_many_calls(raw):
    first = raw.call(get_version())
    socket = raw.connection.sock
    for _ in range(5):
        assert raw.call(get_version()) == first
    assert raw.fault(b"<a/>").faultCode == -32700
    assert raw.send(b"", method="GET", path="/nothing").status == 404
    assert raw.call(get_version()) == first
    assert raw.connection.sock is socket


def test_gzip_is_taken_and_given(server, raw):
    asked = xmlrpc.client.dumps(([credential(server.home.user_credential("alice"))], options()), "ListResources").encode()
    plain = raw.send(asked)
    assert plain.getheader("Content-Encoding") is None
    packed = raw.send(gzip.compress(asked), Content_Encoding="gzip", Accept_Encoding="gzip, deflate")
    assert packed.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2
    refused = raw.send(asked, Accept_Encoding="gzip;q=0")
    assert refused.getheader("Content-Encoding") is None


@pytest.mark.parametrize(
    "body, headers, status",
    [
        (b"not gzip at all", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(get_version(), mtime=0)[:20], {"Content_Encoding": "gzip"}, 400),
        (get_version(), {"Content_Encoding": "br"}, 415),
    ],
)
def test_encodings_that_cannot_be_read_are_refused(server, body, headers, status):
    assert Raw(server).send(body, **headers).status == status
    assert server.client().call("GetVersion").code == 0


def test_a_body_that_is_too_large_is_refused(small):
    call = get_version()
    assert Raw(small).send(call + b" " * (BODY - len(call))).status == 200, "exactly the bound is taken"
    assert Raw(small).send(call + b" " * (BODY - len(call) + 1)).status == 413
    assert small.client().call("GetVersion").code == 0


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(small):
    connection = http.client.HTTPSConnection("127.0.0.1", small.port, context=small.home.tls(), timeout=60)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_body_in_chunks_without_end_is_refused(small):
    connection = http.client.HTTPSConnection("127.0.0.1", small.port, context=small.home.tls(), timeout=60)

    def endless():
        while True:
            yield b" " * 65536

    try:
        connection.request("POST", "/", endless(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    except (ConnectionError, OSError):
        return  # the server hung up in the middle, before its answer could be read
    assert connection.getresponse().status == 413


def test_a_gzip_bomb_is_refused_in_bounded_memory(small):
    bomb = gzip.compress(b" " * (300 << 20), compresslevel=9)
    assert len(bomb) < BODY
    before = small.memory()
    for _ in range(3):
        assert Raw(small).send(bomb, Content_Encoding="gzip").status == 413
    assert small.memory() - before < 50 << 10, "kB"
    assert small.client().call("GetVersion").code == 0


def test_a_large_body_within_the_bound_is_read(small):
    # Nothing is lost between the pieces of a large request.
    slice = small.slice()
    filler = "<x:note>" + "word " * 150_000 + "</x:note>"
    document = rspec.request(rspec.node("x", filler), attributes='xmlns:x="http://example.net/x"')
    assert len(document) > 700_000
    answer = slice.allocate(document).ok()
    assert "word " * 150_000 in answer["geni_rspec"]
    slice.delete().ok()


@pytest.mark.parametrize(
    "name, body",
    [
        ("nothing", b""),
        ("words", b"hello"),
        ("binary", bytes(range(256))),
        ("another document", b"<html><body/></html>"),
        ("half a call", get_version()[:-20]),
        ("two calls", get_version() + get_version()),
        ("a response", xmlrpc.client.dumps(({},), methodresponse=True).encode()),
        ("no method name", b"<methodCall><params/></methodCall>"),
        ("an unknown kind of value", b"<methodCall><methodName>Status</methodName><params><param><value><float128>1</float128></value></param></params></methodCall>"),
        ("a number that is none", b"<methodCall><methodName>Status</methodName><params><param><value><int>one</int></value></param></params></methodCall>"),
        ("a character XML cannot carry", get_version().replace(b"GetVersion", b"Get\x00Version")),
        ("another encoding", get_version().decode().encode("utf-16")),
        ("a document type", BOMB.encode() + get_version().split(b"?>")[1]),
        ("an entity from a file", b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><methodCall><methodName>&x;</methodName></methodCall>'),
        ("elements without end", b"<methodCall><methodName>Status</methodName><params><param>" + b"<value><array><data>" * 50_000),
        ("deep nesting", b"<methodCall><methodName>Status</methodName><params><param>" + b"<value><array><data>" * 20_000 + b"</data></array></value>" * 20_000 + b"</param></params></methodCall>"),
    ],
)
def test_what_is_no_call_gets_a_fault(server, name, body):
    # AM API v3: a Fault for what the RPC layer cannot read; it quotes nothing of the request.
    fault = Raw(server).fault(body)
    assert fault.faultCode < 0 and "not " in fault.faultString
    assert "root:" not in fault.faultString and len(fault.faultString) < 300
    assert server.client().call("GetVersion").code == 0


@pytest.mark.parametrize("method", ["CreateSliver", "getversion", "system.listMethods", "", "Allo cate", "x" * 5000])
def test_an_unknown_method_gets_a_fault_that_names_the_known_ones(server, method):
    body = f"<methodCall><methodName>{method}</methodName><params/></methodCall>".encode()
    fault = Raw(server).fault(body)
    assert fault.faultCode in (-32601, -32700)
    if method.strip().isalpha():
        assert "GetVersion" in fault.faultString and len(fault.faultString) < 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_post_is_a_call(raw, method):
    answer = raw.send(None, method=method)
    assert answer.status == 405 and answer.getheader("Allow") == "POST"


LONG = b"x" * 200_000


@pytest.mark.parametrize(
    "path, method, headers, status",
    [
        ("/nothing/here", "POST", {}, 404),
        ("/am/3.0", "PUT", {}, 405),
        ("/am/3.0", "POST", {"Content-Encoding": "deflate"}, 415),
        ("/am/3.0", "POST", {"Host": "a b"}, 400),
        ("/am/3.0", "POST", {f"X-{n}": "x" for n in range(100)}, 431),
    ],
)
def test_a_refusal_reaches_a_client_that_is_still_sending(server, path, method, headers, status):
    # Closed with bytes unread, the connection would be reset, and the answer destroyed.
    for _ in range(12):
        raw = Raw(server).connection
        raw.request(method, path, LONG, headers)
        assert raw.getresponse().status == status
        raw.close()


def test_what_is_no_http_is_told_so_while_it_is_still_sent(server):
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
            with server.home.tls().wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"\x00nonsense" + LONG)
                assert connection.recv(12) == b"HTTP/1.1 400"


def test_an_expired_caller_is_told_so_while_still_sending(start_server):
    server = start_server()
    raws = [Raw(server) for _ in range(6)]
    assert all(raw.send(get_version()).status == 200 for raw in raws)
    server.set_clock_ahead(20 * 365 * 86400)
    for raw in raws:
        raw.connection.request("POST", "/am/3.0", LONG)
        assert raw.connection.getresponse().status == 403


@pytest.mark.parametrize(
    "version, hosts, status",
    [
        ("1.1", ["x"], 200),
        ("1.1", ["127.0.0.1:12369"], 200),
        ("1.1", [], 400),
        ("1.1", ["x", "x"], 400),
        ("1.1", ["x", "y"], 400),
        ("1.1", [""], 400),
        ("1.1", ["x/y"], 400),
        ("1.0", [], 200),
        ("1.0", ["x", "y"], 400),
    ],
)
def test_a_request_names_one_host(server, version, hosts, status):
    # RFC 9112, 3.2: programs on the way disagree about which of two would count.
    body = get_version()
    head = f"POST /am/3.0 HTTP/{version}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    head += "".join(f"Host: {host}\r\n" for host in hosts) + "\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
        with server.home.tls().wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == status
            if status == 400:
                assert b"Host" in answer.read()


@pytest.mark.parametrize("url", ["", "/", "/RPC2", "/xmlrpc/am/3.0"])
def test_stock_clients_need_no_path(server, url):
    # XML-RPC libraries send a call for a URL without a path to /RPC2; monitors know /xmlrpc/am/3.0.
    proxy = xmlrpc.client.ServerProxy(server.base_url + url, context=server.home.tls())
    assert proxy.GetVersion()["geni_api"] == 3


@pytest.mark.parametrize("path", ["/am/2.0", "/am", "/api", "/am/3.0/x", "/am/3.0/../4.0", "//x", "/%61m/3.0"])
def test_there_is_nothing_at_other_paths(raw, path):
    answer = raw.send(get_version(), path=path)
    assert answer.status == 404 and b"/am/3.0" in answer.content


@pytest.mark.parametrize("path, api", [("/am/3.0/", 3), ("/", 3), ("/am/4.0/", 4), ("/am/4.0?x=1", 4)])
def test_a_slash_or_a_query_does_not_matter(raw, path, api):
    answer = raw.send(get_version(), path=path)
    assert xmlrpc.client.loads(answer.content)[0][0]["geni_api"] == api


def test_values_are_read_in_all_usual_spellings(server, slice):
    # XML-RPC: a value without a type is a string, i4 is int; clients send 0 and 1 for booleans, and text as base64.
    slice.allocate(rspec.nodes("x")).ok()
    secret = slice.credential.replace("&", "&amp;").replace("<", "&lt;")
    call = f"""<?xml version='1.0'?>
    <methodCall> <methodName>Describe</methodName> <params>
      <param><value><array><data><value>{slice.urn}</value></data></array></value></param>
      <param><value><array><data><value><struct>
        <member><name>geni_type</name><value>geni_sfa</value></member>
        <member><name>geni_version</name><value><i4>3</i4></value></member>
        <member><name>geni_value</name><value><string>{secret}</string></value></member>
      </struct></value></data></array></value></param>
      <param><value><struct>
        <member><name>geni_rspec_version</name><value><struct>
          <member><name>type</name><value>GENI</value></member>
          <member><name>version</name><value><int>3</int></value></member>
        </struct></value></member>
        <member><name>geni_compressed</name><value><boolean>0</boolean></value></member>
        <member><name>geni_cancelled</name><value><i4>0</i4></value></member>
      </struct></value></param>
    </params></methodCall>"""
    answer = Raw(server).call(call.encode())
    assert answer["code"]["geni_code"] == 0, answer["output"]
    assert answer["value"]["geni_rspec"].lstrip().startswith("<")
    packed = [credential(xmlrpc.client.Binary(slice.credential.encode()))]
    assert slice.client.call("Status", [slice.urn], packed, {"geni_best_effort": 1}).code == 0


def test_dialects_of_clients_are_understood(server, slice):
    # Apache's Java client writes its own types in a namespace; PHP and Lua write an empty struct as an empty array.
    java = f"""<?xml version="1.0" encoding="UTF-8"?>
    <methodCall xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"><methodName> GetVersion </methodName>
    <params><param><value><struct>
      <member><name>call_id</name><value><ex:nil/></value></member>
      <member><name>serial</name><value><ex:i8>5</ex:i8></value></member>
    </struct></value></param></params></methodCall>"""
    assert Raw(server).call(java.encode())["code"]["geni_code"] == 0
    slice.allocate(rspec.nodes("x")).ok()
    secret = slice.credential.replace("&", "&amp;").replace("<", "&lt;")
    call = f"""
    <?xml version="1.0"?>
    <methodCall><methodName>Status</methodName><params>
      <param><value><array><data><value>{slice.urn}</value></data></array></value></param>
      <param><value><array><data><value><struct>
        <member><name> geni_type</name><value>geni_sfa</value></member>
        <member><name>geni_value
        </name><value>{secret}</value></member>
      </struct></value></data></array></value></param>
      <param><value>OPTIONS</value></param>
    </params></methodCall>"""
    for options in (
        "<array><data/></array>",
        "<struct><member><name>geni_best_effort</name><value><boolean>true</boolean></value></member></struct>",
    ):
        answer = Raw(server).call(call.replace("OPTIONS", options).encode())
        assert answer["code"]["geni_code"] == 0, answer["output"]
    refused = Raw(server).call(call.replace("OPTIONS", "<array><data><value/></data></array>").encode())
    assert refused["code"]["geni_code"] == 1


def test_white_space_before_an_rspecs_declaration_does_no_harm(slice):
    document = rspec.nodes("x")
    assert document.startswith("<?xml ")
    slice.allocate("\n" + document).ok()


def test_what_xml_cannot_carry_comes_back_in_a_readable_answer(server):
    # A message quotes what was sent; the answer has to stay XML.
    body = xmlrpc.client.dumps((["urn:\x7f\ud7ff<&>\u2028"], [], {}), "Status").encode()
    answer = Raw(server).call(body)
    assert answer["code"]["geni_code"] == 1 and answer["output"]


def test_faults_and_refusals_leave_memory_alone(small):
    # A stream of bad requests costs nothing that stays.
    raw = Raw(small)
    junk = b"<methodCall>" + b"<x>" * 200_000
    raw.fault(junk)
    before = small.memory("VmRSS")
    for _ in range(50):
        raw.fault(junk)
    assert small.memory("VmRSS") - before < 60 << 10, "kB"
