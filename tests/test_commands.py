"""The command line: init, credential, check, demo, serve."""

import os
import re
import shutil
import signal
import stat
import subprocess
import tomllib

import pytest

from harness import Home, binary, poll, rspec
from harness.openssl import make, openssl


def content(folder):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def test_init_makes_a_whole_folder(tmp_path):
    done = binary.run("init", "--dir", tmp_path / "am", "--authority", "am.example.com", "--listen", "127.0.0.1:4321")
    names = ["am.toml", "omni_config", "request.rspec", "server-cert.pem", "trusted_roots/development.pem"]
    names += [f"users/{user}/{file}" for user in ("alice", "bob") for file in ("cert.pem", "key.pem", "user-cred.xml")]
    for name in names:
        assert (tmp_path / "am" / name).is_file(), name
        assert name in done.stdout
    assert 'authority = "am.example.com"' in (tmp_path / "am/am.toml").read_text()
    assert "127.0.0.1:4321" in (tmp_path / "am/am.toml").read_text()
    omni = (tmp_path / "am/omni_config").read_text()
    assert "https://127.0.0.1:4321/am/3.0" in omni and str(tmp_path / "am/users/alice/cert.pem") in omni
    rspec.validate((tmp_path / "am/request.rspec").read_text(), "request")


def test_init_for_a_service_that_others_reach_trusts_nobody_unasked(tmp_path):
    folder = tmp_path / "am"
    done = binary.run("init", "--dir", folder, "--authority", "am.example.net", "--listen", "192.0.2.7:12369")
    made = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert made == {"am.toml", "request.rspec", "server-cert.pem", "server-key.pem"}
    settings = tomllib.loads((folder / "am.toml").read_text())
    assert settings["aggregate"]["url"] == "https://am.example.net:12369"
    text = openssl("x509", "-in", folder / "server-cert.pem", "-noout", "-subject", "-ext", "subjectAltName", "-fingerprint", "-sha256")
    assert re.search(r"CN ?= ?am\.example\.net", text) and re.findall(r"(?:DNS|IP Address):\S+", text) == ["DNS:am.example.net"]
    # What is missing, how to go on, and what a federation wants to know.
    for words in ("trusted_roots", "--development", '"mock"', "am-server check --config", "am-server serve --config"):
        assert words in done.stdout, done.stdout
    fingerprint = re.search(r"Fingerprint=(\S+)", text)[1]
    for words in ("urn:publicid:IDN+am.example.net+authority+am", "https://am.example.net:12369/am/3.0", fingerprint):
        assert words in done.stdout, done.stdout
    # As it stands nobody can call, and it says so.
    check = binary.run("check", "--config", folder / "am.toml", check=False)
    assert check.returncode == 1 and "nobody can call" in check.stderr and check.stderr.count("\n  - ") == 1
    # Again, without saying anything but where: what was decided stays.
    again = binary.run("init", "--dir", folder)
    assert "nothing was changed" in again.stdout and "Put the root certificates" in again.stdout
    assert not (folder / "trusted_roots/development.pem").exists()
    done = binary.run("credential", "slice", "--dir", folder, "--slice", "s", "--owner", "alice", check=False)
    assert done.returncode != 0 and "no development authority" in done.stderr and "--development" in done.stderr
    # Asked for, there is one; and a warning with it.
    binary.run("init", "--dir", folder, "--development")
    assert (folder / "users/alice/user-cred.xml").is_file()
    assert "am.example.net+user+alice" in openssl("x509", "-in", folder / "users/alice/cert.pem", "-noout", "-ext", "subjectAltName")
    check = binary.run("check", "--config", folder / "am.toml")
    assert "needs attention" in check.stdout and "development authority" in check.stdout
    (folder / "trusted_roots/development.pem").unlink()
    binary.run("init", "--dir", folder)
    assert not (folder / "trusted_roots/development.pem").exists(), "an operator took it away"


def test_init_does_not_guess_what_a_broken_configuration_means(tmp_path):
    folder = tmp_path / "am"
    binary.run("init", "--dir", folder, "--authority", "am.example.net", "--listen", "192.0.2.7:12369")
    before = content(folder)
    config = folder / "am.toml"
    for text in ("[aggregate", "", config.read_text().replace("192.0.2.7:12369", "everywhere")):
        config.write_text(text)
        done = binary.run("init", "--dir", folder, check=False)
        assert done.returncode == 1 and "am.toml" in done.stderr and "panicked" not in done.stderr
        assert set(content(folder)) == set(before), "nobody is trusted by mistake"


