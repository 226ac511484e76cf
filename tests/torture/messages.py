"""The torture messages of RFC 4475 and RFC 5118 as bytes, with what the RFC asks of each and what we do.

    for m in messages.read("rfc4475.txt"): m.name, m.section, m.title, m.via, m.asks, m.does, m.differs, m.call, m.data

`python3 messages.py --page` writes docs/sip-torture.md; the test that sends them holds the page against the table.
`python3 messages.py --bytes DIR` writes each message into a file (seeds for fuzzing, files for other tools).
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "sip-torture.md"
FIELDS = ("via", "asks", "does", "differs", "call")
INTRO = """# SIP torture messages

What a sip-edge of a running cluster does with every message of RFC 4475 and RFC 5118, sent byte for byte from the address of a trunk.
Made by `tests/torture/messages.py --page`; `tests/scenario/test_torture.py` sends the messages, reads this table and fails where it is wrong.
The same messages from an address that is no trunk's are answered by nobody, and no message ends the process or disturbs a call beside it.

A 404 says that the message was understood: the number, or the domain of the REGISTER, is not ours. "With ours": the same with a number of ours in
the INVITE's Request-URI, or a domain of ours in the REGISTER (401: asked for its password, as any phone is).
"""


class Message:
    def __init__(self, name, section, title):
        self.name, self.section, self.title = name, section, title
        self.via = self.asks = self.does = self.differs = self.call = ""
        self.data = b""


def _expand(text):
    """RFC 4475 section 2: <repeat count=N>…</repeat>, <hex>…</hex>; the rest is UTF-8."""
    out = b""
    for part in re.split(r"(<repeat count=\d+>.*?</repeat>|<hex>.*?</hex>)", text):
        m = re.fullmatch(r"<repeat count=(\d+)>(.*)</repeat>", part)
        if m:
            out += m.group(2).encode() * int(m.group(1))
        elif part.startswith("<hex>"):
            out += bytes.fromhex(part[5:-6])
        else:
            out += part.encode()
    return out


def _bytes(lines):
    out, joined = b"", None
    for line in lines:
        if line == "<allOneLine>":
            joined = ""
        elif line == "</allOneLine>":
            out, joined = out + _expand(joined) + b"\r\n", None
        elif joined is not None:
            joined += line
        else:
            out += _expand(line) + b"\r\n"
    return out


def read(name):
    """Every message of a file, in its order."""
    out = []
    for block in re.split(r"^=== ", (HERE / name).read_text(), flags=re.M)[1:]:
        head, _, text = block.partition("\n---\n")
        first, *fields = head.split("\n")
        m = Message(*first.split(" ", 2))
        for field in fields:
            key, _, value = field.partition(": ")
            if key not in FIELDS:
                raise ValueError("%s: %s: no such field" % (m.name, key))
            setattr(m, key, value)
        m.data = _bytes(text.removesuffix("\n").split("\n"))
        out.append(m)
    return out


def _table(title, rows):
    out = ["## " + title, "", "| section | message | the RFC asks | sip-edge does | with ours |", "|---|---|---|---|---|"]
    for m in rows:
        does = m.does + (": " + m.differs if m.differs else "")
        out.append("| %s | `%s` %s, %s | %s | %s | %s |" % (m.section, m.name, m.title, m.via.upper(), m.asks, does, m.call))
    return out + [""]


def page():
    lines = INTRO.splitlines() + [""] + _table("RFC 4475", read("rfc4475.txt")) + _table("RFC 5118, IPv6", read("rfc5118.txt"))
    return "\n".join(lines)


def main(args):
    if args == ["--page"]:
        PAGE.write_text(page())
    elif len(args) == 2 and args[0] == "--bytes":
        for m in read("rfc4475.txt") + read("rfc5118.txt"):
            (pathlib.Path(args[1]) / m.name).write_bytes(m.data)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
