"""The documentation as a site: `make docs` builds it, and `make style` sees that it can be built.

The pages link to files beside docs/ as the repository has them. For the site they are laid out in the same way, with
the files that they link to, so that a link leads to the same thing in both.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]
SETTINGS = Path("docs", "zensical.toml")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_ELSEWHERE = re.compile(r"[a-z]+:")


def pages(root: Path) -> list[Path]:
    """Return every page of the documentation, relative to `root`."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "examples").glob("*.md")]
    return sorted(page.relative_to(root) for page in found)


def linked(page: Path, root: Path) -> Iterator[Path]:
    """Yield what a page links to in the repository, relative to `root`.

    Raises:
        ValueError: it links to a file that is not there.
    """
    for link in _LINK.findall(_FENCED.sub("", (root / page).read_text())):
        if _ELSEWHERE.match(link):
            continue
        target = Path(os.path.normpath(root / page.parent / unquote(link)))
        if target.is_dir():
            target /= "README.md"
        if not target.exists() or not target.is_relative_to(root):
            raise ValueError(f"{page}: the link to {link} leads nowhere")
        yield target.relative_to(root)


def not_in_navigation(known: Iterable[Path], settings: str) -> list[str]:
    """Return the pages that no entry of the site's navigation leads to."""
    return sorted({str(page) for page in known} - set(_entries(tomllib.loads(settings)["project"]["nav"])))


def _entries(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
        return
    for inner in nav.values() if isinstance(nav, dict) else nav:
        yield from _entries(inner)


def lay_out(root: Path, folder: Path) -> None:
    """Copy every page, and every file that one links to, into `folder` as the repository has them."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in {file for page in pages(root) for file in (page, *linked(page, root))}:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, folder / file)


def build(root: Path) -> Path:
    """Build the site into build/docs/site, and return that folder.

    Raises:
        ValueError: a page is not in the navigation, or a link or an anchor leads nowhere.
    """
    if missing := not_in_navigation(pages(root), (root / SETTINGS).read_text()):
        raise ValueError(f"add to nav in {SETTINGS}: {', '.join(missing)}")
    folder = root / "build" / "docs"
    lay_out(root, folder / "pages")
    shutil.copyfile(root / SETTINGS, folder / SETTINGS.name)
    program = str(Path(sys.executable).with_name("zensical"))
    command = [program, "build", "--strict", "--clean", f"--config-file={folder / SETTINGS.name}"]
    done = subprocess.run(command, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    if done.returncode:
        # What ends its errors is always the same traceback; what is wrong stands above.
        raise ValueError(done.stderr.partition("Traceback")[0].strip() or done.stderr)
    return folder / "site"


if __name__ == "__main__":
    try:
        print(f"docs: {build(ROOT) / 'index.html'}")
    except ValueError as problem:
        sys.exit(f"docs: {problem}")
