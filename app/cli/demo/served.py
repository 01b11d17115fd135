"""`zegel serve` as the demo's own process: it ends with its standard input, that is with the demo."""

import os
import signal
import sys
import threading

from app.cli import root


def main() -> None:
    """Serves with the arguments given, until told to stop or left alone."""
    threading.Thread(target=_wait, daemon=True).start()
    sys.argv = ["zegel", "serve", *sys.argv[1:]]
    root.main()


def _wait() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
