"""A look into the pretended cloud's file, past the server.

The file is the cloud: what is in it is there, whatever the server believes.
"""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instance:
    """One machine of the pretended cloud."""

    id: str
    name: str
    realm: str
    state: str
    image: str
    profile: str
    boot_count: int
    disk_id: str
    keys: str | None
    user_data: str | None
    launch_time: str | None
    public: str
    private: str


@dataclass(frozen=True)
class Volume:
    """One storage volume of the pretended cloud."""

    id: str
    name: str | None
    capacity: int
    realm: str | None
    instance: str | None
    device: str | None


@dataclass(frozen=True)
class Call:
    """A call that asked the cloud for a change."""

    number: int
    operation: str
    subject: str
    refusal: str | None


class MockCloud:
    """The file of the `mock` driver."""

    def __init__(self, file: Path):
        self.file = file

    def _rows(self, query: str, *parameters):
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def instances(self) -> list[Instance]:
        """Those that exist now. A change of state that is due has happened, whether written down or not."""
        now = time.time() * 1000
        found = []
        for row in self._rows("SELECT id, name, realm_id, state, next_state, due, record FROM instance ORDER BY number"):
            id_, name, realm, state, next_state, due, record = row
            if next_state is not None and due is not None and due <= now:
                state = next_state
            if state == "finish":
                continue
            body = json.loads(record)
            found.append(
                Instance(
                    id=id_,
                    name=name,
                    realm=realm,
                    state=state,
                    image=body["image_id"],
                    profile=body["hardware_profile"]["id"],
                    boot_count=body["boot_count"],
                    disk_id=body["disk_id"],
                    keys=body["keyname"],
                    user_data=body["user_data"],
                    launch_time=body["launch_time"],
                    public=body["public"]["value"],
                    private=body["private"]["value"],
                )
            )
        return found

    def by_sliver(self, urns) -> dict[str, Instance]:
        """The instances that stand for these slivers: an instance's name ends in its sliver's."""
        names = {urn.rsplit("+", 1)[1]: urn for urn in urns}
        found = {}
        for instance in self.instances():
            urn = names.get(instance.name.rsplit("-", 1)[-1])
            if urn is not None:
                assert urn not in found, f"two instances stand for {urn}"
                found[urn] = instance
        return found

    def volumes(self, urns=None) -> list[Volume]:
        """All of them, or those that stand for these slivers: their names hold their slivers'."""
        found = []
        for (body,) in self._rows("SELECT body FROM resource WHERE collection = 'storage_volumes' ORDER BY number"):
            it = json.loads(body)
            found.append(Volume(it["id"], it["name"], it["capacity"], it["realm_id"], it["instance_id"], it["device"]))
        if urns is None:
            return found
        names = {urn.rsplit("+", 1)[1] for urn in urns}
        return [it for it in found if it.name and any(name in it.name for name in names)]

    def _write(self, query: str, *parameters):
        connection = sqlite3.connect(self.file, timeout=10)
        try:
            with connection:
                connection.execute(query, parameters)
        finally:
            connection.close()

    def add_volume(self, name: str, like: Volume):
        """Puts a volume there that nobody has, made by a request like another's. While no server runs."""
        query = "SELECT body FROM resource WHERE collection = 'storage_volumes' AND id = ?"
        body = json.loads(self._rows(query, like.id)[0][0])
        body |= {"id": f"lost-{name}", "name": name, "instance_id": None, "device": None, "state": "Available"}
        self._write(
            "INSERT INTO resource (collection, id, number, name, body) VALUES ('storage_volumes', ?, "
            "(SELECT MAX(number) + 1 FROM resource WHERE collection = 'storage_volumes'), ?, ?)",
            body["id"], name, json.dumps(body),
        )

    def change_instance(self, id: str, **changes):
        """Changes what an instance is, as a person may who goes past the aggregate."""
        record = json.loads(self._rows("SELECT record FROM instance WHERE id = ?", id)[0][0]) | changes
        self._write("UPDATE instance SET record = ? WHERE id = ?", json.dumps(record), id)

    def lose_volume(self, id: str):
        """Takes a volume away behind everybody's back."""
        self._write("DELETE FROM resource WHERE collection = 'storage_volumes' AND id = ?", id)

    def calls(self, after=0) -> list[Call]:
        """The log of calls that asked for a change, oldest first; `after` a number gives only later ones."""
        query = "SELECT number, operation, subject, refusal FROM call WHERE number > ? ORDER BY number"
        return [Call(*row) for row in self._rows(query, after)]

    def last_call(self) -> int:
        """The number of the newest call in the log; 0 when there is none."""
        return self._rows("SELECT COALESCE(MAX(number), 0) FROM call")[0][0]
