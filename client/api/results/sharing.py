"""Links, joining, members."""

from datetime import datetime

from client.api.results.common import DeviceName, Result


class Finding(Result, frozen=True, kw_only=True):
    """What looks like a secret: of which kind, where, and how it begins."""

    kind: str
    message: str
    part: int
    field: str
    line: int
    excerpt: str
    why: str


class SharePreview(Result, frozen=True, kw_only=True):
    """What somebody would be able to read."""

    title: str
    project: str | None
    messages: int
    tool_results: int
    characters: int
    people: int
    first: str
    last: str
    secrets: int
    findings: list[Finding]


class Share(Result, frozen=True, kw_only=True):
    """A link that was just made."""

    link: str
    id: str
    thread: str
    permission: str
    expires_at: datetime | None
    uses: int


class ShareRow(Result, frozen=True, kw_only=True):
    """A link and what became of it; `state` is open, used up, expired, withdrawn or gone."""

    id: str
    thread: str
    title: str
    permission: str
    link: str | None
    uses: int
    used: int
    expires_at: datetime | None
    approve: bool
    state: str
    people: list[str]


class ShareRequest(Result, frozen=True, kw_only=True):
    """Somebody who waits to be let in."""

    request: str
    thread: str
    identity: str
    name: str


class Shares(Result, frozen=True, kw_only=True):
    """All links, and who waits."""

    shares: list[ShareRow]
    requests: list[ShareRequest]


class Joined(Result, frozen=True, kw_only=True):
    """Where a joiner stands: `state` is admitted or waiting."""

    thread: str
    permission: str
    state: str
    waiting_for: str | None = None


class Member(Result, frozen=True, kw_only=True):
    """Somebody in a thread. `warning` says what is wrong with them, if anything is."""

    identity: str
    name: str
    permission: str
    devices: list[DeviceName]
    verified: bool
    present: bool
    me: bool
    warning: str | None = None


class Permitted(Result, frozen=True, kw_only=True):
    """A member and the right they have now."""

    thread: str
    identity: str
    name: str
    permission: str


class Verified(Result, frozen=True, kw_only=True):
    """A member's words and ours."""

    identity: str
    name: str
    words: str
    own_words: str
    verified: bool


class Leftover(Result, frozen=True, kw_only=True):
    """Something that was written here and does not count: `form` is message, comment, text or value."""

    form: str
    name: str
    text: str
    why: str