def test_init_on_this_machine_says_how_to_go_on(tmp_path):
    done = binary.run("init", "--dir", tmp_path / "am")
    for words in ("am-server check", "am-server serve", "am-server credential slice", "alice"):
        assert words in done.stdout
    assert "Mend" not in done.stdout and "Put the root" not in done.stdout
    assert "is good" in binary.run("check", "--config", tmp_path / "am/am.toml", "--strict").stdout


@pytest.mark.parametrize("authority", ["192.0.2.7", "localhost", "am"])
def test_an_authority_that_is_no_name_is_warned_of(tmp_path, authority):
    done = binary.run("init", "--dir", tmp_path, "--authority", authority)
    assert "aggregate.authority" in done.stdout
    config = tmp_path / "am.toml"
    assert "aggregate.authority" in binary.run("check", "--config", config).stdout
    assert binary.run("check", "--config", config, "--strict", check=False).returncode == 1


def test_clients_are_never_sent_to_their_own_machine(start_server, new_home):
    home = new_home()
    told = {}
    for authority, url in (("am.example.net", None), ("am.example.net", "https://localhost:9"), ("am.test.example", "https://[::1]:9")):
        home.configure(aggregate={"authority": authority, **({"url": url} if url else {})})
        found = binary.run("check", "--config", home.config).stdout
        assert ("aggregate.url" in found) == bool(url), found
        server = start_server(home)
        told[authority, url] = server.client().call("GetVersion").value["geni_api_versions"]["3"]
        port = server.port
        server.stop()
        if url is None:
            assert told[authority, url] == f"https://am.example.net:{port}/am/3.0"
    assert told["am.example.net", "https://localhost:9"] == "https://am.example.net:9/am/3.0"
    # Without a name there is nothing better to tell.
    assert told["am.test.example", "https://[::1]:9"] == "https://[::1]:9/am/3.0"


def test_init_again_changes_nothing(new_home):
    home = new_home()
    before = content(home.folder)
    done = binary.run("init", "--dir", home.folder, "--authority", "another.example", "--listen", "127.0.0.1:1")
    assert "nothing was changed" in done.stdout
    assert content(home.folder) == before


def test_init_makes_good_what_is_missing(new_home):
    home = new_home()
    (home.folder / "request.rspec").unlink()
    before = content(home.folder)
    binary.run("init", "--dir", home.folder)
    after = content(home.folder)
    assert {file: after[file] for file in before} == before
    assert set(after) - set(before) == {home.folder / "request.rspec"}


PAIRS = [("authority/cert.pem", "authority/key.pem"), ("server-cert.pem", "server-key.pem"), ("users/bob/cert.pem", "users/bob/key.pem")]


@pytest.mark.parametrize("certificate, key", PAIRS)
def test_init_goes_on_where_it_was_broken_off(new_home, certificate, key):
    home = new_home()
    kept = (home.folder / key).read_bytes()
    if certificate.startswith("authority"):
        # All that an authority signed goes with it.
        for file in [*home.folder.rglob("*cert.pem"), *home.folder.rglob("development.pem"), *home.folder.rglob("*-cred.xml")]:
            file.unlink()
    else:
        (home.folder / certificate).unlink()
    binary.run("init", "--dir", home.folder, "--authority", home.authority)
    assert (home.folder / key).read_bytes() == kept
    public = [
        subprocess.run(["openssl", *command], cwd=home.folder, check=True, capture_output=True).stdout
        for command in (["x509", "-in", certificate, "-pubkey", "-noout"], ["pkey", "-in", key, "-pubout"])
    ]
    assert public[0] == public[1], "a certificate for the key that was there"
    binary.run("check", "--config", home.config)


@pytest.mark.parametrize("certificate, key", PAIRS)
def test_a_certificate_without_its_key_is_not_passed_over(new_home, certificate, key):
    home = new_home()
    (home.folder / key).unlink()
    before = content(home.folder)
    done = binary.run("init", "--dir", home.folder, check=False)
    assert done.returncode != 0 and certificate in done.stderr and key in done.stderr
    assert content(home.folder) == before


