#!/usr/bin/env python3
"""Puts captures into a sensor's folder, one after the other, for ever: `feed.py CAPTURES FOLDER [SECONDS]`.

A copy appears under its final name only when it is whole, as the sensor expects; what it has read is removed after an hour.
"""

import itertools
import os
import pathlib
import shutil
import sys
import time

KEPT_S = 3600


def main(captures, folder, pause="20"):
    folder = pathlib.Path(folder)
    files = sorted(pathlib.Path(captures).glob("*/capture.*"))
    for n, source in enumerate(itertools.cycle(files)):
        whole = folder / f"{n:06}-{source.parent.name}-{source.name}"
        part = folder / f".part-{n:06}"
        shutil.copy(source, part)
        os.rename(part, whole)
        for old in folder.iterdir():
            if time.time() - old.stat().st_mtime > KEPT_S:
                old.unlink()
        time.sleep(float(pause))


if __name__ == "__main__":
    main(*sys.argv[1:])
