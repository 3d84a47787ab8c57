"""Lines made of pieces, each with its style (pure)."""

from client.screen.text import breaks, fit, width

Line = tuple[tuple[str, str], ...]  # (style class, text) pieces


def cut(line: Line, columns: int) -> Line:
    """A line that fits, with … where something is missing."""
    found = []
    for style, piece in line:
        found.append((style, fit(piece, max(0, columns))))
        columns -= width(found[-1][1])
    return tuple(found)


def wrapped(line: Line, columns: int, at_spaces: bool = True) -> list[Line]:
    """A line in lines that fit, each character in the style it had."""
    text = "".join(piece for _, piece in line)
    lines = []
    at, number = 0, 0  # where the piece `number` begins; both only ever grow, so that the whole takes one pass
    for start, end in breaks(text, max(1, columns), at_spaces):
        found = []
        while number < len(line):
            style, piece = line[number]
            if cut := piece[max(0, start - at) : max(0, end - at)]:
                found.append((style, cut))
            if at + len(piece) > end:
                break
            at, number = at + len(piece), number + 1
        lines.append(tuple(found))
    return lines
