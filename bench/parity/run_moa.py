"""MOA's adaptive random forest on the streams: the same loop, in MOA's own jar (it comes with capymoa)."""

import csv
import json
import sys

import capymoa  # noqa: F401  starts the JVM with MOA's jar on its class path
from figures import figures
from jpype import JClass

ARF = JClass("moa.classifiers.meta.AdaptiveRandomForest")
Attribute, Instances, DenseInstance = (JClass(f"com.yahoo.labs.samoa.instances.{c}") for c in ("Attribute", "Instances", "DenseInstance"))
Header, ArrayList = JClass("com.yahoo.labs.samoa.instances.InstancesHeader"), JClass("java.util.ArrayList")


def run(file, seed, options):
    rows = [([*map(float, r[:-1])], int(r[-1])) for r in list(csv.reader(open(file)))[1:]]
    n_classes = max(y for _, y in rows) + 1
    attributes = ArrayList()
    for i in range(len(rows[0][0])):
        attributes.add(Attribute(f"f{i}"))
    labels = ArrayList()
    for c in range(n_classes):
        labels.add(str(c))
    attributes.add(Attribute("class", labels))
    header = Header(Instances(file, attributes, 0))
    header.setClassIndex(header.numAttributes() - 1)
    forest = ARF()
    forest.getOptions().setViaCLIString(options.format(m=round(len(rows[0][0]) ** 0.5)))
    forest.setRandomSeed(seed)
    forest.setModelContext(header)
    forest.prepareForUse()
    matrix = [[0] * n_classes for _ in range(n_classes)]
    for x, y in rows:
        instance = DenseInstance(1.0, x + [float(y)])
        instance.setDataset(header)
        votes = list(forest.getVotesForInstance(instance))
        matrix[y][max(range(len(votes)), key=votes.__getitem__) if votes else 0] += 1
        forest.trainOnInstance(instance)
    return matrix


if __name__ == "__main__":
    options, *pairs = sys.argv[1:]
    for seed, file in zip(pairs[::2], pairs[1::2]):
        print(json.dumps({"file": file, "seed": int(seed), **figures(run(file, int(seed), options))}), flush=True)
