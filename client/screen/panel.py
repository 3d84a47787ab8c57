"""The people's panel as lines (pure): who is in the thread and what they look at, or the page that is open on it."""

from client.cli.text import count
from client.screen.marks import sign
from client.screen.page import Choice
from client.screen.pages import choices, heading
from client.screen.people import Company, Member, Present
from client.screen.sidebar import age_of
from client.screen.standing import LOST
from client.screen.state import State
from client.screen.styled import Line, cut
from client.screen.text import filled, fit, settled_line, width, wrap

GIST_COLUMNS = 40  # of a message that somebody looks at
CHOICE_LINES = 4  # that what one reads leaves to what one can choose, in a low window


def panel(state: State, columns: int, height: int, now: float) -> list[Line]:
    """The page, scrolled so that what is picked is in it. `now` in Unix seconds."""
    head: list[Line] = [*((("class:heading", piece),) for piece in wrap(heading(state), columns)), ()]
    heads = len(head)
    head += [(("class:warning", piece),) for text in _loud(state) for piece in wrap(text, columns)]
    for style, text in state.page.told:
        head += [((style, piece),) for piece in wrap(text, columns)]
    if state.page.link:
        link = state.page.link
        head += [(("class:code", link[at : at + columns]),) for at in range(0, len(link), columns)]
    if len(head) > heads:
        head.append(())
    found = choices(state)
    if not found:
        head.append((("class:dim", fit("Nothing here is called like that.", columns)),))
    at = min(state.picked, len(found) - 1)
    pad = min(columns // 2, max((width(each.label) for each in found if each.about and each.do != "person"), default=0))
    blocks: list[list[Line]] = []
    for number, choice in enumerate(found):
        is_person = number > 0 and found[number - 1].do == "person" and choice.do != "person"
        rows = _row(state, choice, columns, pad, number == at, now)
        blocks.append([(), *rows] if is_person else rows)
    room = max(heads, height - min(CHOICE_LINES, sum(map(len, blocks))))
    if len(head) > room:
        head = [*head[: room - 1], (("class:dim", fit("… more of it in a taller window", columns)),)]
    lines = [*head, *_visible(blocks, at, max(1, height - len(head)))]
    return [cut(line, columns) for line in lines[:height]]


def _visible(blocks: list[list[Line]], at: int, height: int) -> list[Line]:
    """As many blocks as fit, the picked one among them and about in the middle."""
    lines = [line for block in blocks for line in block]
    if len(lines) <= height:
        return lines
    above = sum(map(len, blocks[: max(0, at)]))
    first = max(0, min(above - height // 2, len(lines) - height))
    return lines[first : first + height]


def _loud(state: State) -> list[str]:
    """What must not be overlooked."""
    company, page = state.company, state.page
    if page.kind == "people":
        lost = [LOST] if company.role == "none" else []
        return lost + [f"! {each.name}: {each.warning}" for each in company.members if each.warning]
    member = company.member(page.who) if page.kind in ("person", "words") else None
    return [f"! {member.warning}"] if member is not None and member.warning else []


def _row(state: State, choice: Choice, columns: int, pad: int, is_picked: bool, now: float) -> list[Line]:
    member = state.company.member(choice.who) if choice.do == "person" else None
    if member is not None:
        return _person(state, member, columns, is_picked, now)
    name = choice.label
    if choice.about and width(name) < pad:
        name = filled(name, pad)
    label = f"{'▸' if is_picked else ' '} {name}"
    about = fit(choice.about, max(0, columns - width(label) - 2))
    if is_picked:
        return [(("class:row.open", filled(f"{label}  {about}", columns)),)]
    return [(("", fit(label, columns)), ("class:dim", f"  {about}"))]


def _person(state: State, member: Member, columns: int, is_picked: bool, now: float) -> list[Line]:
    """Two lines: who they are, and what they do."""
    company = state.company
    devices = company.devices(member.identity)
    is_away = bool(not member.is_me or devices) and company.is_away(member.identity)
    everyone = [each.identity for each in company.members]
    ((style, drawn),) = sign(member.identity, everyone, member.name, is_away)
    verified = "" if member.is_me else " ✓ verified" if member.is_verified else " not verified"
    drives = " · drives" if member.identity == company.driver and len(company.members) > 1 else ""
    known = f"{member.role}{drives}{verified and ' ·' + verified} "
    name = f"{member.name}{' (you)' if member.is_me else ''}"
    lead = f"{'▸' if is_picked else ' '} "
    space = columns - width(lead) - width(drawn) - 2 - width(known)
    name = filled(name, max(8, space))
    doing = "; ".join(_doing(state, each) for each in devices) or _absent(company, member, now)
    second: Line = (("class:dim", fit(f"{' ' * (width(lead) + width(drawn) + 2)}{doing}", columns)),)
    if is_picked:
        return [(("class:row.open", filled(f"{lead}{drawn}  {name}{known}", columns)),), second]
    warn = "class:warning" if member.warning else "class:dim"
    return [(("", lead), (style, drawn), ("", f"  {name}"), (warn, fit(known, columns))), second]


def _doing(state: State, each: Present) -> str:
    """What somebody looks at on a device."""
    where = " on this device" if each.is_this else f" on {each.device_name}"
    if each.is_away:
        return f"away{where}"
    if each.kind == "draft":
        what = "writes in the draft" if each.is_writing else "in the draft"
    elif each.kind == "terminal":
        what = "at a terminal"
    elif each.kind == "message":
        what = f"reads {_gist(state, each.place)}{' and writes' if each.is_writing else ''}"
    elif each.is_writing:
        what = "writes"
    else:
        what = "here"
    return what + where


def _gist(state: State, identifier: str) -> str:
    text = next((message.text for message in state.messages if message.id == identifier), "")
    gist = fit(settled_line(text.strip().partition("\n")[0]), GIST_COLUMNS)
    return f"“{gist}”" if gist else "a message"


def _absent(company: Company, member: Member, now: float) -> str:
    if member.is_me:
        return "here on this device"
    seen = company.seen.get(member.identity)
    if seen is None:
        return f"not here · {count(len(member.devices), 'device')}" if member.devices else "not here"
    ago = age_of(now - seen)
    return "left just now" if ago == "now" else f"last seen {ago} ago"
