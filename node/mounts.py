"""Whether a folder is on a network file system, where locks can't be trusted with a database."""

import subprocess
import sys
from pathlib import Path

# fmt: off
NETWORK_KINDS = frozenset((
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "afpfs", "ncpfs", "coda", "ceph", "lustre", "gpfs",
    "beegfs", "gfs2", "ocfs2", "glusterfs", "webdav", "davfs", "drvfs",
))
# What sits behind FUSE says so after the dot; a plain "fuse" or "fuseblk" is as a rule a local disk.
NETWORK_FUSE = frozenset((
    "sshfs", "glusterfs", "rclone", "s3fs", "davfs", "davfs2", "curlftpfs", "ceph", "gcsfuse", "juicefs", "goofys",
    "smbnetfs", "afpfs", "mfs", "moosefs", "seaweedfs", "gvfsd-fuse", "sftp",
))
# fmt: on


def network_file_system(path: Path, platform: str = sys.platform) -> str | None:
    """The kind of network file system that holds a path, such as "nfs4"; None if it is on a local one.

    A machine that doesn't say what is mounted is taken at its word that nothing is: a wrong refusal
    would lock a person out of their own data.
    """
    table = _mac_mounts() if platform == "darwin" else _linux_mounts()
    return network_kind(path.resolve(), table)


def network_kind(path: Path, table: list[tuple[str, str]]) -> str | None:
    """As `network_file_system`, for a given table of (mount point, kind) in the order of mounting."""
    best = ("", "")
    for point, kind in table:
        # Of equal points the later one covers the earlier.
        if path.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    point, kind = best
    if kind == "9p" and point == "/":
        return None  # a virtual machine's own root: there is nothing more local than that on it
    network = kind in NETWORK_KINDS or (kind.startswith("fuse.") and kind[5:] in NETWORK_FUSE)
    return kind if network else None


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """Mount points and kinds from Linux's `/proc/self/mountinfo`."""
    table = []
    for line in text.splitlines():
        # id parent major:minor root POINT options [optional fields…] - KIND source options
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if separator and len(fields) > 4:
            table.append((_unescape(fields[4]), after.split(" ", 1)[0]))
    return table


def parse_mount(text: str) -> list[tuple[str, str]]:
    """Mount points and kinds from what macOS's `mount` prints: `SOURCE on POINT (KIND, …)`."""
    table = []
    for line in text.splitlines():
        place, separator, options = line.rpartition(" (")
        source, on, point = place.partition(" on ")
        if separator and on and source:
            table.append((point, options.rstrip(")").split(",", 1)[0].strip()))
    return table


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _linux_mounts() -> list[tuple[str, str]]:
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    except OSError:
        return []


def _mac_mounts() -> list[tuple[str, str]]:
    try:
        done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parse_mount(done.stdout)
