"""Which disk a path lies on, told without asking the disk: it may not answer."""

import os
import re
import sys
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")

# They look like folders full of files and are the system itself; some of their files never end.
PSEUDO = frozenset(
    "proc sysfs devtmpfs devpts devfs cgroup cgroup2 securityfs debugfs tracefs pstore bpf configfs fusectl mqueue "
    "hugetlbfs binfmt_misc efivarfs nsfs rpc_pipefs selinuxfs fuse.portal fuse.gvfsd-fuse.control".split()
)
PROGRAMS = frozenset(["squashfs"])  # a snap, each on a disk of its own


def mount_points() -> dict[str, str]:
    """Where something is mounted -> its kind of file system. Only Linux tells; elsewhere what is known for sure."""
    if not sys.platform.startswith("linux"):
        return {} if sys.platform == "win32" else {"/": "", "/dev": "devfs"}
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {"/": "", "/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"}
    # 36 35 98:0 /root /mnt/my\040disk rw,noatime shared:1 - ext4 /dev/sda1 rw
    fields = [line.split(" - ", 1) for line in lines]
    return {_unescaped(before.split()[4]): after.split()[0] for before, after in fields} | {"/dev": "devtmpfs"}


def _unescaped(path: str) -> str:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), path)


def mount_of(path: str, mounts: dict[str, str]) -> str:
    """The drive, share or mount point that a path lies on."""
    if drive := os.path.splitdrive(path)[0]:
        return drive
    parts = path.split("/")
    if parts[1:2] == ["Volumes"]:
        return "/".join(parts[:3])
    while path not in mounts and path != (above := os.path.dirname(path)):
        path = above
    return path
