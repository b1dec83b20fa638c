# SPDX-License-Identifier: Apache-2.0
"""speech.md: what a county leader asked for, phrase by phrase, as commands; this reads it and runs it on one county, in order.

A heading `## 1.12 …` begins a row; its commands stand in fenced blocks, as shell: `$ ` begins one, `> ` goes on with it. They run in
one shell (variables live on, the folder `deploy` is there, `day 20` prints the county's date in twenty days, `quarter 1` the last month of the coming
quarter); what follows is what
they print, `[8]` last if they end with that exit code. In it `…` is any text, on a line of its own any lines; runs of spaces are one.

`/usr/bin/python3 tests/scenarios/speech.py` prints the document, what differs replaced by what the commands print today: it runs them on two counties
whose clocks differ, so that `…` stands for what time or chance made."""
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
DOCUMENT = HERE / "speech.md"
ROWS = ["0.4"] + [f"{part}.{n}" for part, last in [(1, 15), (2, 10), (3, 18), (4, 4)] for n in range(1, last + 1)]
CHANCE = re.compile(r"(?<=修订 )\d+|\b[a-z]{1,2}[0-9a-f]{15,16}\b")  # revisions and ids: what is in a copied county is the same twice
PRELUDE = """. "$1/env"; COUNTY=$1; cd "$2"; ln -s "$3/deploy" deploy
day() { psql -XqAtc "SELECT registry.today() + ${1:-0}"; }
quarter() { psql -XqAtc "SELECT to_char(date_trunc('quarter', registry.today()) + interval '1 month' * (3 * ${1:-0} + 2), 'YYYY-MM')"; }
month() { psql -XqAtc "SELECT to_char(registry.today() + ${1:-0}, 'YYYY-MM')"; }
"""


@dataclasses.dataclass
class Command:
    row: str
    text: str
    place: tuple  # first line and end of what it should print, in the document
    wants: list
    prints: list = None


def parse(text):
    """Commands by row; a row without any has an empty list."""
    rows, row, inside, current = {}, None, False, None
    for n, line in enumerate(text.splitlines()):
        if line.startswith("```"):
            inside, current = not inside, None
        elif heading := re.match(r"## (\d+\.\d+) ", line):
            row = heading[1]
            rows[row] = []
        elif inside and line.startswith("$ "):
            current = Command(row, line[2:], (n + 1, n + 1), [])
            rows[row].append(current)
        elif inside and line.startswith("> ") and not current.wants:
            current.text += "\n" + line[2:]
            current.place = (n + 1, n + 1)
        elif inside and current:
            current.wants.append(line)
            current.place = (current.place[0], n + 1)
    return rows


def run(rows, folder, seconds=600):
    """Runs them all in one shell on the county in that folder, whatever they say."""
    commands = [c for row in rows.values() for c in row]
    script = PRELUDE + "".join(f"printf '\\036'\n{{ {c.text}\n}} 2>&1\ncode=$?; [ $code = 0 ] || echo \"[$code]\"\n" for c in commands)
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run(["bash", "-c", script, "speech", str(folder), work, str(TOP)], capture_output=True, encoding="utf-8",
                              stdin=subprocess.DEVNULL, timeout=seconds)
    printed = done.stdout.split("\036")[1:]
    assert len(printed) == len(commands), f"the shell ended at: {commands[len(printed) - 1].text}\n{done.stderr}"
    for command, text in zip(commands, printed):
        command.prints = [line.rstrip() for line in text.splitlines()]


def squeezed(line):
    return re.sub(r"\s+", " ", line.rstrip())


def matches(wants, prints):
    """Is what a command printed what the document says? A line that is `…` alone stands for any lines."""
    pattern = "".join("(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, squeezed(line).split("…"))) + "\n" for line in wants)
    return re.fullmatch(pattern, "".join(squeezed(line) + "\n" for line in prints)) is not None


def wrong(commands):
    """What is not as the document says, for people."""
    return "".join(f"\n$ {c.text}\n" + "".join(f"  - {line}\n" for line in c.wants) + "".join(f"  + {line}\n" for line in c.prints)
                   for c in commands if not matches(c.wants, c.prints))


def common(a, b):
    """A word of which two runs print a and b: what they share at both ends, `…` for the rest and the digits beside it."""
    if a == b:
        return a
    head = next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    tail = next((n for n, (x, y) in enumerate(zip(a[head:][::-1], b[head:][::-1])) if x != y), min(len(a), len(b)) - head)
    before, after = re.sub(r"[0-9a-z.:-]+$", "", a[:head]), re.sub(r"^[0-9a-z.:-]+", "", a[len(a) - tail:])
    return (before + "…" + after).ljust(len(a))


def both(a, b):
    """A line of which two runs print a and b."""
    if len(a.split()) != len(b.split()):
        return "…"
    words = iter(b.split())
    return re.sub(r"\S+", lambda m: common(m[0], next(words)), a).rstrip()


def filled(text, one, other):
    """The document; where the runs printed anything else, that."""
    lines = text.splitlines()
    pairs = list(zip([c for row in one.values() for c in row], [c for row in other.values() for c in row]))
    for a, b in reversed(pairs):
        if matches(a.wants, a.prints) and matches(b.wants, b.prints):
            continue
        if len(a.prints) != len(b.prints):
            prints = a.prints + ["…"]
        else:
            prints = [both(x, y) for x, y in zip(a.prints, b.prints)]
        lines[a.place[0]:a.place[1]] = [CHANCE.sub(lambda m: "…".ljust(len(m[0])), line).rstrip() for line in prints]
    return "\n".join(lines) + "\n"


def main():
    sys.path.insert(0, str(TOP / "tests/integration"))
    from conftest import County
    text, runs = DOCUMENT.read_text(), []
    for offset in ["0", "+123 days 7 hours 41 minutes"]:
        county = County()
        try:
            county.up().clock(offset)
            runs.append(parse(text))
            run(runs[-1], county.dir)
        finally:
            county.down()
    print(filled(text, *runs), end="")


if __name__ == "__main__":
    main()
