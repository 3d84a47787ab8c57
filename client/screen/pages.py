"""The pages of the people's panel (pure): what can be chosen on each, and what one reads there.

A page that decides about somebody holds on to whom: however the list of people moves meanwhile, Enter does what
stands there.
"""

from collections.abc import Callable
from typing import Final

from client.cli.text import count
from client.screen.page import Choice, Page
from client.screen.people import Company, Member
from client.screen.state import State

# Each page, and the one that Esc leads back to.
BACK: Final = {
    **{"people": "", "person": "people", "kick": "person", "words": "person", "leave": "people", "request": "people"},
    **{"roles": "people", "preview": "roles", "link": "people", "links": "people", "close": "people"},
}
SECRETS_TOO: Final = "secrets"  # what a choice to share is done with if secrets were shown, and agreed to
ROLES: Final = {
    "viewer": "reads all of it, sees what goes on",
    "commenter": "comments besides",
    "editor": "writes, asks models, runs terminals besides",
}


def choices(state: State) -> list[Choice]:
    """What can be chosen on the open page, as far as it holds every word that is written."""
    words = state.query.casefold().split()
    every = _PAGES[state.page.kind](state.company, state.page)
    return [each for each in every if all(word in f"{each.label} {each.about}".casefold() for word in words)]


def picked(state: State) -> Choice | None:
    """What Enter would choose."""
    found = choices(state)
    return found[min(state.picked, len(found) - 1)] if found else None


def heading(state: State) -> str:
    """What the page is about, in a line."""
    page, company = state.page, state.company
    if page.kind == "people":
        if len(company.members) == 1 and company.me:
            return "Only you are in this thread"
        return f"{count(len(company.members), 'person', 'people')} in this thread" if company.members else "People"
    if page.kind == "person":
        member = company.member(page.who)
        return f"{page.name} · {member.role if member else 'no longer in this thread'}"
    return {
        "kick": f"Put {page.name} out?",
        "words": f"Is it {page.name}? Read both lines aloud to each other.",
        "leave": "Leave this thread?",
        "request": f"{page.name} asks to be let in",
        "roles": "A link for one person, for seven days. What may they do?",
        "preview": f"Whoever has the link comes in as {page.role}, and can read",
        "link": "The link. Whoever has it can come in: send it over a channel you trust.",
        "links": "Links to this thread",
        "close": "Close this link for ever?",
    }[page.kind]


def _people(company: Company, page: Page) -> list[Choice]:
    found = [Choice("person", member.name, member.role, member.identity, member.name) for member in company.members]
    if company.role == "owner":
        found += [
            Choice("request", f"{each.name} asks to be let in …", who=each.request, value=each.name)
            for each in company.waiting
        ]
    found += _baton(company)
    if company.role == "owner":
        found += [Choice("roles", "Make a link …"), Choice("links", "Links to this thread …")]
    if company.thread is not None and company.role not in ("", "none", "owner"):
        found.append(Choice("leave", "Leave this thread …"))
    return [*found, Choice("join", "Join by a link …")]


def _baton(company: Company) -> list[Choice]:
    """Everything about who drives, as far as it is ours to say."""
    is_owner, found = company.role == "owner", list[Choice]()
    if company.thread is None or len(company.members) < 2:
        return found
    if is_owner or company.drives:
        found += [
            Choice("give", f"Give control to {each.name}", each.text and f"“{each.text}”", each.identity)
            for each in company.asking
            if not each.is_me
        ]
    if is_owner and not company.drives:
        found.append(Choice("take", f"Take control back from {company.driver_name}"))
    elif not company.drives and company.may("commenter"):
        has_asked = any(each.is_me for each in company.asking)
        found.append(Choice("withdraw", "Ask for control no more") if has_asked else Choice("ask", "Ask for control"))
    return found


def _person(company: Company, page: Page) -> list[Choice]:
    member = company.member(page.who)
    if member is None or member.is_me:
        return [Choice("back", "Back")]
    found = []
    if company.role == "owner":
        found += [Choice("permit", f"Make {role}", about, member.identity, role) for role, about in _others(member)]
    if (company.role == "owner" or company.drives) and member.identity != company.driver and member.role == "editor":
        found.append(Choice("give", "Give control", "they drive", member.identity))
    told = "verified" if member.is_verified else "is it really them?"
    found.append(Choice("words", "Compare words …", told, member.identity, member.name))
    if company.role == "owner":
        found.append(Choice("kick", "Put out …", "", member.identity, member.name))
    return found


def _others(member: Member) -> list[tuple[str, str]]:
    return [(role, about) for role, about in ROLES.items() if role != member.role]


def _kick(company: Company, page: Page) -> list[Choice]:
    return [
        Choice("back", "No"),
        Choice("out", f"Yes, put {page.name} out", "they keep what they read", page.who),
        Choice("out", "Yes, and take back what they wrote", "from everybody", page.who, "hard"),
    ]


def _leave(company: Company, page: Page) -> list[Choice]:
    return [Choice("back", "No"), Choice("left", "Yes, leave", "it goes into the trash here")]


def _words(company: Company, page: Page) -> list[Choice]:
    return [
        Choice("back", "Not now"),
        Choice("same", "They are the same on both sides", "verified", page.who),
        Choice("differ", "They differ", "somebody may be in between", page.who),
    ]


def _request(company: Company, page: Page) -> list[Choice]:
    return [
        Choice("back", "Later"),
        Choice("admit", f"Let {page.name} in", "", page.who),
        Choice("decline", "Turn away", "", page.who),
    ]


def _roles(company: Company, page: Page) -> list[Choice]:
    return [Choice("preview", role, about, value=role) for role, about in ROLES.items()]


def _preview(company: Company, page: Page) -> list[Choice]:
    yes = "Share it all the same, secrets too" if page.is_risky else "Make the link"
    return [Choice("back", "No"), Choice("share", yes, value=page.role, who=SECRETS_TOO if page.is_risky else "")]


def _link(company: Company, page: Page) -> list[Choice]:
    return [Choice("copy", "Copy it to the clipboard"), Choice("back", "Back")]


def _links(company: Company, page: Page) -> list[Choice]:
    return list(page.choices) or [Choice("roles", "No links yet. Make one …")]


def _close(company: Company, page: Page) -> list[Choice]:
    return [Choice("back", "No"), Choice("closed", "Yes, it lets nobody in any more", who=page.who)]


_PAGES: Final[dict[str, Callable[[Company, Page], list[Choice]]]] = {
    **{"people": _people, "person": _person, "kick": _kick, "words": _words, "leave": _leave, "request": _request},
    **{"roles": _roles, "preview": _preview, "link": _link, "links": _links, "close": _close},
}
