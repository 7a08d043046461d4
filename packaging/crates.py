"""Which crates a program is made of: their licences, copyrights and digests, as DEP-5 stanzas, as a CycloneDX SBOM, as a check."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
# Of licences to choose from, the first of these that is offered. deny.toml says which may be.
CHOICE = ["Apache-2.0", "MIT", "0BSD", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Zlib", "Unicode-3.0", "Unlicense", "CC0-1.0", "BSL-1.0",
          "CDLA-Permissive-2.0", "MPL-2.0", "Apache-2.0 WITH LLVM-exception"]
# C sources that crates carry, which their own licence field does not speak of.
CARRIED = {
    "libsqlite3-sys": ("sqlite3/sqlite3.c", "none (public domain)", "public-domain",
                       "The authors of SQLite disclaim copyright to its source code."),
    "zstd-sys": ("zstd/lib/*", "Meta Platforms, Inc. and affiliates", "BSD-3-Clause", None),
}

# For crates that say MIT and bring no text.
MIT = """
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


class Crates:
    """The crates that end up in one program."""

    def __init__(self, package, target=None):
        host = target or re.search(r"^host: (.*)$", run("rustc", "-vV"), re.M)[1]
        graph = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host))
        self.packages = {p["id"]: p for p in graph["packages"]}
        self.root = next(i for i, p in self.packages.items() if p["name"] == package and p["source"] is None)
        # Metadata also names crates behind features that are off; the tree is what is compiled. No build scripts, no tests.
        tree = run("cargo", "tree", "--offline", "--locked", "-p", package, "-e", "normal", "--target", host, "--prefix", "none",
                   "-f", "{p}")
        built = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
        self.ids = {i for i, p in self.packages.items() if (p["name"], f"v{p['version']}") in built}
        # Kind `null` is what is linked or used to compile it.
        self.uses = {n["id"]: sorted(d["pkg"] for d in n["deps"] if any(k["kind"] is None for k in d["dep_kinds"]) and d["pkg"] in self.ids)
                     for n in graph["resolve"]["nodes"]}
        self.outside = sorted((self.packages[i] for i in self.ids if self.packages[i]["source"]),
                              key=lambda p: (p["name"], p["version"]))


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def chosen(expression):
    """The licences that are taken of an SPDX expression: every part of an AND, one of an OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+(?: WITH [^\s()]+)?", expression.replace("/", " OR "))

    def either():
        options = [both()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            options.append(both())
        rank = lambda names: max(CHOICE.index(n) if n in CHOICE else len(CHOICE) for n in names)
        return min(options, key=rank)

    def both():
        names = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            names = names + [n for n in one() if n not in names]
        return names

    def one():
        token = tokens.pop(0)
        if token != "(":
            return [token]
        names = either()
        tokens.pop(0)
        return names

    return either()


def licence_files(package):
    folder = Path(package["manifest_path"]).parent
    return sorted(f for f in folder.iterdir() if f.is_file() and re.match(r"(?i)(licen[cs]e|copying|copyright|notice)", f.name))


def copyrights(package):
    """Who says in its files that it is theirs; else its authors."""
    found = []
    for file in licence_files(package):
        for line in file.read_text(errors="replace").splitlines():
            line = line.strip(" \t#*/")
            said = re.match(r"(?i)copyright\s*(?:\(c\)|©)?\s*(.*(?:\d{4}|developers|authors|contributors).*)", line)
            if said and not re.search(r"\[yyyy\]|<year>|license|licence|notice|holder", line, re.I) and said[1] not in found:
                found.append(said[1].rstrip("."))
    return found or package["authors"] or [f"the {package['name']} developers"]


def indented(text):
    return "".join(f" {line.rstrip()}\n" if line.strip() else " .\n" for line in text.strip("\n").splitlines())


# Some crates keep all their licences in one file; Debian's policy wants this one by reference.
APACHE = re.compile(r"^ *Apache License\n *Version 2\.0, January 2004\n.*?^ *END OF TERMS AND CONDITIONS\n"
                    r"(?:\s*APPENDIX:.*?limitations under the License\.\n)?", re.DOTALL | re.MULTILINE)
APACHE_HERE = "(On Debian systems the Apache License, Version 2.0, is in /usr/share/common-licenses/Apache-2.0.)"


def licence_text(package, name):
    """The file of the crate that holds a licence's words."""
    word = name.split("-")[0].lower()
    files = licence_files(package)
    named = [f for f in files if word in f.name.lower()]
    for file in named + [f for f in files if "apache" not in f.name.lower()]:
        text = file.read_text(errors="replace")
        if "GNU GENERAL PUBLIC" not in text:
            return APACHE.sub(f"{APACHE_HERE}\n", text)
    return MIT if name == "MIT" else None


