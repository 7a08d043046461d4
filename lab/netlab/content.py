"""Makes a site to browse: pages of many shapes, an API's answers, files of many sizes; drawn from a seed."""

import json
import os

WORDS = ("river stone window market letter garden signal winter copper ladder harbour meadow engine violet "
         "paper bridge candle thunder basket mirror anchor forest velvet button island pepper saddle orchard").split()
SHAPES = {
    # name: html bytes, assets, asset bytes, links to other pages
    "note": ((300, 2_500), (0, 1), (200, 3_000)),
    "article": ((4_000, 30_000), (2, 7), (1_000, 40_000)),
    "gallery": ((2_000, 8_000), (10, 28), (3_000, 60_000)),
    "portal": ((15_000, 90_000), (8, 20), (500, 20_000)),
    "app": ((800, 2_000), (2, 4), (60_000, 300_000)),
}


# A page that wanders: it shows one page of the site after another in a frame; `#seed,low,high` gives the reading pauses in seconds.
TOUR = """<html><body><iframe id="page" width="1200" height="900"></iframe><script>
let [state, low, high] = location.hash.slice(1).split(",").map(Number);
const pages = PAGES, draw = () => (state = (state * 9301.7 + 0.49297) % 1);
const next = () => { document.getElementById("page").src = pages[Math.floor(draw() * pages.length)];
  setTimeout(next, 1000 * low * Math.pow(high / low, draw())); };
next();
</script></body></html>
"""


def prose(rng, size):
    """About `size` bytes of words, cheap to make and easy to compress."""
    block = " ".join(rng.choice(WORDS) for _ in range(120))
    return (block * (size // len(block) + 1))[:size]


def log_uniform(rng, low, high):
    """A number between `low` and `high` whose logarithm is uniform: sizes and waits spread over decades."""
    return low * (high / low) ** rng.random()


def make_site(rng, folder, pages=24, big_bytes=(200_000, 8_000_000), scale=1.0):
    """Fills `folder` and returns the paths: `{"pages": [...], "api": [...], "files": [...]}`.

    `scale` multiplies the sizes of pages and assets.
    """
    names = []
    for number in range(pages):
        shape = rng.choice(list(SHAPES))
        names.append((f"/{shape}/{number}.html", SHAPES[shape]))
    for path, (html, count, asset) in names:
        os.makedirs(os.path.dirname(folder + path), exist_ok=True)
        tags = []
        for index in range(rng.randint(*count)):
            kind = rng.choice(["css", "js", "png", "svg"])
            name = f"{path[:-5]}-{index}.{kind}"
            write(folder + name, prose(rng, int(scale * log_uniform(rng, *asset))))
            tags.append(f'<img src="{name}">' if kind in ("png", "svg") else f'<script src="{name}"></script>')
        links = "".join(f'<a href="{rng.choice(names)[0]}">on</a>' for _ in range(4))
        body = prose(rng, int(scale * log_uniform(rng, *html)))
        write(folder + path, f"<html><head>{''.join(tags)}</head><body>{links}<p>{body}</p></body></html>")
    write(folder + "/index.html", "<html><body>" + "".join(f'<a href="{path}">x</a>' for path, _ in names) + "</body></html>")
    write(folder + "/tour.html", TOUR.replace("PAGES", json.dumps([path for path, _ in names])))
    write(folder + "/favicon.ico", prose(rng, 1_150))
    api, files = [], []
    for number in range(10):
        api.append(f"/api/v1/items/{number}.json")
        rows = [{"id": row, "name": rng.choice(WORDS), "value": rng.random()}
                for row in range(int(log_uniform(rng, 1, 200)))]
        write(folder + api[-1], json.dumps(rows))
    write(folder + "/healthz", "ok\n")
    for number in range(6):
        files.append(f"/files/{number}.bin")
        write(folder + files[-1], prose(rng, int(log_uniform(rng, *big_bytes))))
    return {"pages": [path for path, _ in names], "api": api, "files": files}


def write(path, text):
    """Writes a file and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
