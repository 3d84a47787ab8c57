"""The relay's image for tests, without a container engine: buildah builds it, namespaces run it.

The base is a stand-in under the name that the Dockerfile asks for, made by debootstrap from the distribution this
machine runs. The build sees a copy of the context with secrets planted in it, and an environment that holds one more.
"""

import compileall
import configparser
import contextlib
import functools
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
CANARY = "planted-c4f1d7a0-never-in-an-image"
NEEDED = ("buildah", "debootstrap", "unshare", "ip")
missing = [tool for tool in NEEDED if not shutil.which(tool)] + ["root"] * (os.geteuid() != 0)


class Builder:
    """A store of images of its own, thrown away with its folder."""

    def __init__(self, folder: Path) -> None:
        # vfs needs nothing of the file system below; overlay can't stand on every CI machine's.
        self._command = ["buildah", "--root", str(folder / "images"), "--runroot", str(folder / "run")]
        self._command += ["--storage-driver", "vfs"]
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "OPENSESH_CANARY": CANARY}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._command, *words], env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"buildah {' '.join(words[:3])}: {done.stdout[-1000:]} {done.stderr[-2000:]}"
        return done.stdout.strip()

    def stand_in(self) -> str:
        """Make the base image. Returns the version of its Python, as in the Dockerfile's argument."""
        container = self.run("from", "scratch")
        files = Path(self.run("mount", container))
        bootstrap = ["debootstrap", "--variant=minbase", "--include=python3,python3-pip,ca-certificates"]
        codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
        made = subprocess.run(
            [*bootstrap, codename, str(files)], capture_output=True, text=True, timeout=300, check=False
        )
        assert made.returncode == 0, made.stdout[-2000:]
        (files / "usr/bin/python").symlink_to("python3")
        [library] = (files / "usr/lib").glob("python3.*")
        version = library.name.removeprefix("python")
        self.run("commit", "--disable-compression", container, f"docker.io/library/python:{version}-slim")
        return version

    def files_of(self, image: str) -> Path:
        """A folder with an image's files."""
        return Path(self.run("mount", self.run("from", "--pull=never", image)))


class Image:
    """An image that was built: what the engine is told, its files, and those of its base."""

    def __init__(self, builder: Builder, base: str, name: str, context: Path) -> None:
        self.base, self.files, self.context = builder.files_of(base), builder.files_of(name), context
        self.description: str = json.loads(builder.run("inspect", "--type", "image", name))["Config"]
        self.config: dict[str, Any] = json.loads(self.description)["config"]

    @functools.cached_property
    def added(self) -> dict[str, Path]:
        """The files that are not the base's, or not as they were there, by their path in the image."""
        found = {}
        for file in self.files.rglob("*"):
            if file.is_file() and not file.is_symlink():
                path = file.relative_to(self.files)
                former = self.base / path
                if not former.is_file() or former.read_bytes() != file.read_bytes():
                    found[str(path)] = file
        return found


