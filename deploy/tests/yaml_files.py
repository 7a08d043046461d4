"""Every YAML file of deploy/ and .github/ can be read, without a key that stands there twice; a chart's templates are left to the renderer."""

import pathlib
import sys

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent.parent


class Strict(yaml.SafeLoader):
    """Refuses a key that stands there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for n, key in enumerate(keys):
            if key in keys[:n]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def main():
    faults, read = [], 0
    paths = [p for root in ("deploy", ".github") for ending in ("yml", "yaml") for p in (REPO / root).rglob(f"*.{ending}")]
    for path in sorted(paths):
        if "templates" in path.parts:
            continue
        try:
            list(yaml.load_all(path.read_text(), Strict))
            read += 1
        except yaml.YAMLError as fault:
            faults.append(f"{path.relative_to(REPO)}: {fault}")
    print("\n".join(faults))
    print(f"    counted {read} YAML files")
    return bool(faults)


sys.exit(main())