def dep5(crates):
    """Stanzas of a DEP-5 copyright file for everything that is linked in."""
    out = []
    for p in crates.outside:
        names = chosen(p["license"] or "see its files")
        holders = "\n           ".join(copyrights(p))
        out.append(f"Files: crates/{p['name']}-{p['version']}/*\nCopyright: {holders}\n"
                   f"License: {' and '.join(short(n) for n in names)}\n")
        texts = [licence_text(p, n) or "" for n in names if n != "Apache-2.0"]
        out[-1] += "".join(indented(t) for t in texts if t)
        out[-1] += f"Comment: {p['repository'] or 'https://crates.io/crates/' + p['name']}; offered under {p['license']}\n"
        if p["name"] in CARRIED:
            files, owner, licence, words = CARRIED[p["name"]]
            words = words or licence_text({**p, "manifest_path": str(Path(p["manifest_path"]).parent / "zstd/x")}, licence)
            out.append(f"Files: crates/{p['name']}-{p['version']}/{files}\nCopyright: {owner}\nLicense: {licence}\n{indented(words)}")
    return "\n".join(out)


def short(name):
    """As DEP-5 spells it: exceptions in words."""
    return re.sub(r" WITH (\w+)-exception", r" with \1 exception", name)


def sbom(crates, name, version, epoch):
    """CycloneDX 1.5. The same crates give the same bytes."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    ref = lambda p: f"pkg:cargo/{p['name']}@{p['version']}"

    def component(p):
        made = {"type": "library", "bom-ref": ref(p), "name": p["name"], "version": p["version"], "purl": ref(p)}
        if p["description"]:
            made["description"] = " ".join(p["description"].split())
        if p["license"]:
            made["licenses"] = [{"expression": p["license"].replace("/", " OR ")}]
        if digest := sums.get((p["name"], p["version"])):
            made["hashes"] = [{"alg": "SHA-256", "content": digest}]
        if p["repository"]:
            made["externalReferences"] = [{"type": "vcs", "url": p["repository"]}]
        return made

    everything = sorted((crates.packages[i] for i in crates.ids if i != crates.root), key=ref)
    graph = sorted(({"ref": ref(crates.packages[i]), "dependsOn": sorted(ref(crates.packages[u]) for u in crates.uses[i])}
                    for i in crates.ids), key=lambda d: d["ref"])
    made = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"timestamp": timestamp(epoch), "component": {
            "type": "application", "bom-ref": ref(crates.packages[crates.root]), "name": name, "version": version,
            "licenses": [{"expression": "Apache-2.0"}], "purl": f"pkg:deb/{name}@{version}"}},
        "components": [component(p) for p in everything],
        "dependencies": graph,
    }
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).digest()
    return {"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}", **made}


def timestamp(epoch):
    import datetime
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def faults(crates):
    """Crates with a licence that deny.toml does not allow, or from elsewhere than crates.io."""
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    for p in crates.outside:
        at = f"{p['name']} {p['version']}"
        if p["source"] != REGISTRY:
            yield f"{at}: comes from {p['source']}"
        for name in chosen(p["license"] or "none"):
            if name not in allowed:
                yield f"{at}: licence `{p['license']}` is not in deny.toml"


if __name__ == "__main__":
    os.chdir(ROOT)
    wrong, count = [], 0
    for package in sys.argv[1:]:
        crates = Crates(package)
        count = max(count, len(crates.outside))
        wrong += [f"{package}: {fault}" for fault in faults(crates)]
    print("\n".join(wrong) if wrong else f"{count} crates at most, each from crates.io under a licence that deny.toml allows")
    sys.exit(1 if wrong else 0)