@contextlib.contextmanager
def built(folder: Path) -> Iterator[Image]:
    """The image as the Dockerfile says, in a store that ends with the block."""
    builder = Builder(folder)
    try:
        version = builder.stand_in()
        context = _context(folder / "context-of-the-build")
        build = ["build", "--pull=never", "--format", "docker", "--build-arg", f"PYTHON={version}"]
        builder.run(*build, *_reaching_packages(folder), "-t", "relay", str(context))
        yield Image(builder, f"docker.io/library/python:{version}-slim", "relay", context)
    finally:
        subprocess.run([*builder._command, "rm", "--all"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _context(folder: Path) -> Path:
    """A working copy somebody builds from: bytecode that names its folder, and secrets lying about."""
    shutil.copytree(ROOT / "crdt", folder / "crdt")
    shutil.copytree(ROOT / "relay", folder / "relay")
    for name in ("Dockerfile", ".dockerignore", "requirements-relay.lock"):
        shutil.copy(ROOT / name, folder)
    for name in ("access-key.txt", ".env", "relay/key.pem", "crdt/.env", "relay/data/relay.db"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(CANARY)
    assert compileall.compile_dir(folder / "relay", quiet=1)
    return folder


def _reaching_packages(folder: Path) -> list[str]:
    """What lets pip inside the build reach packages the way it does on this machine.

    Mounted for the time of a step, for a build argument or an environment could stay in the image.
    """
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'")
    config = configparser.RawConfigParser()
    config["global"] = {name: settings[name] for name in ("index-url", "trusted-host") if name in settings}
    mounts = []
    if "cert" in settings:
        config["global"]["cert"] = "/run/certificates.pem"
        mounts = ["--volume", f"{Path(settings['cert']).resolve()}:/run/certificates.pem:ro"]
    with (folder / "pip.conf").open("w") as file:
        config.write(file)
    return [*mounts, "--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro"]


class Container:
    """A process of the image as compose.yaml runs it: the first of its own namespace, read-only, without rights.

    Ended by `stop`, or by `kill` when a test fails. With `alone` it has a network of its own, so that the ports the
    image names are free.
    """

    _ENTER = """
        if [ "$ALONE" ]; then ip link set lo up; fi
        mount --bind "$ROOT" "$ROOT"
        mount --bind "$DATA" "$ROOT/data"
        mount --rbind /dev "$ROOT/dev"
        mount -t proc proc "$ROOT/proc"
        mount -t tmpfs tmpfs "$ROOT/tmp"
        mount -o remount,bind,ro "$ROOT"
        exec chroot "$ROOT" setpriv --reuid "$OWNER" --regid "$GROUP" --clear-groups --no-new-privs \
            --bounding-set=-all --inh-caps=-all env -i -C "$FOLDER" "$@"
    """

    def __init__(self, image: Image, volume: Path, *arguments: str, alone: bool = False) -> None:
        """`arguments` stand in for the image's own CMD, as after `docker run IMAGE`."""
        config = image.config
        group = _group(image.files, config["User"])
        entering = ["sh", "-euc", self._ENTER, "sh", *config["Env"], *config["Entrypoint"]]
        entering_namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *(["--net"] * alone)]
        self.process = subprocess.Popen(
            [*entering_namespaces, *entering, *(arguments or config["Cmd"])],
            env={
                "PATH": os.environ["PATH"],
                "ROOT": str(image.files),
                "DATA": str(volume),
                "ALONE": "yes" if alone else "",
                "OWNER": config["User"],
                "GROUP": group,
                "FOLDER": config["WorkingDir"],
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._image = image

    def listening(self) -> str:
        """Wait for the line that says so. Returns its ws:// address."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("listening on "):
            self.kill()
            assert self.process.stderr is not None
            raise AssertionError(f"no relay: {line!r} {self.process.stderr.read()[-2000:]}")
        return line.split()[-1]

    @property
    def first(self) -> int:
        """The id of its process 1, seen from outside."""
        of = self.process.pid
        return int(Path(f"/proc/{of}/task/{of}/children").read_text().split()[0])

    def stop(self) -> int:
        """What an engine does: SIGTERM to process 1. Returns its exit code."""
        os.kill(self.first, signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it, in whatever state it is. Its first process by itself: with other rights it outlives its parent."""
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.first, signal.SIGKILL)
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def health(self) -> int:
        """Run the image's health check in it. Returns the exit code."""
        kind, *words = self._image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        enter = ["nsenter", "--target", str(self.first), "--net", "--mount", "--pid", "--root"]
        command = [*enter, "env", "-i", *self._image.config["Env"], *words]
        return subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).returncode


def volume_of(image: Image, folder: Path) -> Path:
    """A new volume, with the owner and rights of the folder that the image declares, as engines make it."""
    [declared] = image.config["Volumes"]
    like = (image.files / declared.lstrip("/")).stat()
    folder.mkdir()
    os.chown(folder, like.st_uid, like.st_gid)
    folder.chmod(like.st_mode & 0o7777)
    return folder


def _group(files: Path, user: str) -> str:
    """The group that the image's /etc/passwd gives a user id."""
    rows = [row.split(":") for row in (files / "etc/passwd").read_text().splitlines()]
    [group] = [row[3] for row in rows if row[2] == user]
    return group
