"""`am-server deltacloud`: the Deltacloud API for programs that were written for it."""

import base64
import importlib.util
import json
import signal
import subprocess
from xml.etree import ElementTree

import pytest

from harness import binary
from harness.cloud import DeltacloudServer


@pytest.fixture
def deltacloud():
    server = DeltacloudServer()
    yield server
    server.stop()


def test_the_python_client_takes_an_instance_through_its_life(deltacloud):
    if importlib.util.find_spec("deltacloud") is None:
        pytest.skip("the PyPI package deltacloud is not installed")
    import deltacloud as library

    assert not library.Deltacloud(deltacloud.url, "mockuser", "guess").valid_credentials()
    client = library.Deltacloud(deltacloud.url, "mockuser", "mockpassword")
    assert client.valid_credentials()
    assert [realm.id for realm in client.realms()] == ["us", "eu"]
    assert [profile.id for profile in client.hardware_profiles()] == ["m1-small", "m1-large", "m1-xlarge", "opaque"]
    assert [image.owner for image in client.images()] == ["fedoraproject", "fedoraproject", "mockuser"]
    assert [key.id for key in client.keys()] == ["test-key"]
    assert [one.id for one in client.instances()] == ["inst0", "inst1", "inst2", "inst3"]

    instance = client.create_instance("img1", {"name": "python", "realm_id": "eu", "hwp_id": "m1-large"})
    assert (instance.name, instance.state) == ("python", "RUNNING")
    assert instance.public_addresses == [{"address": f"img1.{instance.id}.public.com", "type": "hostname"}]
    assert not instance.destroy(), "it must be stopped first"
    assert instance.reboot() and instance.stop()
    assert instance.state == "STOPPED"
    assert instance.start() and instance.state == "RUNNING"
    assert instance.stop() and instance.destroy()
    assert instance.id not in [one.id for one in client.instances()]


def test_who_has_a_page_is_not_sent_it_again(deltacloud):
    status, headers, body = deltacloud.call("GET", "/realms")
    assert status == 200 and json.loads(body)["realms"][0]["id"] == "us"
    status, _, body = deltacloud.call("GET", "/realms", If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")


def test_a_browser_gets_pages_and_states_are_drawn(deltacloud):
    status, headers, body = deltacloud.call("GET", "/instances", Accept="text/html,*/*;q=0.8")
    assert status == 200 and headers.get_content_type() == "text/html"
    assert b"<title>instances</title>" in body
    status, headers, body = deltacloud.call("GET", "/instance_states?format=gv")
    assert headers.get_content_type() == "application/ghostscript"
    assert b'"stopped" -> "finish" [label="destroy"];' in body
    status, headers, picture = deltacloud.call("GET", "/instance_states?format=png")
    assert headers.get_content_type() == "image/png" and picture.startswith(b"\x89PNG\r\n")
    status, headers, drawing = deltacloud.call("GET", "/instance_states", Accept="image/svg+xml")
    assert headers.get_content_type() == "image/svg+xml"
    words = {text.text for text in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")}
    assert {"start", "finish", "destroy"} <= words
    _, _, page = deltacloud.call("GET", "/instance_states", Accept="text/html")
    assert drawing.strip() in page, "the page shows the drawing"


def test_strangers_learn_what_the_api_is_and_nothing_of_the_account(deltacloud):
    for path, status in [("", 200), ("/hardware_profiles", 200), ("/instances", 401), ("/keys", 401)]:
        answer = deltacloud.call("GET", path, Authorization="Basic bW9ja3VzZXI6d3Jvbmc=")
        assert answer[0] == status, path
        assert (status == 401) == ("WWW-Authenticate" in answer[1])


def test_careless_addresses_and_all_collections(deltacloud):
    for path, status in [("/", 200), ("//realms", 200), ("/realms/", 404)]:
        assert deltacloud.call("GET", path)[0] == status, path
    _, _, body = deltacloud.call("GET")
    offered = {link["rel"] for link in json.loads(body)["api"]["links"]}
    assert {"firewalls", "load_balancers", "instances", "buckets"} <= offered
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert deltacloud.call("POST", "/firewalls", b"name=web&description=d", **form)[0] == 201
    status, _, body = deltacloud.call("POST", "/instances", b"image_id=img1&firewalls1=web", **form)
    assert status == 201, body
    assert [one["id"] for one in json.loads(body)["instance"]["firewalls"]] == ["web"]


def test_failed_logins_are_slowed_and_logged_without_what_was_shown():
    server = DeltacloudServer()
    guesses = [f"guess-number-{number}" for number in range(200)]
    answers = []
    for guess in guesses:
        login = "Basic " + base64.b64encode(f"mockuser:{guess}".encode()).decode()
        answers.append(server.call("GET", "/instances", Authorization=login))
    statuses = [answer[0] for answer in answers]
    assert statuses[:10] == [401] * 10 and 429 in statuses
    assert int(next(answer[1]["Retry-After"] for answer in answers if answer[0] == 429)) in range(1, 7)
    assert server.call("GET", "/hardware_profiles")[0] == 200, "what needs no login goes on"
    server.process.send_signal(signal.SIGTERM)
    _, log = server.process.communicate(timeout=60)
    lines = [line for line in log.decode().splitlines() if "login to the Deltacloud API" in line]
    assert 2 <= len(lines) < len(guesses), log.decode()
    assert "127.0.0.1" in lines[0] and "mockuser" in lines[0]
    assert not any(guess in log.decode() for guess in guesses)


def test_plain_http_is_for_this_machine_only():
    command = [binary.path(), "deltacloud", "--listen", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "give it a certificate" in done.stderr


def test_a_file_keeps_what_was_made(tmp_path):
    file = str(tmp_path / "cloud.sqlite")
    first = DeltacloudServer("--database", file)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    status, headers, _ = first.call("POST", "/instances", b"image_id=img1&name=kept", **form)
    assert status == 201 and headers["Location"].startswith(first.url + "/instances/")
    first.stop()
    second = DeltacloudServer("--database", file)
    _, _, body = second.call("GET", "/instances?name=kept")
    assert [one["name"] for one in json.loads(body)["instances"]] == ["kept"]
    second.stop()


def test_a_large_blob_passes_in_little_memory(tmp_path):
    server = DeltacloudServer("--database", str(tmp_path / "cloud.sqlite"))
    pieces, piece = 96, bytes(range(256)) * 4096
    server.call("GET")
    idle = server.memory("VmHWM")

    def content():
        for _ in range(pieces):
            yield piece

    length = str(pieces * len(piece))
    headers = {"Content_Length": length, "Content_Type": "application/x-thing", "X_Deltacloud_Blobmeta_Author": "me"}
    status, _, body = server.call("PUT", "/buckets/bucket1/large", content(), **headers)
    assert status == 200, body
    assert json.loads(body)["blob"]["content_length"] == int(length)
    status, headers, _ = server.call("HEAD", "/buckets/bucket1/large")
    assert (status, headers["X-Deltacloud-Blobmeta-Author"]) == (204, "me")
    status, headers, body = server.call("GET", "/buckets/bucket1/large/content", Accept="*/*")
    assert (status, headers["Content-Type"], len(body)) == (200, "application/x-thing", int(length))
    assert body == piece * pieces
    assert server.memory("VmHWM") - idle < 64 * 1024, "the content was held in memory"
    server.stop()
