"""Benchmarks that are programs of their own: they print text for people, and a JSON object a line for us."""
import json
import subprocess

from stage import BIN, say


def run_program(name, args, timeout=300):
    """Its lines; none, with a word about it, when it is not built or does not know the option."""
    path = BIN / name
    if not path.exists():
        say("    %s is not built" % name)
        return []
    p = subprocess.run([str(path), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    if p.returncode:
        say("    %s %s: exit %d: %s" % (name, " ".join(args), p.returncode, (p.stderr or p.stdout).strip()[-200:]))
        return []
    return p.stdout.splitlines()


def rows(lines):
    """The JSON lines; the others are printed."""
    out = []
    for line in lines:
        if line.startswith("{"):
            out.append(json.loads(line))
        elif line.strip():
            say("    " + line)
    return out
