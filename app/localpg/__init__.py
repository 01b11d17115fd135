"""The embedded PostgreSQL: one folder, one server, any number of processes that use it, gone after the last of them.

A home holds a folder for each major version of PostgreSQL (`pg18`), and in it the data, the socket's folder `run`, the
server's log, and three files that processes lock with flock, so that the kernel lets go of them however a holder dies:

- `start.lock` while a server is brought up or stopped,
- `users.lock`, shared, by everybody who has the server open,
- `keeper.lock` by the keeper, a detached process that is the server's parent and stops it after its last user.

They are taken in this order. A keeper that was killed is replaced by whoever opens or closes the server next.
Started by root, the server runs as `nobody`; everything but its data and its socket stays root's.
"""

from app.localpg.errors import LocalPgError
from app.localpg.places import home_for
from app.localpg.server import Server, open_server
from app.localpg.settings import PRODUCTION, SUPERUSER, TEST, production_settings

__all__ = [
    "PRODUCTION",
    "SUPERUSER",
    "TEST",
    "LocalPgError",
    "Server",
    "home_for",
    "open_server",
    "production_settings",
]
