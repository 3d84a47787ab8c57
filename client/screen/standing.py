"""The people in a few words (pure): for the status line, and for the place of a composer that one may not use."""

from client.cli.text import count
from client.screen.marks import sign
from client.screen.people import Company
from client.screen.state import State
from client.screen.styled import Line
from client.screen.text import fit, wrap

SHOWN = 4  # people in the status line
DEVICE_COLUMNS = 16
LOST = "You are no longer in this thread."


def summary(state: State) -> Line:
    """For the status line: who else is here, and of how many; nothing in a thread that nobody else looks into."""
    company = state.company
    everyone = [each.identity for each in company.members]
    here = company.others_here
    line: list[tuple[str, str]] = []
    for member in here[:SHOWN]:
        line += [*sign(member.identity, everyone, member.name, company.is_away(member.identity)), ("", " ")]
    told = [f"+{len(here) - SHOWN}"] if len(here) > SHOWN else []
    own = [fit(each.device_name, DEVICE_COLUMNS) for each in company.own_here if not each.is_away][:1]
    told += [f"you on {name}" for name in own]
    if len(company.members) > 1:
        told.append(f"{'here' if here else '' if own else 'nobody else here'} · {len(company.members)} members".strip())
    return (*line, ("class:status", " ".join(told))) if told else ()


def baton(company: Company) -> str:
    """For the status line: who drives, where that can be somebody else."""
    if len(company.members) < 2 or not company.driver:
        return ""
    return "you drive" if company.drives else f"{fit(company.driver_name, 20)} drives"


def alarm(company: Company) -> str:
    """For the status line: who may not be who they are taken for."""
    suspect = [each.name for each in company.members if each.warning]
    return f"! is it really {fit(suspect[0], 20)}?" if suspect else ""


def calls(company: Company) -> str:
    """For the status line: who asks for something that we can give."""
    asks = [f"{fit(each.name, 20)} asks to be let in" for each in company.waiting]
    if company.drives or company.role == "owner":
        asks += [f"{fit(each.name, 20)} asks for control" for each in company.asking if not each.is_me]
    return asks[0] + (f" and {len(asks) - 1} more" if len(asks) > 1 else "") if asks else ""


def lock(state: State, columns: int) -> list[str]:
    """What stands where the composer was, for those who may not write; in lines that fit."""
    company = state.company
    if company.role == "none":
        told = f"{LOST} What you had read stays."
        if count_out := company.left_out:
            told += f" {count(count_out, 'text')} of yours {'does' if count_out == 1 else 'do'} not count:"
            told += " opensesh leftovers"
    else:
        what = "Alt-C comments. Ask" if company.role == "commenter" else "ask"
        told = f"You are {company.role} here: {what} {fit(company.owner, 20)} for the right to write."
    first, *rest = wrap(told, max(4, columns - 3))
    return [f"🔒 {first}", *(f"   {line}" for line in rest)]


def refusal(company: Company, what: str) -> str:
    """Why one can't do something: a sentence. `what` as in "ask Ana for the right to …"."""
    if company.role == "none":
        return LOST
    return f"You are {company.role} here: ask {fit(company.owner, 20)} for the right to {what}."
