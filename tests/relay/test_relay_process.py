"""The relay as people run it: a process with arguments, signals, exit codes, and errors with a next step."""

import asyncio
import json
import os
import random
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from crdt import wire
from relay import database, logs
from relay.__main__ import main
from tests.relay.conversation import RelayProcess, connecting, dial, frames_of, new_key
from tests.waiting import until


async def test_it_prints_one_line_serves_and_stops_with_0_on_sigterm(tmp_path: Path) -> None:
    room, frames = new_key(), frames_of(20)
    relay = await RelayProcess(tmp_path / "data").start()
    assert relay.url.startswith("http://127.0.0.1:")
    async with connecting(relay.url) as ana:
        await ana.open_room(room)
        await ana.attach(room)
        await ana.publish(room, frames)
        stopping = asyncio.create_task(relay.stop())
        refused = await ana.expect(wire.Refused)
        assert refused.code == "stopping"
        await ana.closed()
        assert await stopping == 0
    assert await relay.errors() == ""
    assert relay.process.stdout is not None
    assert await relay.process.stdout.read() == b"", "the address is all that it prints"
    folder = tmp_path / "data"
    assert sorted(path.name for path in listed(folder)) == ["relay.db", "relay.lock"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in listed(folder)} == {0o600}


def listed(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def run(*arguments: str) -> tuple[int, str]:
    """Run a relay that is expected to end by itself; its exit code and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "relay", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_port_in_use_is_told_with_its_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, errors = run("--data", str(tmp_path), "--port", port)
        assert code == 1 and errors.startswith("E040 PORT_IN_USE") and "--port" in errors
        code, errors = run("--data", str(tmp_path), "--port", port, "--json")
        shape = json.loads(errors)["error"]
        assert code == 1 and (shape["code"], shape["name"]) == ("E040", "PORT_IN_USE")
        assert set(shape) == {"code", "name", "message", "next", "details"}


def in_process(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """`main` itself, for errors that come before it serves."""
    code = main([*arguments, "--port", "0"])
    return code, capsys.readouterr().err


def test_an_address_of_another_machine_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, errors = in_process(capsys, "--data", str(tmp_path), "--host", "192.0.2.1")
    assert code == 1 and "E040" in errors and "192.0.2.1" in errors


def test_a_damaged_database_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "relay.db").write_bytes(os.urandom(8192))
    code, errors = in_process(capsys, "--data", str(tmp_path))
    assert code == 1 and errors.startswith("E025 DATABASE_CORRUPT")


def test_a_second_relay_on_one_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = database.prepare_folder(tmp_path)
    code, errors = in_process(capsys, "--data", str(tmp_path))
    assert code == 1 and errors.startswith("E023 HOME_LOCKED") and "relay" in errors
    os.close(lock)


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["--tls-cert", "x"], 2, "E011"),
        (["--tls-cert", "missing", "--tls-key", "missing"], 1, "E030"),
        (["--access-key-file", "missing"], 1, "E030"),
        (["--access-key-file", os.devnull], 1, "E030"),
        (["--rooms", "0"], 2, "E011"),
    ],
)
def test_settings_that_cannot_be_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, name: str
) -> None:
    assert in_process(capsys, "--data", str(tmp_path), *arguments)[0] == code
    assert name in in_process(capsys, "--data", str(tmp_path), *arguments)[1]


def test_wrong_arguments_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["--port", "many"])
    assert exit.value.code == 2


async def test_it_serves_tls_and_asks_for_its_access_key(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "2"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    making = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await making.wait() == 0
    access = written(tmp_path / "access", "sesame\n")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--access-key-file", str(access))
    relay = await RelayProcess(tmp_path / "data", *options).start()
    assert relay.url.startswith("https://")
    trust = ssl.create_default_context(cafile=str(certificate))
    async with aiohttp.ClientSession() as session:
        node = await dial(session, relay.url, ssl=trust)
        await node.login()
        assert isinstance(await node.open_room(new_key()), wire.Refused)
        room = new_key()
        assert isinstance(await node.open_room(room, "sesame"), wire.Done)
        assert isinstance(await node.attach(room), wire.Attached)
        assert isinstance(await node.publish(room, frames_of(3)), wire.Stored)
        await node.ws.close()
    assert await relay.stop() == 0


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def test_it_logs_no_address_of_those_who_send_it_garbage(tmp_path: Path) -> None:
    relay = await RelayProcess(tmp_path, "--log-level", "info").start()
    for begun in (
        b"\x16\x03\x01garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /nowhere HTTP/1.0\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(relay.url.rpartition(":")[2]))
        writer.write(begun)
        assert b" 40" in await reader.read()
        writer.close()
    async with connecting(relay.url) as node:
        await node.ws.send_bytes(b"garbage")
        await node.closed()
    assert await relay.stop() == 0
    assert "127.0.0.1" not in await relay.errors()


def test_running_out_of_descriptors_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    logs.watch(loop)
    for _ in range(5):
        loop.call_exception_handler({"message": "socket.accept() out of system resource"})
    assert caplog.text.count("no descriptors left") == 1
    loop.call_exception_handler({"message": "something else"})
    assert "something else" in caplog.text
    loop.close()


def test_it_imports_nothing_that_knows_what_a_thread_is() -> None:
    program = "import sys, relay.__main__; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(done.stdout.split())
    foreign = {"pycrdt", "cryptography", "node", "client", "litellm", "keyring", "zeroconf", "httpx"}
    assert not loaded & foreign
    assert {name for name in loaded if name.startswith("crdt.")} <= {
        "crdt.errors",
        "crdt.ids",
        "crdt.keys",
        "crdt.wire",
    }


async def test_it_idles_below_fifty_megabytes(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    relay = await RelayProcess(tmp_path).start()
    status = read(Path(f"/proc/{relay.process.pid}/status"))
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert await relay.stop() == 0
    assert resident < 50 * 1024


def read(path: Path) -> str:
    return path.read_text()


@pytest.mark.deep
async def test_kill_9_under_load_loses_no_acknowledged_frame(tmp_path: Path) -> None:
    """20 kills with four writers at full speed; every start works, every acknowledged frame is there."""
    rng = random.Random(7)
    room, acknowledged = new_key(), dict[int, set[bytes]]()
    total = 0
    for _ in range(20):
        relay = await RelayProcess(tmp_path, "--frames-per-second", "1000000").start()
        async with asyncio.timeout(60):
            writers = [asyncio.create_task(write_for_ever(relay.url, room, acknowledged, n)) for n in range(4)]
            wanted = total + rng.randrange(1, 2000)
            await until(lambda: sum(map(len, acknowledged.values())) >= wanted, "the writing")  # noqa: B023
            await relay.kill()
            await asyncio.gather(*writers)
        total = sum(map(len, acknowledged.values()))
    relay = await RelayProcess(tmp_path).start()
    async with connecting(relay.url) as reader:
        attached = await reader.attach(room)
        assert isinstance(attached, wire.Attached)
        stored = await reader.collect(room, attached.last)
    assert await relay.stop() == 0
    lost = set().union(*acknowledged.values()) - set(stored)
    assert total > 10_000 and len(stored) == len(set(stored))
    assert not lost, f"{len(lost)} of {total} acknowledged frames are gone"
    print(f"\nkill -9: 20 kills, {total} acknowledged frames, {len(lost)} lost")


async def write_for_ever(url: str, room: object, acknowledged: dict[int, set[bytes]], writer: int) -> None:
    """Publish, several requests in flight, until the relay dies; note what it acknowledged."""
    mine = acknowledged.setdefault(writer, set())
    flying: dict[int, tuple[bytes, ...]] = {}
    async with aiohttp.ClientSession() as session:
        try:
            node = await dial(session, url)
            await node.login()
            await node.open_room(room)  # type: ignore[arg-type]
            await node.attach(room)  # type: ignore[arg-type]
            while True:
                while len(flying) < 8:
                    number = node.request()
                    flying[number] = frames_of(5, 200)
                    await node.send(wire.Publish(number, room.public, flying[number]))  # type: ignore[attr-defined]
                message = await node.receive()
                if isinstance(message, wire.Stored):
                    mine.update(flying.pop(message.request))
        except (ConnectionError, aiohttp.ClientError):
            return
