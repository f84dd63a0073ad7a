"""What a process of tests/warm.py has loaded when it begins: all of msyncd, with what that loads."""

import importlib
import pkgutil

import msyncd

for module in pkgutil.walk_packages(msyncd.__path__, "msyncd."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
