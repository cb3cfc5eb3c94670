"""Changes of a manifest before it is sent back to Update."""

from lxml import etree

from .rspec import NS, PRESERVE, RSPEC, Manifest


def _find(root, kind, client_id):
    (found,) = root.xpath(f"r:{kind}[@client_id=$name]", namespaces=NS, name=client_id)
    return found


def node(root, client_id):
    return _find(root, "node", client_id)


def link(root, client_id):
    return _find(root, "link", client_id)


def drop(root, *client_ids):
    """Takes nodes and links out."""
    for client_id in client_ids:
        for found in root.xpath("r:node[@client_id=$n] | r:link[@client_id=$n]", namespaces=NS, n=client_id):
            root.remove(found)


def keep(root, *client_ids):
    """Takes all other nodes and links out."""
    for found in root.xpath("r:node | r:link", namespaces=NS):
        if found.get("client_id") not in client_ids:
            root.remove(found)


def add(parent, xml):
    """Puts in an element written without its namespace."""
    parent.append(etree.fromstring(f'<x xmlns="{RSPEC}">{xml}</x>')[0])


def set_image(root, client_id, image):
    node(root, client_id).find("r:sliver_type/r:disk_image", NS).set("name", image)


def set_type(root, client_id, sliver_type):
    node(root, client_id).find("r:sliver_type", NS).set("name", sliver_type)


def set_command(root, client_id, command):
    """What the node shall run at its start."""
    owner = node(root, client_id)
    services = owner.find("r:services", NS)
    if services is None:
        services = etree.SubElement(owner, f"{{{RSPEC}}}services")
    etree.SubElement(services, f"{{{RSPEC}}}execute", shell="sh", command=command)


def guarantees(document: str) -> dict[str, str]:
    """The preserve/1 guarantee of each of our nodes and links that has one."""
    manifest = Manifest(document)
    found = {}
    for client_id, element in {**manifest.nodes, **manifest.links}.items():
        for preserve in element.findall(f"{{{PRESERVE}}}preserve"):
            assert client_id not in found, "promised twice"
            found[client_id] = preserve.get("guarantee")
    return found
