"""Requests to send, manifests and advertisements to read."""

import subprocess
from xml.sax.saxutils import quoteattr

from lxml import etree

from .binary import WORKSPACE

RSPEC = "http://www.geni.net/resources/rspec/3"
USER = "http://www.geni.net/resources/rspec/ext/user/1"
OPSTATE = "http://www.geni.net/resources/rspec/ext/opstate/1"
PRESERVE = "http://www.geni.net/resources/rspec/ext/preserve/1"
EMULAB = "http://www.protogeni.net/resources/rspec/ext/emulab/1"
NS = {"r": RSPEC, "u": USER, "o": OPSTATE, "p": PRESERVE, "e": EMULAB}
SCHEMAS = WORKSPACE / "rspec-schemas" / "schemas"


def request(*parts: str, attributes="", kind="request") -> str:
    """A request of the given nodes and links, as text."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<rspec type="{kind}" xmlns="{RSPEC}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{RSPEC} {RSPEC}/request.xsd" {attributes}>\n' + "\n".join(parts) + "\n</rspec>\n"
    )


def node(client_id: str, *inside: str, sliver_type="default-vm", image=None, interfaces=(), **attributes) -> str:
    """A node; interfaces are client_ids, or pairs of a client_id and an IPv4 address."""
    attributes.setdefault("exclusive", "false")
    children = list(inside)
    if sliver_type is not None:
        disk = f"<disk_image name={quoteattr(image)}/>" if image else ""
        children.insert(0, f"<sliver_type name={quoteattr(sliver_type)}>{disk}</sliver_type>")
    for interface in interfaces:
        name, address = interface if isinstance(interface, tuple) else (interface, None)
        ip = f'<ip address="{address}" netmask="255.255.255.0" type="ipv4"/>' if address else ""
        children.append(f"<interface client_id={quoteattr(name)}>{ip}</interface>")
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items() if value is not None)
    return f"<node client_id={quoteattr(client_id)}{written}>" + "".join(children) + "</node>"


def link(client_id: str, *ends: str, inside="", **attributes) -> str:
    """A link between interfaces named by client_id."""
    refs = "".join(f"<interface_ref client_id={quoteattr(end)}/>" for end in ends)
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items() if value is not None)
    return f"<link client_id={quoteattr(client_id)}{written}>{refs}{inside}</link>"


def blockstore(name: str, size="10GB", mountpoint=None, **attributes) -> str:
    """A storage volume, to stand inside a node."""
    attributes = {"name": name, "size": size, "mountpoint": mountpoint, **attributes}
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None)
    return f'<blockstore xmlns="{EMULAB}"{written}/>'


def nodes(*client_ids: str, **same) -> str:
    """A request for one node for each client_id, all alike."""
    return request(*(node(name, **same) for name in client_ids))


def pair(**same) -> str:
    """Two nodes with a link between them."""
    return request(
        node("a", interfaces=[("a:0", "10.10.1.1")], **same),
        node("b", interfaces=[("b:0", "10.10.1.2")], **same),
        link("lan", "a:0", "b:0"),
    )


def parse(document: str):
    """The root element; fails when the document brings a DTD."""
    root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    assert root.getroottree().docinfo.doctype == "", "a document type declaration in an answer"
    return root


def canonical(document, without=()) -> str:
    """A document or element in canonical form (C14N 1.0), its root without some attributes, without the
    whitespace between elements."""
    root = parse(document) if isinstance(document, str) else document
    root = etree.fromstring(etree.tostring(root, with_tail=False), etree.XMLParser(remove_blank_text=True))
    for name in without:
        root.attrib.pop(name, None)
    return etree.tostring(root, method="c14n").decode()


def c14n_by_xmllint(document: str) -> str:
    """Canonical form as the xmllint program makes it."""
    done = subprocess.run(["xmllint", "--nonet", "--c14n", "-"], input=document.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def validate(document: str, schema: str):
    """Checks a document with xmllint against one of the project's schemas: `request`, `manifest`, `ad`."""
    command = ["xmllint", "--nonet", "--noout", "--schema", str(SCHEMAS / f"{schema}.xsd"), "-"]
    done = subprocess.run(command, input=document.encode(), capture_output=True)
    assert done.returncode == 0, f"{done.stderr.decode()}\n{document}"


class Manifest:
    """A manifest, read."""

    def __init__(self, document: str):
        self.document = document
        self.root = parse(document)
        assert self.root.get("type") == "manifest"

    def __repr__(self):
        return self.document

    def _all(self, path):
        return self.root.xpath(path, namespaces=NS)

    @property
    def nodes(self) -> dict:
        """Our nodes by client_id: those with a sliver_id."""
        return {it.get("client_id"): it for it in self._all("r:node[@sliver_id]")}

    @property
    def links(self) -> dict:
        """Our links by client_id."""
        return {it.get("client_id"): it for it in self._all("r:link[@sliver_id]")}

    @property
    def foreign(self) -> list:
        """Nodes and links of other aggregates."""
        return self._all("r:node[not(@sliver_id)] | r:link[not(@sliver_id)]")

    @property
    def sliver_ids(self) -> dict[str, str]:
        """sliver_id by client_id, of nodes and links."""
        return {name: it.get("sliver_id") for name, it in {**self.nodes, **self.links}.items()}

    def find(self, element, path):
        """What an XPath with the prefixes r, u, o, p, e finds below an element."""
        return element.xpath(path, namespaces=NS)

    def logins(self, client_id: str) -> list:
        return self.find(self.nodes[client_id], "r:services/r:login")

    def devices(self, client_id: str) -> dict:
        """The device of each volume of a node, by the volume's name; None for one that is not attached."""
        return {it.get("name"): it.get("device") for it in self.find(self.nodes[client_id], "e:blockstore")}

    def edited(self, change) -> str:
        """The document after `change(root)` worked on a copy of it."""
        copy = parse(self.document)
        change(copy)
        return etree.tostring(copy, encoding="unicode")
