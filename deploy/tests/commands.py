"""Every command line of our programs in deploy/, .github/ and the runbooks is one that the program takes.

    commands.py FOLDER_OF_PROGRAMS

Each is run by the real program with settings and files that do not exist, in an empty folder: whatever it then misses, it must not be its
command line (exit code 64).
"""

import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("taphound", "taphound-sync", "taphound-retrain")
# Where a command is written as text; the chart's templates are made plain first.
TEXT = ["deploy/**/*.md", "deploy/**/*.yml", "deploy/prometheus/textfile/*", "deploy/containers/*", "docs/runbooks/*.md", "docs/scale.md", "docs/disaster-recovery.md"]
# What somebody fills in.
PLACES = [
    (r"\{\{\s*tasks\.[^}]*\.from\}\}|\{\{inputs\.parameters\.from\}\}", "1700000000000"), (r"\{\{inputs\.parameters\.slice\}\}", "1"),
    (r"\{\{workflow\.creationTimestamp\.s\}\}", "1700000000"), (r"\{\{[^}]*\}\}", "x"), (r"[$<]\{?[A-Z_]+\}?>?", "x"), (r"\bMS\b", "1700000000000"),
]


def listed(value):
    """Every list of words that begins with a program, anywhere in a parsed file; and scripts handed to sh."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from listed(inner)
        image = str(value.get("image", "")).rsplit("/", 1)[-1].split(":")[0]
        if image in PROGRAMS and isinstance(value.get("command"), list) and value["command"][0] not in PROGRAMS and "entrypoint" not in value:
            yield [image, *value["command"]]
    elif isinstance(value, list):
        if len(value) > 1 and value[0] in PROGRAMS and value[1] not in PROGRAMS:
            yield [str(word) for word in value]
        elif value and value[0] == "sh" and isinstance(value[-1], str):
            yield from written(value[-1])
        else:
            for inner in value:
                yield from listed(inner)


def written(text):
    """Commands in prose and scripts: in backticks, after a prompt, or at the beginning of an indented or scripted line."""
    text = text.replace("\\\n", " ")
    candidates = re.findall(r"`((?:taphound(?:-sync|-retrain)?) [^`]+)`", text)
    candidates += re.findall(r"(?:^|&& |\|\| |\{ |; )[#>$ ]*((?:taphound(?:-sync|-retrain)?) [a-z-][^\n`&|;]*)", text, flags=re.M)
    for candidate in candidates:
        candidate = re.split(r"\s[|>;]|\s#|\.\s|,\s|[)]", candidate.strip())[0]
        try:
            words = shlex.split(candidate)
        except ValueError:
            continue
        if words and words[0] in PROGRAMS and len(words) > 1 and re.fullmatch(r"-{0,2}[a-z][a-z-]*", words[1]):
            yield words


def found():
    for path in sorted(p for root in ("deploy", ".github") for ending in ("yml", "yaml") for p in (REPO / root).rglob(f"*.{ending}")):
        if "templates" in path.parts:
            text = re.sub(r"\{\{.*?\}\}", "x", path.read_text())
            for command in re.findall(r"command: \[(taphound[^\]]*)\]", text):
                yield path, [word.strip() for word in command.split(",")]
            continue
        for document in yaml.safe_load_all(path.read_text()):
            for command in listed(document):
                yield path, command
    for pattern in TEXT:
        for path in sorted(REPO.glob(pattern)):
            if path.is_file():
                for command in written(path.read_text()):
                    yield path, command


def plain(word):
    for pattern, value in PLACES:
        word = re.sub(pattern, value, word)
    return word


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    faults, tried = [], set()
    with tempfile.TemporaryDirectory() as empty:
        for path, command in found():
            words = [plain(word) for word in command]
            if len(words) == 2 and path.suffix == ".md":
                words.append("--help")  # Only named.
            # Settings that do not exist end every command before it does anything.
            words = ["/nowhere/" + word.lstrip("/") if word.startswith("/") else word for word in words]
            if tuple(words) in tried:
                continue
            tried.add(tuple(words))
            try:
                done = subprocess.run([programs / words[0], *words[1:]], cwd=empty, capture_output=True, text=True, timeout=20, env={"PATH": "/nowhere", "HOME": empty, "TAPHOUND__RUN__STATE_DIR": f"{empty}/state"}, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                continue  # It runs: its command line was good.
            if done.returncode == 64:
                faults.append(f"{path.relative_to(REPO)}: {shlex.join(command)}: {done.stderr.strip().splitlines()[0]}")
    print("\n".join(faults))
    print(f"    counted {len(tried)} command lines of {', '.join(PROGRAMS)}")
    return bool(faults) or len(tried) < 20


sys.exit(main())
