"""Templates -> pages, with their texts in the reader's language."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from facefinder.pages.language import Texts

FOLDER = Path(__file__).parent


def environment(*folders: Path, language: str) -> Environment:
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
