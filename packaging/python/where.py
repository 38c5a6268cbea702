"""Prints the folder for pure Python packages below an installation prefix.

usage: where.py PREFIX

Debian's interpreters look into dist-packages below /usr/local and /usr, and nowhere else.
"""

import sys
import sysconfig


def folder(prefix: str) -> str:
    debian = "deb_system" in sysconfig.get_scheme_names()
    if debian and prefix == "/usr/local":
        return sysconfig.get_path("purelib", "posix_local", {"base": "/usr"})
    if debian and prefix == "/usr":
        return sysconfig.get_path("purelib", "deb_system")
    return sysconfig.get_path("purelib", "posix_prefix", {"base": prefix})


print(folder(sys.argv[1]))
