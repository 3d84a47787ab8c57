"""What one command is: the row type of the table that parsing, help, completion and the parity test read."""

# How an argument's text becomes a value. A "path" is made absolute; a "secret" is read from stdin or asked
# for, and its flag only says so; a "key_file" is a file whose first line is the secret; a "value" is true,
# false, a number, a JSON list, or else text.
KINDS = ("text", "flag", "integer", "number", "path", "secret", "key_file", "value")


class Argument:
    """One input. With `flags` it is an option, without it is taken by its place.

    `name` is the operation's parameter that it fills; a "key_file" has `_file` behind it. `many` takes all
    that is left, as a list; `stdin` lets it be `-`, or be left out where input is piped in; `dashed` lets its words
    begin with a dash.
    """

    __slots__ = ("choices", "dashed", "doc", "flags", "kind", "many", "metavar", "name", "required", "stdin")

    def __init__(
        self,
        name: str,
        metavar: str,
        doc: str,
        *flags: str,
        kind: str = "text",
        required: bool = False,
        many: bool = False,
        stdin: bool = False,
        dashed: bool = False,
        choices: tuple[str, ...] = (),
    ) -> None:
        assert kind in KINDS and (metavar or kind in ("flag", "secret")), name
        self.name, self.metavar, self.doc, self.flags, self.kind = name, metavar, doc, flags, kind
        self.required, self.many, self.stdin, self.dashed, self.choices = required, many, stdin, dashed, choices

    @property
    def takes_value(self) -> bool:
        """Whether a word follows its flag."""
        return self.kind not in ("flag", "secret")

    @property
    def spelling(self) -> str:
        """How it is written in a usage line and in an error."""
        if not self.flags:
            return f"{self.metavar}…" if self.many else self.metavar
        return f"{self.flags[0]} {self.metavar}" if self.takes_value else self.flags[0]


class Verb:
    """One command, by the words that name it.

    It calls `operations` of the node's table. With one operation and no `run` the arguments are its
    parameters, and `text` turns its result, or each line of its stream, into what a person reads. `run`
    names a function that does more than that. Both are `module:function` below `client.cli`, imported
    when the command is. An empty `operations` is a command that needs no node. `json` describes what
    `--json` prints where that is not just what the operations give.
    """

    __slots__ = ("arguments", "detail", "examples", "group", "json", "operations", "run", "summary", "text", "words")

    def __init__(
        self,
        words: str,
        summary: str,
        *arguments: Argument,
        group: str,
        operations: tuple[str, ...] = (),
        text: str = "",
        run: str = "",
        examples: tuple[str, ...] = (),
        detail: str = "",
        json: str = "",
    ) -> None:
        assert run or (len(operations) == 1 and text), words
        assert examples, f"{words}: help without an example"
        self.words, self.summary, self.arguments, self.group = tuple(words.split()), summary, arguments, group
        self.operations, self.text, self.run = operations, text, run
        self.examples, self.detail, self.json = examples, detail, json

    @property
    def name(self) -> str:
        """Its words, as they are typed."""
        return " ".join(self.words)

    @property
    def usage(self) -> str:
        """Its usage line, without options that are not required."""
        pieces = ["opensesh", *self.words]
        for argument in self.arguments:
            if argument.flags and argument.required:
                pieces.append(argument.spelling)
            elif not argument.flags:
                pieces.append(argument.spelling if argument.required else f"[{argument.spelling}]")
        return " ".join([*pieces, "[options]"])
