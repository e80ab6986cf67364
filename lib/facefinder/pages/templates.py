"""Templates -> pages, with their texts in the reader's language."""

import base64
import hashlib
import tomllib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent


class Texts:
    """The texts of texts/LANGUAGE.toml by their dotted names. Another language is another such file."""

    def __init__(self, language: str = "en"):
        self._texts = tomllib.loads((FOLDER / "texts" / f"{language}.toml").read_text("utf-8"))

    def __call__(self, name: str, /, **values: object) -> str:
        """The text called `name`, its fields filled in; of a pair `one`/`many` the one that suits `count`."""
        text = self.table(name)
        if isinstance(text, dict):
            text = text["one" if values["count"] == 1 else "many"]
        return str(text).format(**values)

    def table(self, name: str) -> Any:
        """What stands under `name` as it is, for the scripts of a page."""
        found: Any = self._texts
        for part in name.split("."):
            found = found[part]
        return found


def environment(*folders: Path, language: str = "en") -> Environment:
    """Templates of these folders and of this one. Whatever they are filled with is escaped; `text` gives the texts."""
    made = Environment(
        loader=FileSystemLoader([*folders, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["text"] = Texts(language)
    return made


def inline(*files: Path) -> tuple[Markup, str]:
    """Styles or scripts of ours to stand in a page, and the source for its content policy that allows just these."""
    code = "\n".join(file.read_text("utf-8") for file in files)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return Markup(code), f"'sha256-{digest}'"
