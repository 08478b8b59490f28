"""The rules of the house hold, and the checker of each catches a violation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import house

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted((SOURCE / house.PACKAGE).rglob("*.py"))
}
HEAVY = ("torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "plotly", "numba", "pyarrow")
COMMANDS = ("quickstart", "compare", "describe", "profile", "measures", "plot")
TEXTS = [
    path
    for folder in ("src", "tests", "benchmarks", "docs", ".ci")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md", ".toml", ".yaml", ".html", ".css", ".js", "")
    and path.is_file()
] + [path for path in sorted(ROOT.glob("*.*")) if path.suffix in (".md", ".toml", ".yaml", ".cff")]


def collect(check) -> list[str]:
    return [found for name, source in MODULES.items() for found in check(name, source)]


def test_there_is_something_to_check():
    assert {"repscape.cli.main", "repscape.measures.cka", "repscape.errors"} <= MODULES.keys()


def test_rooms_import_only_what_lies_below_them():
    assert collect(lambda name, source: house.import_violations(room_name(name), source)) == []


def room_name(module: str) -> str:
    return module.removesuffix(".__init__")


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("repscape.store.store", "from repscape.cli.main import main", "not below it"),
        ("repscape.store.store", "import repscape.measures.cka", "not below it"),
        ("repscape.errors", "from repscape.store import Store", "not below it"),
        ("repscape.plots.a", "from repscape.report.html import page", "not below it"),
        ("repscape.measures.a", "from repscape.geometry.b import c", "only compute and nouns"),
        ("repscape.measures.a", "from repscape.store import Store", "only compute and nouns"),
        ("repscape.geometry.a", "def f():\n    import repscape.execution.x", "only compute and"),
        ("repscape.cli.a", "from repscape.store._disk import f", "_disk is private to store"),
        ("repscape.cli.a", "from repscape.store.disk import _f", "_f is private to store"),
        ("repscape.cli.a", "import repscape.store._disk", "_disk is private to store"),
        ("repscape.plots.a", "def f():\n    import torch", "never tensors"),
        ("repscape.analysis.a", "from torch.nn import Linear", "never tensors"),
        ("repscape.tasks", "import torch", "inside functions"),
        ("repscape.attic.a", "import os", "has no place"),
        ("repscape.cli.a", "from repscape.attic.a import b", "no known room"),
        ("repscape.cli.a", "from ..store import Store", "relative"),
        ("repscape.store.a", "try:\n    import repscape.cli\nexcept E:\n    pass", "not below it"),
        ("repscape.store.a", "class A:\n    from repscape.cli.main import main", "not below it"),
    ],
)
def test_forbidden_imports_are_caught(module, source, expected):
    violations = house.import_violations(module, source)
    assert len(violations) == 1, violations
    assert expected in violations[0]
    assert violations[0].startswith(module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("repscape.cli.a", "from repscape.store import Store"),
        ("repscape.store.a", "from repscape.store._disk import _write"),
        ("repscape.measures.a", "from repscape.compute.gram import x\nimport torch"),
        ("repscape.tasks", "def f():\n    import torch"),
        ("repscape.tasks", "if TYPE_CHECKING:\n    from repscape.store import Store"),
        ("repscape.tasks", "if typing.TYPE_CHECKING:\n    import torch"),
        ("repscape.compare", "from repscape.pairwise import score_pairs"),
        ("repscape.cli.main", "from repscape import __version__"),
        ("repscape.report.a", "from repscape.plots.b import c"),
    ],
)
def test_allowed_imports_pass(module, source):
    assert house.import_violations(module, source) == []


def test_what_type_checkers_alone_see_does_not_hide_the_else_branch():
    source = "if TYPE_CHECKING:\n    import torch\nelse:\n    import repscape.cli"
    assert len(house.import_violations("repscape.store.a", source)) == 1


def test_modules_are_short():
    long = {name: source.count("\n") for name, source in MODULES.items()}
    assert {name: n for name, n in long.items() if n > house.MODULE_LINES} == {}


def test_public_names_have_docstrings():
    assert collect(house.missing_docstrings) == []


def test_missing_docstrings_are_caught():
    source = '"""M."""\ndef f(): pass\ndef _g(): pass\nclass C:\n    """C."""\n'
    assert house.missing_docstrings("m", source) == ["m:2: f has no docstring"]
    assert house.missing_docstrings("m", "x = 1") == ["m: no docstring"]


def test_no_room_is_empty():
    assert house.empty_packages(MODULES) == []


def test_empty_rooms_are_caught():
    modules = {"a.__init__": "", "a.b.__init__": "", "a.b.c": "", "a.d.__init__": ""}
    assert house.empty_packages(modules) == ["a.d"]


def test_silenced_checks_name_their_rule():
    files = [path for path in TEXTS if path.suffix == ".py"]
    assert [found for path in files for found in house.bare_silencers(*text(path))] == []


def test_bare_silencers_are_caught():
    bare = ["x = 1  # no" + "qa", "y = 2  # type: ig" + "nore"]
    named = ["x = 1  # no" + "qa: E501", "y = 2  # type: ig" + "nore[arg-type]"]
    assert len(house.bare_silencers("m", "\n".join(bare))) == 2
    assert house.bare_silencers("m", "\n".join(named)) == []


def test_no_file_names_a_path_of_one_machine():
    assert [found for path in TEXTS for found in house.machine_paths(*text(path))] == []


def test_paths_of_one_machine_are_caught():
    for path in ("/ho" + "me/ann/data", "/Us" + "ers/ann", "/wo" + "rk/x"):
        assert house.machine_paths("m", f'p = "{path}"'), path
    assert house.machine_paths("m", "https://example.org/work/x, src/work/x") == []


def text(path: Path) -> tuple[str, str]:
    return str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "code",
    [
        "import repscape",
        "import repscape; dir(repscape); repscape.__version__",
        "import repscape.cli.main",
        "import repscape.errors, repscape.registry, repscape.tasks, repscape.papers",
        "import repscape.tables, repscape.score, repscape.transforms",
    ],
)
def test_light_imports_load_nothing_heavy(code):
    report = f"import sys; {code}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", report],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_planning_loads_nothing_that_only_drawing_needs():
    code = (
        "import sys\n"
        "from repscape.studies.load import load_study\n"
        "from repscape.studies.plan import plan_study\n"
        "plan_study(load_study('micro'), None)\n"
        "print(*sorted({'matplotlib', 'scipy.cluster', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([c, "-h"] for c in COMMANDS)])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import atexit, sys\n"
        f"show = lambda: print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
        "atexit.register(show)\n"
        f"sys.argv = ['repscape', *{arguments!r}]\n"
        "from repscape.cli.main import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "repscape" in done.stdout
    assert done.stderr.split() == []


def test_every_public_name_has_a_home():
    import repscape

    for name in repscape.__all__:
        value = getattr(repscape, name)
        assert callable(value), name
        assert value.__doc__, name
