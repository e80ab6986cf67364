"""The texts of the pages, in the language that the user reads."""

import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "texts"
ENGLISH = "en"


def languages() -> list[str]:
    """Of which languages there is a file."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


class Texts:
    """The texts of texts/LANGUAGE.toml by their dotted names. Another language is another such file."""

    def __init__(self, language: str = ENGLISH):
        self._texts = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))

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
