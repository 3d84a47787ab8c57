"""The people on the screen from node to drawing: who is here, what they may, and what one does about them."""

import base64

from client.api.node import Node
from crdt.errors import INVITE_EXPIRED, PERMISSION_DENIED
from tests.client.screen.live_node import LiveNode
from tests.client.screen.seat import Seat, seated
from tests.client.screen.team import LINK, member
from tests.client.screen.test_screen_text import ATTACKS


async def test_who_comes_and_goes_is_seen_in_the_status_line_without_a_key(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await seat.shows("first", until=lambda s: "member" not in status(s))
        node.team.come("Ben Beta", "t1")
        await seat.shows("BB", "here · 2 members", "you drive")
        node.team.drive("Ben Beta", "t1")
        await seat.shows("Ben Beta drives")
        node.team.look("Ben Beta", "t1", state="away")
        away = {"○", "□", "△", "◇", "▽", "☆"}
        await seat.shows("BB", until=lambda s: away & set(status(s)))
        node.team.go("Ben Beta", "t1")
        await seat.shows("nobody else here · 2 members")


async def test_the_panel_says_what_each_looks_at_and_when_they_were_here_last(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "the first message")
    node.team.come("Ben", "t1", looking_at=None)
    node.team.come("Cleo", "t1", "viewer", verified=True)
    async with seated(client, 120, 40) as seat:
        await seat.shows("3 members")
        seat.press("Alt-w")
        await seat.shows("3 people in this thread", "Me (you)", "owner", "editor · not verified", "viewer · ✓ verified")
        node.team.look("Ben", "t1", looking_at={"kind": "message", "id": "t1-0"})
        await seat.shows("reads “the first message” on Ben's laptop")
        node.team.look("Ben", "t1", looking_at={"kind": "message", "id": "t1-0"}, writing=True)
        await seat.shows("reads “the first message” and writes on Ben's laptop")
        node.team.look("Ben", "t1", looking_at={"kind": "draft", "id": None}, writing=True)
        await seat.shows("writes in the draft on Ben's laptop")
        node.team.look("Ben", "t1", looking_at={"kind": "terminal", "id": "x"})
        await seat.shows("at a terminal on Ben's laptop")
        node.team.go("Ben", "t1")
        await seat.shows("left just now")


async def test_another_identity_of_a_known_name_is_loud_on_the_line_and_in_the_panel(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "first")
    warning = "This is not the Ben you met before: the identity is another one. Compare the words."
    node.team.members.append(member("Ben", warning=warning))
    async with seated(client) as seat:
        await seat.shows("! is it really Ben? (Alt-W)", "nobody else here · 2 members")
        seat.press("Alt-w")
        await seat.shows("! Ben: This is not the Ben you met before")


async def test_the_owner_gives_another_role_and_puts_somebody_out_once_asked_again(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members.append(member("Ben", "viewer"))
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.press("Alt-w")
        seat.type("ben")
        await seat.shows("people› ben", "▸ ", until=lambda s: "Me (you)" not in "\n".join(s.lines))
        seat.press("Enter")
        await seat.shows("Ben · viewer", "▸ Make commenter", "Compare words …", "Put out …")
        seat.press("Down", "Enter")
        await seat.shows("Ben is now editor.", "2 people in this thread")
        assert node.last("member.permit") == {"thread": "t1", "who": "id-Ben", "permission": "editor"}
        seat.enter("ben")
        seat.enter("put out")
        await seat.shows("Put Ben out?", "▸ No")
        seat.press("Enter")
        await seat.shows("Ben · editor")
        assert not any(call.operation == "member.kick" for call in node.calls)
        seat.enter("put out")
        await seat.shows("Put Ben out?")
        seat.press("Down", "Enter")
        await seat.shows("Ben is out, and can read nothing", "Only you are in this thread")
        assert node.last("member.kick") == {"thread": "t1", "who": "id-Ben", "hard": False}


async def test_a_link_is_made_after_one_saw_what_it_shows_and_secrets_take_a_yes(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.secrets = 1
    async with seated(client) as seat:
        await seat.shows("first")
        seat.press("Alt-w")
        await make_link(seat)
        await seat.shows(
            "can read", "“Parser”: 2 messages", "! 1 place with what looks like a secret:", "AKIA…", "▸ No"
        )
        seat.press("Enter")
        await seat.shows("What may they do?")
        assert not any(call.operation == "share.create" for call in node.calls)
        seat.press("Enter")
        await seat.shows("Share it all the same")
        seat.press("Down", "Enter")
        await seat.shows("The link.", "Lets 1 person in as viewer", "▸ Copy it")
        made = node.last("share.create")
        assert (made["permission"], made["uses"], made["allow_secrets"]) == ("viewer", 1, True)
        shown = "".join(line.partition("│")[2].strip() for line in seat.lines)
        assert LINK in shown, "every character of it is there to be read"
        seat.press("Enter")
        await seat.shows("was given to the terminal's clipboard")
        assert base64.b64encode(LINK.encode()).decode() in seat.wire.raw
        seat.press("Esc")
        await seat.shows("Links to this thread …")
        seat.enter("links to")
        await seat.shows("▸ viewer · open", "0 of 1 used")
        seat.press("Enter")
        await seat.shows("Close this link for ever?")
        seat.press("Down", "Enter")
        await seat.shows("The link lets nobody in any more.")
        assert node.last("share.withdraw")["share"] == "3f0a9c1d"


async def test_secrets_that_were_not_shown_are_not_shared(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await seat.shows("first")
        seat.press("Alt-w")
        await make_link(seat)
        await seat.shows("Make the link")
        seat.press("Down", "Enter")
        await seat.shows("The link.")
    assert node.last("share.create")["allow_secrets"] is False


async def test_who_asks_to_be_let_in_is_announced_and_answered(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    async with seated(client) as seat:
        await seat.shows("first")
        node.team.waiting.append({"request": "77aa", "thread": "t1", "identity": "id-Eve", "name": "Eve"})
        node.happen("share.asked", "t1", identity="id-Eve", request="77aa")
        await seat.shows("Eve asks to be let in (Alt-W)")
        seat.press("Alt-w")
        seat.type("Eve")
        seat.press("Enter", "Down", "Enter")
        await seat.shows("They are in.")
    assert node.last("share.decide") == {"request": "77aa", "accept": True}


async def test_words_are_compared_before_somebody_is_verified(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members.append(member("Ben"))
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.press("Alt-w")
        seat.enter("ben")
        await seat.shows("Compare words …")
        seat.enter("compare")
        await seat.shows("a b c d e f", "you: g h i j k l", "▸ Not now")
        assert node.last("member.verify")["matches"] is None
        seat.press("Down", "Enter")
        await seat.shows("is verified.")
    assert node.last("member.verify")["matches"] is True


async def test_control_is_asked_for_given_and_announced(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.be("editor")
    async with seated(client) as seat:
        await seat.shows("Ana drives")
        seat.press("Alt-w")
        seat.enter("ask for")
        await seat.shows("You asked for control. Ana drives.", "Ask for control no more")
        node.team.drive("Me", "t1", "Ana")
        await seat.shows("Ana asks for control (Alt-W)", "you drive", "Give control to Ana  “it is my turn”")
        seat.enter("give")
        await seat.shows("Ana drives.", until=lambda s: "You asked" not in "\n".join(s.lines))
    assert node.last("control.set") == {
        **{"thread": "t1", "action": "hand", "who": "id-Ana", "terminal": None, "text": None}
    }


async def test_a_viewer_sees_a_lock_that_opens_the_moment_they_may_write(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.be("viewer")
    async with seated(client) as seat:
        await seat.shows("You are viewer here: ask Ana for the right to write.")
        seat.type("not heard")
        seat.press("Enter", "Alt-s", "Alt-c")
        await seat.shows("You are viewer here: ask Ana for the right to comment.")
        node.team.give("Me", "t1", "commenter")
        await seat.shows("You are commenter here: Alt-C comments")
        seat.press("Alt-c")
        seat.enter("Why?")
        await seat.shows("1 open comment")
        seat.press("Esc")
        node.team.give("Me", "t1", "editor")
        await seat.shows("› Ask something")
        seat.type("heard")
        seat.press("Alt-s")
        await seat.shows("heard", "2 messages")
        assert [call.parameters["text"] for call in node.calls if call.operation == "message.say"] == ["heard"]


async def test_what_is_written_when_the_right_goes_is_there_when_it_comes_back(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.be("editor")
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.type("half a sent")
        await seat.shows("› half a sent")
        node.team.give("Me", "t1", "viewer")
        await seat.shows("You are viewer here")
        seat.press("Enter")
        node.team.give("Me", "t1", "editor")
        await seat.shows("› half a sent")


async def test_who_was_put_out_is_told_so_and_what_of_theirs_does_not_count(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.be("editor")
    async with seated(client, 120, 30) as seat:
        await seat.shows("2 members")
        node.team.give("Me", "t1", "none")
        await seat.shows("You are no longer in this thread. What you had read stays.")
        node.happen("work.left_out", "t1", count=2)
        node.team.leftovers = [{"form": "message", "name": "m", "text": "mine", "why": "put out"}] * 2
        await seat.shows("2 texts of yours do not count: opensesh leftovers")


async def test_one_joins_by_a_link_that_is_pasted_and_reads_how_it_goes(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.begin("t2", "Mine", "mine")
    node.answers["share.join"] = {
        "thread": "t1",
        "permission": "viewer",
        "state": "waiting",
        "waiting_for": "Ana's device",
    }
    async with seated(client) as seat:
        await seat.shows("mine")
        seat.press("Alt-w")
        seat.enter("join by")
        await seat.shows("link› ", "Paste the link")
        seat.paste(LINK)
        seat.press("Enter")
        await seat.shows("Waiting for Ana's device. The thread appears here once that has happened.")
        assert node.last("share.join")["link"] == LINK
        node.answers["share.join"] = {"thread": "t1", "permission": "viewer", "state": "admitted", "waiting_for": None}
        seat.enter(f"/join {LINK}")
        await seat.shows("You are in, as viewer.", "▸ Parser", "first")
        node.errors["share.join"] = INVITE_EXPIRED()
        seat.enter(f"/join {LINK}")
        await seat.shows("! E048")


async def test_one_leaves_once_asked_again(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.be("editor")
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.press("Alt-w")
        seat.enter("leave")
        await seat.shows("Leave this thread?", "▸ No")
        seat.press("Down", "Enter")
        await seat.shows("You have left.")
    assert node.last("member.leave")["thread"] == "t1"


async def test_what_the_node_refuses_is_said_and_changes_nothing(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members.append(member("Ben", "viewer"))
    node.errors["member.permit"] = PERMISSION_DENIED("You are editor; that takes the role owner.", role="owner")
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.press("Alt-w")
        seat.enter("ben")
        await seat.shows("Make editor")
        seat.press("Enter")
        await seat.shows("! E006", "Ben · viewer")


async def test_no_name_or_place_of_others_reaches_the_terminal_as_they_wrote_it(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members.append(member("Ben", devices=[{"id": "d", "name": ATTACKS}], warning=ATTACKS) | {"name": ATTACKS})
    node.team.look("Ben", "t1", device={"id": "d", "name": ATTACKS})
    async with seated(client) as seat:
        await seat.shows("2 members")
        seat.press("Alt-w")
        await seat.shows("2 people in this thread")
        for key in ("Down", "Enter", "Esc", "Esc"):
            seat.press(key)
        await seat.shows("Ask something")
        assert seat.obeyed == []


def status(seat: Seat) -> str:
    """The line between conversation and composer."""
    return seat.lines[-3]


async def make_link(seat: Seat) -> None:
    """From the panel to the preview of a viewer's link."""
    await seat.shows("Make a link …")
    seat.enter("make")
    await seat.shows("▸ viewer")
    seat.press("Enter")


async def test_what_does_not_count_is_said_as_well_when_the_thread_is_opened_later(
    client: Node, node: LiveNode
) -> None:
    node.begin("t1", "Parser", "first")
    node.team.members = [member("Ana", "owner")]
    node.team.leftovers = [{"form": "message", "name": "m", "text": "mine", "why": "put out"}]
    async with seated(client, 120, 30) as seat:
        await seat.shows("You are no longer in this thread.", "1 text of yours does not count: opensesh leftovers")
        seat.press("Alt-w")
        await seat.shows("1 person in this thread", "You are no longer in this thread.")
        seat.press("F1")
        await seat.shows("Keys (F1 or Esc closes this)")
        seat.press("Esc")
        await seat.shows("1 person in this thread")


async def test_a_link_that_is_sent_as_a_prompt_is_no_prompt(client: Node, node: LiveNode) -> None:
    node.begin("t1", "Parser", "first")
    node.answers["share.join"] = {"thread": "t1", "permission": "viewer", "state": "admitted", "waiting_for": None}
    async with seated(client) as seat:
        await seat.shows("first")
        seat.paste(f" {LINK} ")
        seat.press("Enter")
        await seat.shows("link› opensesh://join/", "This is a link into somebody's thread")
        assert not any(call.operation in ("run.ask", "share.join") for call in node.calls)
        seat.press("Enter")
        await seat.shows("You are in, as viewer.", "› Ask something")
    assert node.last("share.join")["link"] == LINK
