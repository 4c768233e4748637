"""A browser without a screen, for pages that the project serves."""

from pathlib import Path

from tests.cluster import packages

#: Where one of these is, it is taken; Debian's package of the first one is what is installed.
_PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")


def ensure_browser() -> None:
    """Have a browser here; ClusterError names the package when there is none and it cannot be installed."""
    if _found() is None:
        packages.ensure({_PROGRAMS[0]: _PROGRAMS[0]})


def browser_program() -> Path:
    """Return where the browser is."""
    found = _found()
    assert found is not None, f"install {_PROGRAMS[0]} (its Debian name), or Chromium or Chrome"
    return found


def _found() -> Path | None:
    return next((path for program in _PROGRAMS if (path := packages.find(program)) is not None), None)
