"""The relay's image, built from the Dockerfile and run for real: small, unprivileged, and two devices sync through it.

No container engine is needed: buildah builds and runs with chroot isolation. The base image is a stand-in of the
same name, made by debootstrap from the distribution this machine runs.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.machines import Room, pair, room, settle, texts

__all__ = ["room"]
ROOT = Path(__file__).parents[2]
MOST_ADDED_BYTES = 120 * 1024 * 1024
needs_buildah = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("buildah") and shutil.which("debootstrap")),
    reason="needs root, buildah and debootstrap",
)


class Builder:
    """A store of images of its own, thrown away with its folder."""

    def __init__(self, folder: Path) -> None:
        self._where = ["--root", str(folder / "images"), "--runroot", str(folder / "run")]
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}

    def command(self, *words: str) -> list[str]:
        return ["buildah", *self._where, *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(
            self.command(*words), env=self._environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"buildah {' '.join(words[:3])}: {done.stderr[-2000:]}"
        return done.stdout.strip()

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(self.command(*words), env=self._environment, stdout=subprocess.PIPE, text=True)


def stand_in(builder: Builder, folder: Path) -> str:
    """A base image under the name the Dockerfile asks for; the Python version it has."""
    codename = next(
        line.split("=")[1].strip('"')
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    files = folder / "files"
    packages = "--include=python3,python3-pip,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, codename, str(files)], check=True, capture_output=True
    )
    [library] = (files / "usr/lib").glob("python3.*")
    (library / "EXTERNALLY-MANAGED").unlink(missing_ok=True)
    (files / "usr/bin/python").symlink_to("python3")
    version = library.name.removeprefix("python")
    container = builder.run("from", "scratch")
    builder.run("copy", container, str(files), "/")
    builder.run("commit", container, f"docker.io/library/python:{version}-slim")
    return version


def from_here() -> list[str]:
    """What pip needs inside the build to reach packages the way this machine does."""
    given = ["--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]  # volumes, for an environment would stay in the image
    if Path("/etc/pip.conf").exists():
        given += ["--volume", "/etc/pip.conf:/etc/pip.conf:ro"]
    return given


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    folder = tmp_path / "builder"
    folder.mkdir()
    builder = Builder(folder)
    yield builder
    builder.run("rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.deep
@needs_buildah
def test_the_image_is_small_and_unprivileged_and_two_devices_sync_through_it(
    builder: Builder, room: Room, tmp_path: Path
) -> None:
    version = stand_in(builder, tmp_path)
    builder.run("build", "--pull=never", "--build-arg", f"PYTHON={version}", *from_here(), "-t", "relay", str(ROOT))
    added = _on_disk(builder, "relay") - _on_disk(builder, f"docker.io/library/python:{version}-slim")
    assert 0 < added <= MOST_ADDED_BYTES, f"the image adds {added / 2**20:.0f} MiB"
    config = json.loads(builder.run("inspect", "--type", "image", "relay"))["OCIv1"]["config"]
    assert config["User"] == "10001" and "/data" in config["Volumes"]
    assert not any(name.startswith(("PIP_", "COVERAGE")) for name in config.get("Env", [])), "the build left its traces"

    container = builder.run("from", "--pull=never", "relay")
    program = "import importlib.metadata as m; print(*(d.metadata['Name'].lower() for d in m.distributions()))"
    listing = builder.run("run", container, "--", "python", "-c", program)
    assert "aiohttp" in listing and not any(each in listing for each in ("litellm", "prompt", "zeroconf", "keyring"))
    assert "10001" in builder.run("run", container, "--", "id", "-u")
    data = room.folder / "relay-data"
    data.mkdir()
    os.chown(data, 10001, 10001)
    # Not /data: buildah mounts a volume of its own there, before ours or after.
    words = ["run", "--volume", f"{data}:/kept", container, "--", "python", "-m", "relay", "--host", "127.0.0.1"]
    serving = builder.start(*words, "--port", "0", "--data", "/kept")
    try:
        assert serving.stdout is not None
        url = serving.stdout.readline().removeprefix("listening on ").strip()
        laptop, desktop = room.device("laptop"), room.device("desktop")
        thread = laptop.run("new", "Through the image")["id"]
        laptop.run("sync", "connect", url)
        pair(laptop, desktop, url)
        laptop.run("say", thread, "sealed")
        settle(laptop, desktop)
        assert texts(desktop, thread) == ["sealed"]
        assert any(data.iterdir()), "the volume is not used"
        os.kill(_inside(10001), signal.SIGTERM)
        assert serving.wait(20) == 0, "it does not stop gracefully"
    finally:
        serving.kill()


def _inside(user: int) -> int:
    """The relay's own process: an engine would send the signal to it, buildah only ends what it runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == user and b"-m\0relay" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no relay runs under that user")


def _on_disk(builder: Builder, image: str) -> int:
    """The size of an image's files, as they are mounted."""
    container = builder.run("from", "--pull=never", image)
    mounted = builder.run("mount", container)
    size = sum(path.lstat().st_size for path in Path(mounted).rglob("*") if path.is_file() and not path.is_symlink())
    builder.run("umount", container)
    builder.run("rm", container)
    return size
