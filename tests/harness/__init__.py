"""What the end-to-end tests stand on: the real binary, real TLS, real clients.

`Home` is a folder made by `am-server init`, `Server` the running service, `Client` a caller with a
certificate, `Slice` a slice with its credential and a caller. `MockCloud` looks into the file of the
pretended cloud, `rspec` writes requests and reads manifests.
"""

from .client import Answer, Client
from .home import Home
from .mock import MockCloud
from .server import Server
from .slice import Slice

__all__ = ["Answer", "Client", "Home", "MockCloud", "Server", "Slice"]
