"""What pip-audit found out about the locked packages: `audit.py REPORT`, its JSON.

Fails if a vulnerability is known that a newer version mends. A package about which nobody could be asked is named, and
so is a vulnerability that nothing mends yet: neither can be put right by an edit of the lock.
"""

import json
import sys
from pathlib import Path


def judge(report: Path) -> int:
    """The exit status."""
    try:
        packages = json.loads(report.read_text())["dependencies"]
    except (OSError, ValueError):  # pip-audit gave up: no source, or no answer
        packages = []
    asked = [one for one in packages if "vulns" in one]
    if not asked:
        print("!!! LEFT OUT: the source of known vulnerabilities does not answer here; nothing was audited")
        return 0
    for one in packages:
        if one not in asked:
            print(f"not audited: {one['name']}: {one['skip_reason']}")
    found = [(one, flaw) for one in asked for flaw in one["vulns"]]
    for one, flaw in found:
        mended = f"mended in {', '.join(flaw['fix_versions'])}" if flaw["fix_versions"] else "not mended yet"
        print(f"{one['name']} {one['version']}: {flaw['id']}, {mended}")
    print(f"{len(asked)} packages audited, {len(found)} vulnerabilities known")
    if any(flaw["fix_versions"] for _, flaw in found):
        print("renew the lock: python3 run.py lock --upgrade-package NAME")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(judge(Path(sys.argv[1])))
