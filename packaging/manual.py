"""Man pages of the settings files, and what the pages that the programs write of themselves lack."""

import re

EXITS = [
    ("0", "It is done."),
    ("64", "The command line makes no sense."),
    ("65", "Input was read and is wrong."),
    ("66", "Input is not there."),
    ("69", "What is asked for does not answer."),
    ("70", "A fault of the program itself."),
    ("73", "Output cannot be created."),
    ("74", "Reading or writing failed half-way."),
    ("77", "The operating system says no."),
    ("78", "The settings cannot be used."),
]
OUTCOMES = [
    ("10", "No drift."),
    ("11", "Too few labels."),
    ("12", "Cooling down."),
    ("13", "Refused by the gate."),
]
HEALTH = [("0", "ok"), ("1", "degraded"), ("2", "critical")]

# By program: settings file, its page, further exit codes, files.
PROGRAMS = {
    "taphound": {
        "settings": "taphound.toml",
        "files": [
            ("/etc/taphound/taphound.toml, /etc/taphound/conf.d/*.toml", "Settings; see taphound.toml(5)."),
            ("/etc/taphound/keys/*.pub", "Keys that may sign models."),
            ("/var/lib/taphound/", "Database and models."),
            ("/run/taphound/control.sock", "Where the running sensor answers."),
        ],
        "see": ["taphound.toml(5)", "taphound-features(7)", "taphound-sync(1)", "taphound-retrain(1)"],
    },
    "taphound-sync": {
        "settings": "taphound-sync.toml",
        "files": [
            ("/etc/taphound/sync.toml, /etc/taphound/sync.d/*.toml", "Settings; see taphound-sync.toml(5)."),
            ("/var/lib/taphound-sync/", "Cursors, key, status."),
        ],
        "see": ["taphound-sync.toml(5)", "taphound(1)", "taphound-retrain(1)"],
    },
    "taphound-retrain": {
        "settings": "taphound-retrain.toml",
        "files": [
            ("/etc/taphound/retrain.toml, /etc/taphound/retrain.d/*.toml", "Settings; see taphound-retrain.toml(5)."),
            ("/etc/taphound/keys/signing.key", "The key that signs models and channel pointers."),
            ("/var/lib/taphound-retrain/", "State of runs."),
            ("/var/lib/taphound-fleet/", "Log table, objects and registry of a box without a centre."),
        ],
        "see": ["taphound-retrain.toml(5)", "taphound-features(7)", "taphound(1)", "taphound-sync(1)"],
    },
}


def roff(text):
    """Text as roff shows it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def tagged(pairs):
    return "".join(f".TP\n\\fB{roff(tag)}\\fR\n{roff(text)}\n" for tag, text in pairs)


def completed(page, program, name):
    """The page of a command with exit status, files and where to read on."""
    facts = PROGRAMS[program]
    exits = HEALTH + EXITS[1:] if name.endswith("-status") else EXITS + (OUTCOMES if program == "taphound-retrain" else [])
    see = list(facts["see"])
    if name != program:
        see.insert(0, f"{program}(1)")
    # The version is in the footer already.
    page = re.sub(r"\.SH VERSION\n.*?(?=\.SH|\Z)", "", page, flags=re.S)
    page = page.rstrip("\n") + "\n"
    page += ".SH EXIT STATUS\n" + tagged(exits)
    if name == program:
        page += ".SH FILES\n" + tagged(facts["files"])
    return page + ".SH SEE ALSO\n" + ", ".join(f"\\fB{roff(s[:-3])}\\fR{s[-3:]}" for s in see) + "\n"


def settings_page(text, program, version, date):
    """The page of a settings file, from the commented example that shows every key with its default."""
    facts = PROGRAMS[program]
    title = facts["settings"]
    where, drop_ins = facts["files"][0][0].split(", ")
    out = [f'.TH "{title.upper()}" 5 "{date}" "{program} {version}" "Taphound"', ".SH NAME",
           f"{roff(title)} \\- settings of {roff(program)}", ".SH SYNOPSIS", f"\\fI{roff(where)}\\fR", ".br",
           f"\\fI{roff(drop_ins)}\\fR", ".SH DESCRIPTION"]
    body, comment, keys, intro = [], [], [], True

    def flush():
        if keys:
            body.append("\n".join((".TP" if i == 0 else ".TQ") + f"\n\\fB{roff(key)}\\fR" for i, key in enumerate(keys)))
            body.append(roff(" ".join(comment)) if comment else "\\&")
        elif comment:
            body.append(".PP\n" + roff(" ".join(comment)))
        comment.clear()
        keys.clear()

    for line in text.splitlines():
        if heading := re.fullmatch(r"\[+([\w.]+)\]+", line):
            # What was said right before a heading is about it.
            said, intro = (list(comment) if not keys else []), intro
            if said and not keys:
                comment.clear()
            flush()
            if intro:
                out.append(roff(" ".join(said)) if said else "")
                out.append("Strict: a key that does not exist is an error that names the nearest one that does. "
                           "A key \\fBa.b\\fR is also set by the environment: \\fBTAPHOUND__A__B\\fR.")
                out.append(".SH SETTINGS")
                intro, said = False, []
            body.append(f".SS [{roff(heading[1])}]")
            if said:
                body.append(roff(" ".join(said)))
        elif line.startswith("# "):
            if keys:
                flush()
            comment.append(line[2:].strip())
        elif key := re.match(r"#?([\w]+ = .*)", line):
            keys.append(key[1])
        elif not line.strip():
            flush() if keys or not intro and not comment else None
    flush()
    out += body
    out += [".SH FILES", tagged(facts["files"]).rstrip("\n"), ".SH SEE ALSO",
            f"\\fB{roff(program)}\\fR(1)"]
    return "\n".join(line for line in out if line) + "\n"
