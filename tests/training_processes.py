"""Two gloo processes on this machine, as torchrun would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

_FOLDERS = (Path(__file__).parent.parent, Path(__file__).parent)  # nvc, and what tests have in common


def train_in_two_processes(arguments: list[str]) -> None:
    """Run ``python ARGUMENTS`` as ranks 0 and 1 of a world of two; fails with what they wrote unless both succeed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    workers = []
    for rank in range(2):
        env = os.environ | {
            "WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, _FOLDERS)),
        }  # fmt: skip
        command = [sys.executable, *arguments]
        workers.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL))
    errors = [worker.communicate(timeout=280)[1].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
