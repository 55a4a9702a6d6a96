"""The documentation site: it is built strictly, whole, and with nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_of_the_project_is_a_page_that_the_first_one_leads_to(site):
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {"404.html"}
    ours = {page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages == ours | {"index.html", "contributing.html", "changes.html"}
    assert set(re.findall(r'href="([^"#:]+\.html)', (site / "index.html").read_text())) >= pages - {"index.html"}


@pytest.mark.slow
def test_no_page_loads_a_font_a_script_or_a_picture_from_elsewhere(site):
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = file.read_text()
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=[\"'](?:https?:)?//[^>]*>", text)
        assert not loaded, file
        assert not re.search(r"url\([\"']?(?:https?:)?//", text), file


@pytest.mark.slow
def test_a_dead_link_fails_the_build(tmp_path):
    """The hook that takes away links to files outside of docs takes away none that leads nowhere."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("[nowhere](gone.md)")
    (tmp_path / "mkdocs.yml").write_text(
        f"site_name: x\nstrict: true\nplugins: []\nnav: [page.md]\nhooks: [{ROOT / 'docs' / 'site_hooks.py'}]\n"
    )
    command = [sys.executable, "-m", "mkdocs", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'page.md' contains a link 'gone.md'" in done.stderr
