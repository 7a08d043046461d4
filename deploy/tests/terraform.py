"""Terraform without its providers: every block and argument is one that the AWS provider knows, every required one is there, every
reference leads somewhere, every module is called with what it asks for.

    terraform.py [--provider FOLDER]

The provider's schema comes from HashiCorp's own bindings (npm @cdktf/provider-aws: the file .jsii in FOLDER); without them references and
modules are checked alone. `terraform validate` does more (types of values), but wants the providers themselves.
"""

import argparse
import json
import pathlib
import re
import sys

import hcl2

TERRAFORM = pathlib.Path(__file__).resolve().parent.parent / "terraform"
# What every block may have.
META = {"count", "for_each", "provider", "providers", "depends_on", "lifecycle", "source", "version", "dynamic"}
MARKS = {"__is_block__", "__comments__", "__inline_comments__"}
LINK = re.compile(r"docs/(resources|data-sources)/(\w+)#(\w+) ")


class Provider:
    """Arguments of each resource and data source, and of the blocks in it."""

    def __init__(self, folder):
        self.types = json.loads((folder / ".jsii").read_text())["types"]
        self.version = re.search(r"hashicorp/aws provider version ([\d.]+)", (folder / "README.md").read_text())[1]
        self.configs, self.attributes = {}, {}
        for fqn, kind in self.types.items():
            for found in self.arguments(fqn)[:1]:
                if kind["kind"] == "interface" and kind["name"].endswith("Config") and "cdktf.TerraformMetaArguments" in kind.get("interfaces", []):
                    self.configs[found[0], found[1]] = fqn
                    made = self.types.get(fqn.removesuffix("Config"), {})
                    names = {re.sub(r"([A-Z])", r"_\1", p["name"]).lower() for p in made.get("properties", [])}
                    self.attributes[found[0], found[1]] = names | {re.sub(r"_(\d)", r"\1", n) for n in names}

    def arguments(self, fqn):
        """(resources or data-sources, thing, argument, required, fqn of the block's type)."""
        made = []
        for argument in self.types.get(fqn, {}).get("properties", []):
            # A block has its link in the remarks.
            docs = argument.get("docs", {})
            found = LINK.search(docs.get("summary", "") + docs.get("remarks", ""))
            if found:
                inner = sorted(set(re.findall(r'"fqn": "(@cdktf/provider-aws\.[^"]+)"', json.dumps(argument["type"]))))
                made.append((found[1], found[2], found[3], not argument.get("optional"), inner[0] if inner else None))
        return made

    def faults(self, place, fqn, body):
        known = {name: (required, inner) for _, _, name, required, inner in self.arguments(fqn)}
        dynamic = {name.strip('"') for block in body.get("dynamic", []) for name in block if name not in MARKS}
        for name, value in body.items():
            if name in META or name in MARKS:
                continue
            if name not in known:
                yield f"{place}: {name} is nothing that provider {self.version} knows"
            elif known[name][1] and isinstance(value, list):
                for block in value:
                    if isinstance(block, dict):
                        yield from self.faults(f"{place}.{name}", known[name][1], block)
        for name, (required, _) in known.items():
            if required and name not in body and name not in dynamic:
                yield f"{place}: {name} is missing"


def blocks(folder, kind):
    """(file, labels, body) of every block of a kind."""
    for path in sorted(folder.glob("*.tf")):
        with open(path) as text:
            for block in hcl2.load(text).get(kind, []):
                labels = []
                while "__is_block__" not in block:
                    [(label, block)] = [(k, v) for k, v in block.items() if k not in MARKS]
                    labels.append(label.strip('"'))
                yield path, labels, block


