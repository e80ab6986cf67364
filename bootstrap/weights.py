"""Model files: fetched as they were published, rewritten where a recipe says so, checked, put into models/.

models/models.json lists each file with its bytes, SHA-256 and licence, and either its sources or the file it
is made from. models/.complete is a copy of it, written last: where the two are equal, everything lies there.
Under `by_hand` stand files that DeepFace knows and that no pack brings, with where its makers publish them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fetch import Fetcher
from layout import Layout, SetupError, host_platform, megabytes, remove, say
from record import matches, sha256_of
from wheels import install_wheels


def read_catalogue(layout: Layout) -> dict[str, Any]:
    """Return models.json: `files` by name, the file names of `packs`, the licences that one `must_accept`."""
    catalogue: dict[str, Any] = json.loads(layout.models_json.read_text(encoding="utf-8"))
    return catalogue


def is_complete(layout: Layout, packs: Sequence[str]) -> bool:
    """Return whether the packs' files lie there, made from models.json as it is now; reads no model file."""
    complete = layout.models / ".complete"
    if not complete.is_file() or complete.read_bytes() != layout.models_json.read_bytes():
        return False
    catalogue = read_catalogue(layout)
    return all((layout.models / name).is_file() for pack in packs for name in catalogue["packs"].get(pack, ()))


def installed_packs(layout: Layout) -> list[str]:
    """Return the packs of which a file lies in models/: these are kept up to date."""
    packs: dict[str, list[str]] = read_catalogue(layout)["packs"]
    return [pack for pack, names in packs.items() if any((layout.models / name).is_file() for name in names)]


def install_models(layout: Layout, packs: Sequence[str], fetcher: Fetcher) -> None:
    """Put the packs' files into models/, except those that are there and right, and mark them complete."""
    catalogue = read_catalogue(layout)
    files = catalogue["files"]
    names = [name for pack in packs for name in catalogue["packs"].get(pack, ())]
    say(f"Models: {len(names)} files, {megabytes(sum(files[name]['bytes'] for name in names))}")
    for name in names:
        entry = files[name]
        target = layout.models / name
        if matches(target, entry["sha256"], entry["bytes"]):
            continue
        source = obtain(layout, files, name, fetcher)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        shutil.copyfile(source, part)
        os.replace(part, target)
    shutil.copyfile(layout.models_json, layout.models / ".complete")


def obtain(layout: Layout, files: dict[str, Any], name: str, fetcher: Fetcher) -> Path:
    """Return a file's place in the cache, after fetching it, or fetching and rewriting its original."""
    entry = files[name]
    if "made_from" not in entry:
        return fetcher.fetch(Path(name).name, entry["sources"], entry["sha256"], entry["bytes"])
    kept = layout.cache / "sha256" / str(entry["sha256"])
    if not matches(kept, entry["sha256"], entry["bytes"]):
        original = obtain(layout, files, entry["made_from"], fetcher)
        rewrite(layout, name, original, kept, entry)
    return kept


def rewrite(layout: Layout, name: str, source: Path, target: Path, entry: dict[str, Any]) -> None:
    """Run the entry's recipe of rewrite.py on a model and put the result at `target` if its bytes are the pinned ones.

    Raises:
        SetupError: the recipe fails, or makes other bytes than everywhere else.
    """
    say(f"    making {Path(name).name} from {Path(entry['made_from']).name} (recipe {entry['recipe']})")
    script = layout.source / "bootstrap" / "rewrite.py"
    part = target.with_suffix(".made")
    environment = os.environ | {"PYTHONPATH": str(rewriting_tools(layout))}
    environment.pop("PYTHONHOME", None)
    command = [sys.executable, "-s", "-B", str(script), entry["recipe"], str(source), str(part)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SetupError(f"Rewriting {entry['made_from']} failed:\n{result.stderr.strip()}")
    if not matches(part, entry["sha256"], entry["bytes"]):
        got = f"{part.stat().st_size} bytes, SHA-256 {sha256_of(part)}"
        part.unlink()
        raise SetupError(
            f"Rewriting {entry['made_from']} gave other bytes than models.json pins: {got}. Nothing was put "
            "in place. After a change of the recipe, models.json needs these; else tell the makers."
        )
    os.replace(part, target)


def rewriting_tools(layout: Layout) -> Path:
    """Return the cache's folder with what rewrite.py imports, installed from this machine's lock of pack `build`."""
    lock = replace(layout, platform=host_platform()).lock("build")
    folder = layout.cache / "tools" / hashlib.sha256(lock.read_bytes()).hexdigest()
    if not folder.is_dir():
        say("  tools for rewriting, kept in the cache")
        part = folder.with_suffix(".part")
        remove(part)
        install_wheels(lock, layout.cache, part, from_cache=layout.from_cache)
        part.rename(folder)
    return folder
