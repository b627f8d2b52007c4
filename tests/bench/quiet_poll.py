"""The peer of tests/bench/quiet.py: a supervisor that looks every 50 ms whether its child lives and its file is there.

python quiet_poll.py FILE COMMAND [ARG…]
"""

import subprocess
import sys
import time
from pathlib import Path

PAUSE_S = 0.05


def main() -> None:
    ready, *command = sys.argv[1:]
    with subprocess.Popen(command) as child:
        try:
            while not Path(ready).exists():
                time.sleep(PAUSE_S)
            print("→ running", flush=True)
            while child.poll() is None and Path(ready).exists():
                time.sleep(PAUSE_S)
        finally:
            child.kill()


if __name__ == "__main__":
    main()
