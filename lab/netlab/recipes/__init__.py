"""Recipes: each turns a seed into a `Plan`. The docstring of a recipe is its line in `lab list`."""

from . import cases, train, world

RECIPES = {**cases.CASES, "train": train.plan, "world": world.world, "foreign": world.foreign}


def plan(name, seed):
    """The plan of recipe `name` for `seed`."""
    if name not in RECIPES:
        raise ValueError(f"no recipe `{name}`; `lab list` names them")
    return RECIPES[name](seed)


def listing():
    """Names and one-line descriptions."""
    return [(name, (recipe.__doc__ or "").strip().splitlines()[0]) for name, recipe in RECIPES.items()]
