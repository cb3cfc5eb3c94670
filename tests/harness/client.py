"""A caller: Python's own xmlrpc.client over TLS with a client certificate."""

import base64
import ssl
import threading
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from .codes import SUCCESS


@dataclass
class Answer:
    """The return struct of a call."""

    method: str
    raw: dict

    @property
    def code(self) -> int:
        return self.raw["code"]["geni_code"]

    @property
    def am_code(self) -> int | None:
        """The finer code, where there is one."""
        return self.raw["code"].get("am_code")

    @property
    def value(self) -> Any:
        return self.raw["value"]

    @property
    def output(self) -> str:
        return self.raw["output"]

    def ok(self):
        """The value of a call that went well; fails the test otherwise."""
        assert self.code == SUCCESS, f"{self.method}: geni_code {self.code}: {self.output}"
        return self.value

    def refused(self, code: int, *patterns: str) -> str:
        """The output of a call that was refused with this code, in words that hold all the patterns."""
        import re

        assert self.code == code, f"{self.method}: geni_code {self.code}, expected {code}: {self.output}"
        for pattern in patterns:
            assert re.search(pattern, self.output), f"{pattern!r} is not in {self.output!r}"
        return self.output

    @property
    def slivers(self) -> list[dict]:
        """The per-sliver structs, wherever this call has them."""
        return self.value if isinstance(self.value, list) else self.value["geni_slivers"]

    @property
    def rspec(self) -> str:
        return self.value["geni_rspec"]


class Client:
    """Calls methods by name. Each thread has a connection of its own, kept alive between calls."""

    def __init__(self, url: str, tls: ssl.SSLContext):
        self.url = url
        self.tls = tls
        self._threads = threading.local()

    @property
    def proxy(self) -> xmlrpc.client.ServerProxy:
        if not hasattr(self._threads, "proxy"):
            self._threads.proxy = xmlrpc.client.ServerProxy(self.url, context=self.tls)
        return self._threads.proxy

    def call(self, method: str, *arguments) -> Answer:
        """One call; whatever answer is checked for the shape that every answer has."""
        answer = getattr(self.proxy, method)(*arguments)
        check_shape(answer)
        return Answer(method, answer)


def check_shape(answer):
    """The return struct (AM API v3, common concepts): all three members, of their types."""
    assert isinstance(answer, dict), answer
    assert {"code", "value", "output"} <= set(answer), answer.keys()
    assert isinstance(answer["output"], str)
    code = answer["code"]
    assert type(code["geni_code"]) is int, code
    assert "am_code" not in code or type(code["am_code"]) is int and code["am_code"] != code["geni_code"], code
    assert code["am_type"].isalnum(), code
    assert code["geni_code"] == SUCCESS or answer["output"].strip(), f"no word about what is wrong: {answer}"


def credential(xml: str, kind="geni_sfa", version="3") -> dict:
    """A credential as versions 3 and 4 of the API send it."""
    return {"geni_type": kind, "geni_version": version, "geni_value": xml}


RSPEC_VERSION = {"type": "GENI", "version": "3"}


def options(**more) -> dict:
    """Options with the RSpec version that several calls require."""
    return {"geni_rspec_version": RSPEC_VERSION, **more}


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmDDrw6QYQRBWa/GikNCEc9/cvUks5JixTNGl4vouRB alice@test"


def _public_key(kind: str, *fields: bytes) -> str:
    """A line of a public key file: each field behind its length (RFC 4253, section 6.6)."""
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


def ed25519_key(number: int) -> str:
    """A whole Ed25519 key, another one for each number."""
    return _public_key("ssh-ed25519", number.to_bytes(32, "big"))


def rsa_key(length: int) -> str:
    """A whole RSA key with a modulus of so many bytes."""
    return _public_key("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\x80" * length)


def users(*pairs) -> list[dict]:
    """`geni_users` from pairs of a user URN and a list of public keys."""
    return [{"urn": urn, "keys": list(keys)} for urn, keys in pairs]
