"""The command line: init, credential, check, demo, serve."""

import os
import re
import signal
import stat
import subprocess

import pytest

from harness import Home, binary, rspec


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
