"""Our commands as processes that need not import everything first: half of a short command's time is imports.

A fork server (https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods) imports a command and
the libraries behind it once; each process is a fork of it, with an environment, output, signals and exit code of its
own. A worker's fork server is for the command that it starts first. The console scripts themselves are what the tests
of kills, mounts, terminals and clusters start.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

Main = Callable[[Sequence[str]], int]


def start_forked(
    main: Main,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    output: Path,
    errors: Path,
    imported_once: tuple[str, ...],
) -> BaseProcess:
    """Start `main`, a function of a module, with `arguments`; what it says is added to the files `output` and `errors`.

    `imported_once` are modules that read nothing from the environment when imported. The process ends with this one.
    """
    context = _server(imported_once)
    process = context.Process(target=_run, args=(main, list(arguments), dict(environment), output, errors), daemon=True)
    process.start()
    return process


@cache
def _server(imported_once: tuple[str, ...]) -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *imported_once])
    return context


def _run(main: Main, arguments: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((output, sys.stdout.fileno()), (errors, sys.stderr.fileno())):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.exit(main(arguments))
