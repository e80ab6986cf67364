"""Download a package's archive as it lies on the index: `pip_sources.py NAME==VERSION FOLDER [FILE]`.

Without FILE a wheel is preferred to an sdist. The public way, `pip download`, builds an sdist's metadata and
so runs its setup.py; a model file needs nothing of that, the archive is only opened. Asking the index itself
would need its address, and that is for pip's configuration to decide, with its proxies, certificates and
passwords. So this uses pip's own finder and session. They are internal to pip (the same from pip 22 to 26),
which is why this runs in a process of its own and is the only place that touches them.

Prints the archive's path as its last line; exit code 1 and a reason on the error output if there is none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Download the archive named on the command line."""
    requirement, folder, *file = sys.argv[1:]
    name, _, version = requirement.partition("==")
    # Installed with every pip, but without types.
    from pip._internal.commands import create_command

    command: Any = create_command("download")
    with command.main_context():
        options, _ = command.parse_args(["--no-deps", "--no-input", requirement])
        with command.get_default_session(options) as session:
            finder = command._build_package_finder(options=options, session=session)
            links = [each.link for each in finder.find_all_candidates(name) if str(each.version) == version]
            links = [link for link in links if not file or link.filename == file[0]]
            if not links:
                wanted = " ".join([requirement, *file])
                print(f"the package index that pip is set up with has no {wanted}", file=sys.stderr)
                return 1
            print(save(session, min(links, key=lambda link: not link.is_wheel), Path(folder)))
    return 0


def save(session: Any, link: Any, folder: Path) -> Path:
    """Download a link with pip's session, check it against the index's own hash, and return where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(link.filename)
    part = target.with_name(target.name + ".part")
    digest = hashlib.new(link.hash_name or "sha256")
    url = link.url.partition("#")[0]
    response = session.get(url, headers={"Accept-Encoding": "identity"}, stream=True)
    response.raise_for_status()
    with part.open("wb") as file:
        while chunk := response.raw.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    if link.hash_name and digest.hexdigest() != link.hash:
        part.unlink()
        raise ValueError(f"{target.name} arrived with other bytes than the index promises")
    os.replace(part, target)
    return target


if __name__ == "__main__":
    sys.exit(main())
