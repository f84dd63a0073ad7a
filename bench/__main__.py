"""Every measurement, one after the other: `python -m bench`."""

import subprocess
import sys

for name in ("capture", "push", "idle"):
    print(f"--- {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
