"""The site of the pages: it is built only when every page can be found and every link leads somewhere."""

from pathlib import Path

import pytest

from tests.support.site import build

SETTINGS = """
[project]
site_name = "Pages"
docs_dir = "pages"
nav = ["README.md", "docs/one.md"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "zensical.toml").write_text(SETTINGS)
    (tmp_path / "docs" / "one.md").write_text("# One\n\n## A part\n\n[an example](../examples/a.yaml)\n")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "a.yaml").write_text("a: 1\n")
    (tmp_path / "README.md").write_text("# Start\n\n[a part](docs/one.md#a-part)\n")
    return tmp_path


def test_a_site_has_the_pages_and_the_files_that_they_link_to(root: Path) -> None:
    site = build(root)
    assert 'href="docs/one/#a-part"' in (site / "index.html").read_text()
    assert (site / "examples" / "a.yaml").read_text() == "a: 1\n"


def test_a_page_that_the_navigation_does_not_lead_to_is_refused(root: Path) -> None:
    (root / "docs" / "two.md").write_text("# Two\n")
    with pytest.raises(ValueError, match=r"add to nav in docs/zensical.toml: docs/two.md"):
        build(root)


@pytest.mark.parametrize("link", ["docs/none.md", "examples/none.yaml", "../outside.md", "examples/"])
def test_a_link_that_leads_nowhere_is_refused(root: Path, link: str) -> None:
    (root / "README.md").write_text(f"[somewhere]({link})\n")
    with pytest.raises(ValueError, match=f"README.md: the link to {link} leads nowhere"):
        build(root)


def test_a_link_to_a_part_that_the_page_lacks_is_refused(root: Path) -> None:
    (root / "README.md").write_text("[a part](docs/one.md#another-part)\n")
    with pytest.raises(ValueError, match="anchor does not exist"):
        build(root)
