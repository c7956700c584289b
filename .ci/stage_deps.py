"""Write the code deps of every stage into dvc.yaml, or check them.

`python .ci/stage_deps.py` writes; with `--check` it writes nothing and exits 1 when it would.

The deps of a stage are its script, then every module of src/thaw that the script imports,
directly or not, sorted, then the deps that are not code, as they stand. Imports inside functions
count. `__init__.py` files are left out: no stage uses what they hold.
"""

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import grimp

# These modules are not deps, and neither is what they import: one new param or one new path must
# not rerun the whole pipeline. The values that they carry reach a stage through the params and
# outs that it declares, and those DVC watches.
VALUES = {f"thaw.{name}" for name in ("errors", "files", "params", "paths", "stage")}

STAGE = re.compile(r"  ([\w-]+):\s*(#.*)?$")
ITEM = re.compile(r"      - (['\"]?)([^'\"#\s]+)\1\s*(#.*)?$")


def build_graph(root: Path) -> grimp.ImportGraph:
    """Who imports whom in the package `thaw` of this project; nothing is imported for it."""
    sys.path.insert(0, str(root / "src"))
    try:
        return grimp.build_graph("thaw", cache_dir=None)
    finally:
        sys.path.remove(str(root / "src"))


def script_imports(script: Path, modules: set[str]) -> set[str]:
    """The modules, of `modules`, that a stage's script itself imports."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & modules


def code_deps(script: Path, root: Path, graph: grimp.ImportGraph) -> list[str]:
    """The paths, from `root`, of the script and of every module that it imports."""
    todo, found = script_imports(script, graph.modules), set()
    while todo:
        module = todo.pop()
        if module not in found and module not in VALUES:
            found.add(module)
            todo |= graph.find_modules_directly_imported_by(module)
    files = [f"src/{module.replace('.', '/')}.py" for module in found]
    deps = sorted(file for file in files if (root / file).is_file())  # a package is a folder
    return [script.relative_to(root).as_posix(), *deps]


def is_code(dep: str) -> bool:
    """Whether a dep is one that this tool writes."""
    return PurePosixPath(dep).suffix == ".py" and dep.startswith(("stages/", "src/thaw/"))


def update(text: str, code_deps_of: Callable[[str], list[str]]) -> tuple[str, list[str]]:
    """dvc.yaml with the right code deps of each stage, and a line for each difference.

    Edited as lines, not as YAML, so that comments and layout stay. For that, each stage must have
    its deps in a list with a line for each; raises ValueError otherwise.
    """
    lines, written, differences = text.splitlines(), [], []
    section, stage, without = "", "", []
    while lines:
        line = lines.pop(0)
        written.append(line)
        if line and not line.startswith((" ", "#")):
            section = line.rstrip()
        elif section == "stages:" and (match := STAGE.match(line)):
            stage = match[1]
            without.append(stage)
        elif section == "stages:" and line.rstrip() == "    deps:":
            old = _take_items(lines)
            new = [*code_deps_of(stage), *(dep for dep in old if not is_code(dep))]
            written += [kept for dep in new for kept in old.get(dep, [f"      - {dep}"])]
            differences += [f"{stage}: {what}" for what in _compare(list(old), new)]
            without.remove(stage)
    if without:
        raise ValueError(
            "a stage must have the line `    deps:` and below it a line `      - PATH` for each "
            f"dep, but {', '.join(without)} has not: add them"
        )
    return "\n".join(written) + "\n", differences


def _take_items(lines: list[str]) -> dict[str, list[str]]:
    """Take a list off the head of `lines`: each item's lines, which are its comments and itself."""
    items: dict[str, list[str]] = {}
    comments = 0
    while len(lines) > comments:
        if match := ITEM.match(lines[comments]):
            items[match[2]] = [lines.pop(0) for _ in range(comments + 1)]
            comments = 0
        elif lines[comments].lstrip().startswith("#"):
            comments += 1
        else:
            break
    return items


def _compare(old: list[str], new: list[str]) -> list[str]:
    missing = [f"{dep} is imported and not in deps" for dep in new if dep not in old]
    superfluous = [f"{dep} is in deps and not imported" for dep in old if dep not in new]
    if old != new and not missing and not superfluous:
        return ["its deps are in another order"]
    return missing + superfluous


def update_project(root: Path) -> tuple[str, list[str]]:
    """What `update` makes of the project's dvc.yaml; the script of a stage is stages/STAGE.py."""
    graph = build_graph(root)
    return update(
        (root / "dvc.yaml").read_text(encoding="utf-8"),
        lambda stage: code_deps(root / "stages" / f"{stage}.py", root, graph),
    )


def main() -> None:
    """Write dvc.yaml of the working directory, or check it."""
    root = Path.cwd()
    text, differences = update_project(root)
    if "--check" in sys.argv[1:]:
        if differences:
            sys.exit("\n".join(["dvc.yaml is not what `make deps` writes:", *differences]))
    elif differences:
        (root / "dvc.yaml").write_text(text, encoding="utf-8")
    print("\n".join(differences) or "the code deps in dvc.yaml are those that the stages import")


if __name__ == "__main__":
    main()
