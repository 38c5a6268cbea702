"""Makes a folder the root of a new mount namespace and becomes a command in it.

usage: unshare --mount --pid --fork … /usr/bin/python3 enter.py ROOT COMMAND...
Not chroot, since the kernel allows no user namespaces inside one; and a bare root has no umount(8).
"""

import ctypes
import os
import sys

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC = 2, 4, 4096, 16384
MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    args = [arg.encode() if isinstance(arg, str) else arg for arg in args]
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        sys.exit(f"enter: {name}{args}: {os.strerror(number)}")


def main():
    root, *command = sys.argv[1:]
    call("mount", root, root, None, MS_BIND | MS_REC, None)
    os.chdir(root)
    call("mount", "proc", "proc", "proc", MS_NOSUID | MS_NODEV, None)
    call("mount", "/dev", "dev", None, MS_BIND | MS_REC, None)
    call("mount", "/sys", "sys", None, MS_BIND | MS_REC, None)
    call("mount", "tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    call("pivot_root", ".", ".")
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")
    os.execv("/usr/bin/env", ["env", *command])


main()