def test_keys_and_credentials_are_their_owners_alone(new_home, server):
    for folder in (new_home().folder, server.home.folder):
        private = [file for file in folder.rglob("*") if file.name.endswith("key.pem") or file.name == "user-cred.xml"]
        assert len(private) == 6
        # The mock cloud's files hold user data.
        private += folder.glob("*.sqlite*")
        for file in private:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_credentials_are_written_for_their_owner_alone(new_home, tmp_path):
    home = new_home()
    for name in ("one.xml", "two.xml"):
        command = ["credential", "slice", "--dir", home.folder, "--slice", "s", "--owner", "alice"]
        binary.run(*command, "--out", tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    # A file that others could read before is theirs no more.
    (tmp_path / "one.xml").chmod(0o644)
    binary.run(*command, "--out", tmp_path / "one.xml")
    assert stat.S_IMODE((tmp_path / "one.xml").stat().st_mode) == 0o600
    # Both are of one and the same slice.
    gids = [re.search(r"<target_gid>.*?</target_gid>", (tmp_path / name).read_text(), re.DOTALL)[0] for name in ("one.xml", "two.xml")]
    assert gids[0] == gids[1]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--slice", "a_b", "--owner", "alice"], "slice name"),
        (["--slice", "a" * 20, "--owner", "alice"], "19"),
        (["--slice", "s", "--owner", "mallory"], "mallory"),
        (["--slice", "s", "--owner", "../alice"], "user name"),
        (["--owner", "alice"], "--slice"),
    ],
)
def test_wrong_wishes_for_credentials_are_refused_in_words(server, arguments, words):
    done = binary.run("credential", "slice", "--dir", server.home.folder, *arguments, check=False)
    assert done.returncode != 0 and words in done.stderr and "panicked" not in done.stderr


def test_check_finds_a_fresh_folder_good(new_home):
    done = binary.run("check", "--config", new_home().config)
    assert "is good" in done.stdout and "am.test.example" in done.stdout


def test_check_names_all_that_is_wrong_at_once(new_home):
    home = new_home()
    home.configure(
        aggregate={"operators": ["nobody"], "url": "http://plain.example"},
        tls={"certificate": "gone.pem"},
        policy={"allocate": "geni_some", "allocated_minutes": 0},
        links={"first_vlan": 9, "last_vlan": 2},
        limits={"body_bytes": 7},
        reconcile={"busy_seconds": 0.0},
        surprise={"a": 1},
    )
    done = binary.run("check", "--config", home.config, check=False)
    assert done.returncode == 1
    problems = [line for line in done.stderr.splitlines() if line.startswith("  - ")]
    for place in (
        "aggregate.operators",
        "aggregate.url",
        "tls.certificate",
        "policy.allocate:",
        "policy.allocated_minutes",
        "links",
        "limits.body_bytes",
        "reconcile.busy_seconds",
        "[surprise]",
    ):
        assert any(place in line for line in problems), f"{place} in {done.stderr}"


def test_check_looks_into_certificates_drivers_and_aliases(new_home):
    home = new_home()
    home.configure(
        sliver_types={"default-vm": "enormous"},
        mock={"realms": [{"id": "a", "capacity": 1}, {"id": "a", "capacity": 1}], "lifecycle": {"create_ms": 1}},
    )
    (home.folder / "server-key.pem").write_bytes((home.user("bob") / "key.pem").read_bytes())
    (home.root).unlink()
    done = binary.run("check", "--config", home.config, check=False)
    assert done.returncode == 1
    for words in ("enormous", "lab", "trusted_roots"):
        assert words in done.stderr, done.stderr


