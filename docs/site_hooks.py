"""What the site does with our files: README, CONTRIBUTING and CHANGELOG are pages too, and no page is left out."""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
#: a page of the site -> the file that it is, which lies outside docs
FROM_ABOVE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#]*)(#[^)]*)?\)")
_CODE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from above, and name the pages that the navigation does not know at its end."""
    for page, source in FROM_ABOVE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    known = set(_paths(config.nav))
    more = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri not in known)
    if more:
        assert config.nav is not None
        config.nav.append({"More": more})
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have the links of a page lead to pages of the site; a link to another file of the project is its text alone."""
    source = FROM_ABOVE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    folder = posixpath.dirname(source)
    above = {file: uri for uri, file in FROM_ABOVE.items()}

    def link(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        uri = above.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if uri is None and (ROOT / path).exists():
            return text
        here = posixpath.dirname(page.file.src_uri)
        to = os.path.relpath(uri, here or ".") if uri is not None else target  # one that leads nowhere fails the build
        return f"{picture}[{text}]({to}{anchor or ''})"

    parts = _CODE.split(markdown)
    return "".join(part if part.lstrip().startswith("```") else _LINK.sub(link, part) for part in parts)


def _paths(nav: Any) -> list[str]:
    """Return the pages that a part of the navigation names."""
    if isinstance(nav, str):
        return [nav]
    return [path for part in (nav.values() if isinstance(nav, dict) else nav or []) for path in _paths(part)]
