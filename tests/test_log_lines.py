"""Every line the service logs at info or above is listed, with its fields, in docs/monitoring.md: operators search for them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Programs and libraries of the service; the others only measure and test it.
NOT_THE_SERVICE = {"bench", "fuzz", "readers", "target"}


def macros(text: str):
    """Level and arguments of each macro that logs."""
    for found in re.finditer(r"\b(info|warn|error)!\(", text):
        at, depth, quoted = found.end(), 1, False
        while depth:
            c = text[at]
            if quoted:
                at += c == "\\"
                quoted = c != '"'
            else:
                quoted = c == '"'
                depth += (c in "([{") - (c in ")]}")
            at += 1
        yield found[1], text[found.end() : at - 1]


def logged(text: str):
    """Level, message and fields of each line that a source file logs."""
    for level, arguments in macros(text):
        *_, message = re.finditer(r'"((?:\\.|[^"\\])*)"', arguments, re.DOTALL)
        before = re.sub(r'"(?:\\.|[^"\\])*"', "", arguments[: message.start()])
        while before != (before := re.sub(r"\([^()]*\)", "", before)):
            pass
        fields = [part.split("=")[0].strip().lstrip("%?") for part in before.split(",") if part.strip()]
        yield level, re.sub(r"\\\n\s*", "", message[1]), ", ".join(fields)


def sources():
    for file in sorted(ROOT.glob("*/src/**/*.rs")):
        if file.relative_to(ROOT).parts[0] not in NOT_THE_SERVICE:
            yield file


def row(level, message, fields):
    return f"| {level} | `{message}` | {fields} |".replace("|  |", "| |")


def test_every_log_line_is_documented_with_its_fields():
    found = {row(*line) for file in sources() for line in logged(file.read_text())}
    assert len(found) > 50, "the search for log lines finds next to nothing"
    section = (ROOT / "docs/monitoring.md").read_text().split("\n## Log lines\n")[1].split("\n## ")[0]
    documented = {line for line in section.splitlines() if re.match(r"\| (info|warn|error) \|", line)}
    missing, gone = sorted(found - documented), sorted(documented - found)
    assert not missing, "add to \"Log lines\" of docs/monitoring.md:\n" + "\n".join(missing)
    assert not gone, "no source logs these lines of docs/monitoring.md:\n" + "\n".join(gone)


def test_the_search_reads_what_a_macro_may_hold():
    text = 'x => warn!(ahead = jump.num(a, "("), %error, name, "two (2) \\\n   parts; \\"ok\\""), info!("plain");'
    assert list(logged(text)) == [
        ("warn", 'two (2) parts; \\"ok\\"', "ahead, error, name"),
        ("info", "plain", ""),
    ]