def references(folder):
    """Everything that the files of a folder speak of, templates' and comments' words left out."""
    for path in sorted(folder.glob("*.tf")):
        text = re.sub(r"^\s*(#|//).*$", "", path.read_text(), flags=re.M)
        text = re.sub(r'\$\$\{[^}]*\}', "", text)
        inside = "\n".join(re.findall(r"\$\{([^}]*)\}", text))
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
        for found in re.finditer(r"(?<![\w.])(var|local|module|data|aws_\w+)\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?(?:\[[^\]]*\])?(?:\.(\w+))?", outside + "\n" + inside):
            yield path, found


def check(folder, provider):
    shown = folder.relative_to(TERRAFORM)
    variables = {labels[0]: body for _, labels, body in blocks(folder, "variable")}
    modules = {labels[0]: body for _, labels, body in blocks(folder, "module")}
    local = {name for _, _, body in blocks(folder, "locals") for name in body}
    things = {(kind, *labels) for kind in ("resource", "data") for _, labels, _ in blocks(folder, kind)}
    outputs = {}
    used = set()

    for name, body in modules.items():
        inner = (folder / body["source"].strip('"')).resolve()
        if not inner.is_dir():
            yield f"{shown}: module {name}: {inner} does not exist"
            continue
        asked = {labels[0]: other for _, labels, other in blocks(inner, "variable")}
        outputs[name] = {labels[0] for _, labels, _ in blocks(inner, "output")}
        given = set(body) - META - MARKS
        for extra in sorted(given - set(asked)):
            yield f"{shown}: module {name} has no variable {extra}"
        for missing in sorted(n for n, v in asked.items() if "default" not in v and n not in given):
            yield f"{shown}: module {name} is not given {missing}"

    for path, found in references(folder):
        kind, first, second, third = found.groups()
        place = f"{shown}/{path.name}: {found[0]}"
        if kind == "var":
            used.add(first)
            if first not in variables:
                yield f"{place}: no such variable"
        elif kind == "local" and first not in local:
            yield f"{place}: no such local"
        elif kind == "module":
            if first not in modules:
                yield f"{place}: no such module"
            elif second and second not in outputs.get(first, {second}):
                yield f"{place}: the module has no such output"
        elif kind == "data" and first.startswith("aws_"):
            if ("data", first, second) not in things:
                yield f"{place}: no such data source"
            elif provider and third and third not in provider.attributes.get(("data-sources", first[4:]), {third}):
                yield f"{place}: no such attribute"
        elif kind.startswith("aws_"):
            if ("resource", kind, first) not in things:
                # Arguments such as `aws_x = ...` look alike.
                yield f"{place}: no such resource"
            elif provider and second and second not in provider.attributes.get(("resources", kind[4:]), {second}):
                yield f"{place}: no such attribute"
    for name in sorted(set(variables) - used):
        yield f"{shown}: variable {name} is not used"
    for name, body in variables.items():
        if "description" not in body or "type" not in body:
            yield f"{shown}: variable {name} has no description or type"

    if provider:
        for kind, where in (("resource", "resources"), ("data", "data-sources")):
            for _, (thing, name), body in blocks(folder, kind):
                if thing.startswith("aws_"):
                    fqn = provider.configs.get((where, thing[4:]))
                    if fqn is None:
                        yield f"{shown}: {thing} is nothing that provider {provider.version} knows"
                    else:
                        yield from provider.faults(f"{shown}: {thing}.{name}", fqn, body)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--provider", type=pathlib.Path)
    given = arguments.parse_args()
    provider = Provider(given.provider) if given.provider else None
    folders = sorted({path.parent for path in TERRAFORM.rglob("*.tf") if ".terraform" not in path.parts})
    faults = [fault for folder in folders for fault in check(folder, provider)]
    count = sum(1 for folder in folders for kind in ("resource", "data") for _ in blocks(folder, kind))
    print("\n".join(faults))
    schema = f"the schema of provider {provider.version}" if provider else "references and modules alone"
    print(f"    counted {count} resources and data sources in {len(folders)} folders, held against {schema}")
    return bool(faults)


sys.exit(main())