def test_certificates_that_cannot_do_their_work_are_said(new_home, tmp_path, start_server):
    home = new_home()
    roots = home.folder / "trusted_roots"
    past, future = ("20200101000000Z", "20210101000000Z"), ("20400101000000Z", "20410101000000Z")
    old = make(tmp_path, "old", "urn:publicid:IDN+old.example+authority+ca", days=past, authority=True)
    young = make(tmp_path, "young", "urn:publicid:IDN+young.example+authority+ca", days=future, authority=True)
    person = make(tmp_path, "person", "urn:publicid:IDN+x.example+user+bob")
    for name, identity in (("old", old), ("young", young), ("person", person)):
        shutil.copy(identity.certificate, roots / f"{name}.pem")
    shutil.copy(old.certificate, home.folder / "server-cert.pem")
    shutil.copy(old.key, home.folder / "server-key.pem")
    (home.folder / "server-key.pem").chmod(0o644)
    expected = (
        r"trusted_roots: .*old\.pem: .*old\.example.* expired at 2021-01-01T00:00:00Z",
        r"trusted_roots: .*young\.pem: .*young\.example.* not valid before 2040-01-01T00:00:00Z",
        r"trusted_roots: .*person\.pem: .*\+user\+bob.* CA:TRUE",
        r"tls\.certificate: .*server-cert\.pem: .* expired at 2021",
        r"tls\.certificate: .*server-cert\.pem is not a certificate for 127\.0\.0\.1",
        r"tls\.key: every user of this machine can read .*server-key\.pem",
    )
    check = binary.run("check", "--config", home.config)
    assert "is good" not in check.stdout
    strict = binary.run("check", "--config", home.config, "--strict", check=False)
    assert strict.returncode == 1
    # It starts all the same, and its log says so, too; monitors see it coming.
    server = start_server(home, metrics={"listen": "127.0.0.1:0"})
    read = lambda: server.log.read_text()
    poll.until(lambda: "serving" in read(), "the start in the log")
    log = read()
    for pattern in expected:
        for where, text in (("check", check.stdout), ("check --strict", strict.stderr), ("the log", log)):
            assert re.search(pattern, text), f"{pattern} is not in {where}: {text}"


def test_a_key_that_cannot_be_used_is_said_in_words(new_home):
    home = new_home()
    key = home.folder / "server-key.pem"
    whole = key.read_bytes()
    encrypted = subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:secret"], check=True, capture_output=True
    ).stdout
    traditional = subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-traditional"], check=True, capture_output=True
    ).stdout
    for text, words in (
        (encrypted, "encrypted"),
        (traditional, "encrypted"),
        ((home.user("bob") / "key.pem").read_bytes(), "does not belong"),
        (b"hello", "no private key"),
    ):
        key.write_bytes(text)
        for command in ("check", "serve"):
            done = binary.run(command, "--config", home.config, check=False)
            assert done.returncode == 1 and words in done.stderr and "server-key.pem" in done.stderr, done.stderr
    key.write_bytes(whole)
    assert "is good" in binary.run("check", "--config", home.config).stdout


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("text, words", [("[aggregate", "TOML"), ("", "authority"), (None, "cannot be read")])
def test_a_broken_configuration_is_said_in_words(tmp_path, command, text, words):
    file = tmp_path / "am.toml"
    if text is not None:
        file.write_text(text)
    done = binary.run(command, "--config", file, check=False)
    assert done.returncode == 1 and words in done.stderr and "panicked" not in done.stderr


def test_a_taken_address_is_said_in_words(server):
    home = Home(server.home.folder.parent / "second", like=server.home)
    home.configure(aggregate={"listen": f"127.0.0.1:{server.port}", "database": "another.sqlite"})
    done = binary.run("serve", "--config", home.config, check=False)
    assert done.returncode == 1 and str(server.port) in done.stderr


def test_the_demonstration_is_a_whole_experiment(tmp_path):
    folder = tmp_path / "demo"
    done = binary.run("demo", "--dir", folder, "--listen", "127.0.0.1:0", "--once", timeout=120)
    for words in ("ready: https://", "GetVersion", "ListResources", "Allocate", "Provision", "geni_ready", "Describe"):
        assert words in done.stdout, done.stdout
    assert "panicked" not in done.stderr
    manifest = (folder / "manifest.rspec").read_text()
    rspec.validate(manifest, "manifest")
    assert len(rspec.Manifest(manifest).nodes) == 2
    # A second time over the same folder, as a visitor would.
    again = binary.run("demo", "--dir", folder, "--once", timeout=120)
    assert "used as it is" in again.stdout


def test_the_demonstration_serves_on_and_says_how_to_call(tmp_path):
    process = subprocess.Popen(
        [binary.path(), "demo", "--dir", tmp_path / "demo", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        said = ""
        while "END\n" not in said.split("<<'END'")[-1] or "<<'END'" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        # What it tells to try with Python works as it stands.
        script = re.search(r"python3 - <<'END'\n(.*?)\n\s*END\n", said, re.DOTALL)[1]
        script = "\n".join(line.removeprefix("    ") for line in script.splitlines())
        tried = subprocess.run(["python3", "-c", script], capture_output=True, text=True, timeout=60)
        assert tried.returncode == 0, tried.stderr
        assert "+authority+am" in tried.stdout and "<rspec" in tried.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_help_names_every_command():
    done = binary.run("--help")
    for command in ("init", "credential", "serve", "check", "demo"):
        assert command in done.stdout
