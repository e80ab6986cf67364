"""Make a model file from a published one, once, at build time, by a recipe.

    python bootstrap/rewrite.py RECIPE SOURCE DESTINATION

The result computes what the source computes (tests/bootstrap/test_rewrite.py compares them on real faces). The same
source gives the same bytes on every platform: the arithmetic is element by element in float64, without sums whose
order a CPU could choose.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import onnx

import facenet
import onnx_recipes
from onnx_graph import RewriteError, save


def rewriting(recipe: Callable[[onnx.ModelProto], onnx.ModelProto]) -> Callable[[Path, Path], None]:
    """A recipe from file to file of one from model to model."""
    return lambda source, destination: save(recipe(onnx.load(source)), destination)


# By the names that models.json uses: source, destination.
RECIPES: dict[str, Callable[[Path, Path], None]] = {
    "edgeface": rewriting(onnx_recipes.rewrite_edgeface),
    "facenet": facenet.onnx_of_keras,
    "facenet512": facenet.onnx_of_frozen_graph,
    "facenet512_keras": facenet.keras_of_frozen_graph,
    "sface": rewriting(onnx_recipes.rewrite_sface),
    "yunet": rewriting(onnx_recipes.rewrite_yunet),
}


def rewrite(recipe: str, source: Path, destination: Path) -> None:
    """Write what the recipe makes of `source` to `destination`, which appears by rename.

    Raises:
        RewriteError: the source is not the recipe's model.
        onnx.checker.ValidationError: the result is not valid ONNX.
        OSError: a file cannot be read or written.
    """
    partial = destination.with_name(destination.name + ".part")
    RECIPES[recipe](source, partial)
    partial.replace(destination)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path)
    arguments = parser.parse_args()
    try:
        rewrite(arguments.recipe, arguments.source, arguments.destination)
    except RewriteError as error:
        print(
            f"{arguments.source} is not the model that the recipe '{arguments.recipe}' was written for "
            f"({error}).\nDelete it and build again, so that it is fetched anew and its checksum compared.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
