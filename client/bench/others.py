"""What today's sync servers take for the like, for orientation beside our figures.

Measured by us in November 2026: two cores for server and load together, loopback, plain documents. None of them
encrypts or signs, and none but pycrdt's store syncs to the disk at each change; so this is what our promises cost.
"""

OTHERS = {
    "change propagation, median": "Hocuspocus 4.7: 1.0, pycrdt-websocket 0.16: 1.3",
    "change propagation, p95": "Hocuspocus 4.7: 2.0, pycrdt-websocket 0.16: 1.6",
    "relay, idle: resident memory": "Hocuspocus 4.7, 200 rooms: 109; pycrdt-websocket 0.16: 81",
    "node: durable messages through the API": "not durable: Hocuspocus 4.7: 2,500, pycrdt-websocket 0.16: 1,600",
    "cold catch-up over the relay": "from a server of plain text: pycrdt 150, Hocuspocus 290, automerge-repo 13,800",
}
