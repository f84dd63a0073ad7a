"""`python -m msyncd` is `msyncd`."""

import sys

from msyncd.commands import main

if __name__ == "__main__":
    sys.exit(main())
