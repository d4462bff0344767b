"""nvc-studio: a page on this machine to try the codec with one's own clip."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from nvc.cli.exits import run
from nvc.version import VERSION

_EXITS = "exit codes: 0 done, 2 usage or Gradio is missing, 4 no such model"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="nvc-studio", description="A page to try nvc.", epilog=_EXITS)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=int, default=0, help="port (default: the first free one from 7860)")
    parser.add_argument("--model", help="a model's name or weights file (default: lite-256)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    options = parser.parse_args(arguments)
    return run("nvc-studio", lambda: _serve(options), debug=options.debug)


def _serve(options: argparse.Namespace) -> None:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from nvc.models import zoo
    from nvc.studio.page import serve

    model = options.model or zoo.DEFAULT_MODEL
    zoo.weights_path(model)  # a wrong name is told before anything is served
    serve(model=model, host=options.host, port=options.port, browser=not options.no_browser)


if __name__ == "__main__":
    sys.exit(main())
