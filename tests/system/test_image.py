"""The relay's image, built from the Dockerfile and run for real: small, unprivileged, good for two devices."""

import asyncio
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from crdt import wire
from tests.relay.conversation import connecting, frames_of, new_key
from tests.system.images import CANARY, ROOT, Container, Image, built, missing, volume_of
from tests.system.machines import Room, pair, room, settle, texts

__all__ = ["room"]
MOST_ADDED_BYTES = 120 * 1024 * 1024
HERE = ("--host", "127.0.0.1", "--port", "0", "--data", "/data")
pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(bool(missing), reason=f"building the image needs {', '.join(missing)}"),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built(tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.fixture
def volume(image: Image, tmp_path: Path) -> Path:
    return volume_of(image, tmp_path / "volume")


def test_it_adds_little_to_its_base(image: Image) -> None:
    added = sum(file.stat().st_size for file in image.added.values())
    print(f"the image adds {added / 2**20:.1f} MiB in {len(image.added)} files")
    assert 0 < added <= MOST_ADDED_BYTES


def test_it_runs_as_nobody_in_particular_and_keeps_its_data_in_a_volume_that_only_that_user_reads(image: Image) -> None:
    assert image.config["User"] == "10001"
    assert list(image.config["Volumes"]) == ["/data"]
    data = (image.files / "data").stat()
    assert data.st_uid == 10001 and stat.S_IMODE(data.st_mode) == 0o700
    owned = [path for path, file in image.added.items() if file.stat().st_uid == 10001]
    assert not owned, "its user could change what runs"


def test_it_holds_what_the_relay_needs_and_nothing_of_a_node(image: Image) -> None:
    ours = {path for path in image.added if path.startswith("app/")}
    core = {f"app/crdt/{name}.py" for name in ("__init__", "errors", "ids", "keys", "wire")}
    assert ours == core | {f"app/relay/{file.name}" for file in (ROOT / "relay").glob("*.py")}

    lock = (ROOT / "requirements-relay.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    folders = {re.match(r"opt/relay/lib/[^/]+/site-packages/([^/]+)-[^-/]+\.dist-info/", path) for path in image.added}
    packages = {match[1].lower().replace("_", "-") for match in folders if match}
    assert {"aiohttp", "msgspec", "pynacl"} <= packages <= locked

    # Where a build had something mounted, an empty file stays.
    elsewhere = {
        p for p, file in image.added.items() if not p.startswith(("app/", "opt/relay/")) and file.stat().st_size
    }
    accounts = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
    assert elsewhere <= {f"etc/{name}{old}" for name in accounts for old in ("", "-")}, "the build left its traces"


def test_no_secret_and_no_path_of_the_machine_that_built_it_is_in_it(image: Image) -> None:
    forbidden = [CANARY, str(ROOT), str(image.context), "certificates.pem"]
    for path, file in image.added.items():
        content = file.read_bytes()
        assert not [word for word in forbidden if word.encode() in content], path
    assert not [word for word in forbidden if word in image.description]
    names = {each.partition("=")[0] for each in image.config["Env"]}
    assert names <= {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "LANG", "GPG_KEY", "PYTHON_VERSION"}


def test_as_it_comes_it_serves_and_its_health_check_tells_a_relay_from_none(image: Image, volume: Path) -> None:
    container = Container(image, volume, alone=True)
    try:
        assert container.listening() == "ws://0.0.0.0:8765"
        assert container.health() == 0
        status = Path(f"/proc/{container.first}/status").read_text()
        assert re.search(r"^Uid:\t10001\t10001", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE) and "NoNewPrivs:\t1" in status
        assert container.stop() == 0
    finally:
        container.kill()
    elsewhere = Container(image, volume, "--host", "127.0.0.1", "--port", "8766", "--data", "/data", alone=True)
    try:
        elsewhere.listening()
        assert elsewhere.health() != 0, "it is healthy where nothing answers"
    finally:
        elsewhere.kill()


async def test_two_nodes_exchange_frames_through_it_and_a_stop_and_a_start_lose_none(
    image: Image, volume: Path
) -> None:
    shared, (first, second, third) = new_key(), frames_of(3)
    container = Container(image, volume, *HERE)
    try:
        url = container.listening().replace("ws", "http", 1)
        async with connecting(url) as laptop, connecting(url) as desktop:
            assert isinstance(await laptop.open_room(shared), wire.Done)
            for node in (laptop, desktop):
                assert isinstance(await node.attach(shared), wire.Attached)
            assert isinstance(await laptop.publish(shared, (first, second)), wire.Stored)
            assert await desktop.collect(shared, upto=2) == [first, second]
            assert isinstance(await desktop.publish(shared, (third,)), wire.Stored)
            assert await laptop.collect(shared, upto=3) == [third]
            assert await asyncio.to_thread(container.stop) == 0
    finally:
        container.kill()
    container = Container(image, volume, *HERE)
    try:
        async with connecting(container.listening().replace("ws", "http", 1)) as late:
            assert isinstance(await late.attach(shared), wire.Attached)
            assert await late.collect(shared, upto=3) == [first, second, third]
        assert await asyncio.to_thread(container.stop) == 0
    finally:
        container.kill()


def test_two_devices_sync_through_it(image: Image, volume: Path, room: Room) -> None:
    container = Container(image, volume, *HERE)
    try:
        url = container.listening()
        laptop, desktop = room.device("laptop"), room.device("desktop")
        thread = laptop.run("new", "Through the image")["id"]
        laptop.run("sync", "connect", url)
        pair(laptop, desktop, url)
        laptop.run("say", thread, "sealed")
        settle(laptop, desktop)
        assert texts(desktop, thread) == ["sealed"]
        assert not [file for file in volume.rglob("*") if file.is_file() and b"sealed" in file.read_bytes()]
        assert container.stop() == 0
    finally:
        container.kill()
