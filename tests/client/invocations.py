"""Each operation once through the command line and once through the Python API, with every parameter set.

The parity test takes these as the proof that both reach all of the table; what the node then received
must be the same by both ways.
"""

from tests.client import discussing, sharing, showing
from tests.client.invocation import Invocation

WORDS24 = " ".join(["zebra"] * 24)

INVOCATIONS: dict[str, Invocation] = {
    **sharing.INVOCATIONS,
    **discussing.INVOCATIONS,
    **showing.INVOCATIONS,
    "status": Invocation(["node", "status"], lambda n: n.status(), {}),
    "node.stop": Invocation(["node", "stop"], lambda n: n.stop(), {}),
    "doctor": Invocation(["doctor"], lambda n: n.doctor(), {}),
    "config.get": Invocation(["config", "get", "sync.lan"], lambda n: n.config("sync.lan"), {"key": "sync.lan"}),
    "config.set": Invocation(
        ["config", "set", "import.follow", '["claude"]'],
        lambda n: n.set_config("import.follow", ["claude"]),
        {"key": "import.follow", "value": ["claude"]},
    ),
    "backup.create": Invocation(
        ["backup", "create", "/tmp/b", "--passphrase-stdin"],
        lambda n: n.create_backup("/tmp/b", "pass word"),
        {"path": "/tmp/b", "passphrase": "pass word"},
        b"pass word\n",
    ),
    "backup.restore": Invocation(
        ["backup", "restore", "/tmp/b", "--passphrase-stdin"],
        lambda n: n.restore_backup("/tmp/b", "pass word"),
        {"path": "/tmp/b", "passphrase": "pass word"},
        b"pass word\n",
    ),
    "purge": Invocation(["purge"], lambda n: n.purge(dry_run=False), {"dry_run": False}),
    "events.watch": Invocation(
        ["watch", "k3v9", "--since", "10", "--until", "run.*"],
        lambda n: n.events("k3v9", 10, reconnect=False),
        {"thread": "k3v9", "since": 10},
    ),
    "thread.create": Invocation(
        ["new", "Parser", "--project", "/tmp/p"],
        lambda n: n.create_thread("Parser", "/tmp/p"),
        {"title": "Parser", "project": "/tmp/p"},
    ),
    "thread.list": Invocation(
        ["list", "--trash", "--project", "/tmp/p", "--limit", "5"],
        lambda n: n.threads(trash=True, project="/tmp/p", limit=5),
        {"trash": True, "project": "/tmp/p", "limit": 5},
    ),
    "thread.show": Invocation(
        ["show", "k3v9", "--limit=5", "--before", "m1"],
        lambda n: n.thread("k3v9", limit=5, before="m1"),
        {"thread": "k3v9", "limit": 5, "before": "m1"},
    ),
    "thread.rename": Invocation(
        ["rename", "k3v9", "T"], lambda n: n.rename_thread("k3v9", "T"), {"thread": "k3v9", "title": "T"}
    ),
    "thread.trash": Invocation(["trash", "k3v9"], lambda n: n.trash_thread("k3v9"), {"thread": "k3v9"}),
    "thread.restore": Invocation(["restore", "k3v9"], lambda n: n.restore_thread("k3v9"), {"thread": "k3v9"}),
    "thread.delete": Invocation(
        ["delete", "k3v9", "--forever"],
        lambda n: n.delete_thread("k3v9", forever=True),
        {"thread": "k3v9", "forever": True},
    ),
    "thread.export": Invocation(
        ["export", "k3v9", "--format", "json"],
        lambda n: n.export_thread("k3v9", "json"),
        {"thread": "k3v9", "format": "json"},
    ),
    "search": Invocation(
        ["search", "race", "condition", "--thread", "k3v9", "--limit", "5"],
        lambda n: n.search("race condition", thread="k3v9", limit=5),
        {"text": "race condition", "thread": "k3v9", "limit": 5},
    ),
    "message.say": Invocation(["say", "k3v9", "hi"], lambda n: n.say("k3v9", "hi"), {"thread": "k3v9", "text": "hi"}),
    "run.ask": Invocation(
        ["ask", "k3v9", "why?", "--model", "guide", "--take-over"],
        lambda n: n.ask("k3v9", "why?", model="guide", take_over=True),
        {"thread": "k3v9", "text": "why?", "model": "guide", "take_over": True},
    ),
    "run.cancel": Invocation(
        ["cancel", "k3v9", "--run", "r1"], lambda n: n.cancel("k3v9", "r1"), {"thread": "k3v9", "run": "r1"}
    ),
    "provider.add": Invocation(
        ["provider", "add", "local", "--base-url", "http://l/v1", "--model", "m", "--key-stdin"],
        lambda n: n.add_provider("local", "http://l/v1", "m", "sk-1"),
        {"name": "local", "base_url": "http://l/v1", "model": "m", "key": "sk-1"},
        b"sk-1\n",
    ),
    "provider.list": Invocation(["provider", "list"], lambda n: n.providers(), {}),
    "provider.test": Invocation(
        ["provider", "test", "local"], lambda n: n.test_provider("local"), {"provider": "local"}
    ),
    "provider.remove": Invocation(
        ["provider", "remove", "local"], lambda n: n.remove_provider("local"), {"provider": "local"}
    ),
    "model.list": Invocation(["models"], lambda n: n.models(), {}),
    "import.file": Invocation(
        ["import", "/tmp/s.jsonl"], lambda n: n.import_file("/tmp/s.jsonl"), {"path": "/tmp/s.jsonl"}
    ),
    "import.follow": Invocation(["import", "--follow", "codex"], lambda n: n.follow("codex"), {"source": "codex"}),
    "import.unfollow": Invocation(
        ["import", "--unfollow", "codex"], lambda n: n.unfollow("codex"), {"follow": "codex"}
    ),
    "import.followed": Invocation(["import", "--followed"], lambda n: n.follows(), {}),
    "pair.show": Invocation(
        ["pair", "--timeout", "5", "--confirm"],
        lambda n: n.show_pairing_code(timeout_s=5),
        {"timeout_s": 5, "confirm": True},
    ),
    "pair.join": Invocation(
        ["pair", "7-a-b", "--relay", "ws://r", "--timeout", "5", "--phrase-stdin"],
        lambda n: n.pair("7-a-b", relay="ws://r", phrase=WORDS24, timeout_s=5),
        {"code": "7-a-b", "relay": "ws://r", "phrase": WORDS24, "timeout_s": 5},
        WORDS24.encode(),
    ),
    "pair.confirm": Invocation(
        ["devices", "admit", "--decline"], lambda n: n.confirm_pairing(False), {"accept": False}
    ),
    "device.list": Invocation(["devices"], lambda n: n.devices(), {}),
    "device.rename": Invocation(
        ["devices", "rename", "laptop", "old"],
        lambda n: n.rename_device("laptop", "old"),
        {"device": "laptop", "name": "old"},
    ),
    "device.revoke": Invocation(
        ["devices", "revoke", "laptop", "--phrase-stdin"],
        lambda n: n.revoke_device("laptop", WORDS24),
        {"device": "laptop", "phrase": WORDS24},
        WORDS24.encode(),
    ),
    "identity.whoami": Invocation(["whoami"], lambda n: n.whoami(), {}),
    "recovery.show": Invocation(["recovery", "show"], lambda n: n.recovery_phrase(), {}),
    "recovery.confirm": Invocation(
        ["recovery", "confirm", "--phrase-stdin"],
        lambda n: n.confirm_recovery(WORDS24),
        {"phrase": WORDS24},
        WORDS24.replace(" ", "\n").encode(),
    ),
    "recovery.restore": Invocation(
        [
            "recovery",
            "restore",
            "--phrase-stdin",
            "--relay",
            "ws://r",
            "--access-key-file",
            "KEYFILE",
            "--timeout",
            "5",
        ],
        lambda n: n.restore_identity(WORDS24, "ws://r", access_key="open sesame", timeout_s=5),
        {"phrase": WORDS24, "relay": "ws://r", "access_key": "open sesame", "timeout_s": 5},
        WORDS24.encode(),
    ),
    "sync.status": Invocation(["sync", "status", "k3v9"], lambda n: n.sync_status("k3v9"), {"thread": "k3v9"}),
    "sync.enable": Invocation(
        ["sync", "enable", "k3v9", "--project", "/tmp/p"],
        lambda n: n.enable_sync("k3v9", "/tmp/p"),
        {"thread": "k3v9", "project": "/tmp/p"},
    ),
    "sync.disable": Invocation(
        ["sync", "disable", "k3v9", "--project", "/tmp/p"],
        lambda n: n.disable_sync("k3v9", "/tmp/p"),
        {"thread": "k3v9", "project": "/tmp/p"},
    ),
    "sync.connect": Invocation(
        ["sync", "connect", "ws://r", "--access-key-stdin"],
        lambda n: n.connect_relay("ws://r", access_key="open sesame"),
        {"url": "ws://r", "access_key": "open sesame"},
        b"open sesame\n",
    ),
    "sync.disconnect": Invocation(
        ["sync", "disconnect", "ws://r"], lambda n: n.disconnect_relay("ws://r"), {"url": "ws://r"}
    ),
    "sync.wait": Invocation(
        ["sync", "wait", "k3v9", "--incoming", "--timeout", "5"],
        lambda n: n.wait_for_sync("k3v9", incoming=True, timeout_s=5),
        {"thread": "k3v9", "incoming": True, "timeout_s": 5},
    ),
    "control.show": Invocation(
        ["control", "k3v9", "--terminal", "t1"],
        lambda n: n.control("k3v9", terminal="t1"),
        {"thread": "k3v9", "terminal": "t1"},
    ),
    "control.set": Invocation(
        ["control", "k3v9", "--request", "--text", "My turn?", "--terminal", "t1"],
        lambda n: n.set_control("k3v9", "request", terminal="t1", text="My turn?"),
        {"thread": "k3v9", "action": "request", "who": None, "terminal": "t1", "text": "My turn?"},
    ),
    "presence.show": Invocation(["who", "k3v9"], lambda n: n.who("k3v9"), {"thread": "k3v9"}),
    "presence.set": Invocation(
        ["look", "k3v9", "--at", "message", "--id", "m1", "--cursor", "4", "--writing", "--state", "away"],
        lambda n: n.look("k3v9", state="away", place="message", id="m1", cursor=4, writing=True),
        {"thread": "k3v9", "state": "away", "place": "message", "id": "m1", "cursor": 4, "writing": True},
    ),
    "relay.status": Invocation(["relay", "status", "ws://r"], lambda n: n.relays("ws://r"), {"url": "ws://r"}),
}
