"""The sources themselves, read: no command line is pasted together, nothing of a stranger's is run or unescaped."""

import ast
import functools
import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("device_agents", "capture", "analysis", "stability_train", "hostctl")
# Programs that run a line of text; what they may be given here is one of our own constants.
SHELLS = {"sh", "bash", "zsh", "/bin/sh", "/bin/bash", "cmd", "cmd.exe", "powershell", "/system/bin/sh"}
CONSTANT_LINES = {"hostctl/adb.py": {"GUARDED"}}
# (module, function): each runs text as code, or makes objects of any class out of a file.
REFUSED = {
    ("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput"),
    ("asyncio", "create_subprocess_shell"), ("pickle", "load"), ("pickle", "loads"), ("marshal", "loads"),
    ("torch", "load"), ("yaml", "load"), ("joblib", "load"), ("shelve", "open"), ("tempfile", "mktemp"),
}  # fmt: skip
SCRIPTS = sorted(
    path
    for place in ("hostctl", "capture", "device_agents/web/src", "analysis/templates")
    for path in (ROOT / place).rglob("*")
    if path.suffix in (".js", ".mjs", ".html") and not {"node_modules", "dist"} & set(path.parts)
)


@functools.cache
def trees():
    """Every module of the kit, parsed, by its path."""
    sources = sorted(
        path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if "node_modules" not in path.parts
    )
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sources}


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call):
    target = call.func
    if isinstance(target, ast.Attribute):
        return (target.value.id if isinstance(target.value, ast.Name) else "?", target.attr)
    return ("", target.id) if isinstance(target, ast.Name) else ("", "")


def test_there_is_something_to_read():
    assert len(trees()) > 250
    assert len(SCRIPTS) > 10


def test_no_command_goes_through_a_shell_of_this_machine():
    found = []
    for path, tree in trees().items():
        for call in calls(tree):
            shell = [word for word in call.keywords if word.arg == "shell"]
            if shell and not (isinstance(shell[0].value, ast.Constant) and shell[0].value.value is False):
                found.append(f"{path}:{call.lineno}: shell=")
            if name_of(call) in REFUSED or name_of(call) in {("", "eval"), ("", "exec")}:
                found.append(f"{path}:{call.lineno}: {name_of(call)}")
    assert found == []


def test_a_shell_is_given_only_our_own_constant_lines():
    """In any list such as ["sh", "-c", LINE, ...] the line is a constant, and what belongs to it comes as words."""
    found = []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            words = (
                node.elts
                if isinstance(node, (ast.List, ast.Tuple))
                else node.args
                if isinstance(node, ast.Call)
                else []
            )
            for place, (program, flag) in enumerate(itertools.pairwise(words)):
                if not (_text(program) in SHELLS and _text(flag) in ("-c", "/c")):
                    continue
                line = words[place + 2] if len(words) > place + 2 else None
                known = isinstance(line, ast.Name) and line.id in CONSTANT_LINES.get(path, ())
                if _text(line) is None and not known:
                    found.append(f"{path}:{node.lineno}")
    assert found == []


def test_words_become_a_line_only_by_quoting():
    """Where a transport must send one string, shlex makes it: no f-string, + or % beside a word of a command."""
    found = []
    for path in ("hostctl/adb.py", "hostctl/ssh.py", "hostctl/transports/adb_shell.py"):
        for node in ast.walk(trees()[path]):
            if isinstance(node, ast.Assign) and any(_line(target) for target in node.targets):
                text = ast.unparse(node.value)
                if "command" in text and "shlex." not in text:
                    found.append(f"{path}:{node.lineno}: {text}")
    assert found == []


def test_arrays_are_read_without_pickles():
    """numpy.load refuses pickles unless told otherwise; the old PyTorch format's reader lets a pickle name nothing."""
    for path, tree in trees().items():
        for call in calls(tree):
            if name_of(call) == ("np", "load"):
                told = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert told.get("allow_pickle", "False") == "False", f"{path}:{call.lineno}"
        if any(
            isinstance(node, ast.Import) and any(one.name == "pickle" for one in node.names) for node in ast.walk(tree)
        ):
            assert path == "stability_train/legacy_pickle.py"


def test_archives_are_never_unpacked_by_the_names_in_them():
    wanted = {"extractall", "unpack_archive"}
    assert [
        f"{path}:{call.lineno}"
        for path, tree in trees().items()
        for call in calls(tree)
        if name_of(call)[1] in wanted and not any(word.arg == "filter" for word in call.keywords)
    ] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_pages_make_no_markup_of_text(path):
    text = path.read_text("utf-8")
    for found in re.finditer(r"(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function)(.*)", text):
        assert re.match(r'\s*=\s*"[^"]*";$', found[2]), f"{path.name}: {found[0]}"
    if path.suffix == ".html" and "templates" not in path.parts:
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|javascript:", text), (
            "the page's policy allows files only"
        )


def test_templates_leave_unescaped_only_our_own_drawings():
    free = set()
    for path in (ROOT / "analysis/templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert "autoescape false" not in text
        free |= {found[1] for found in re.finditer(r"\{\{\s*([^}]*?)\s*\|\s*(?:themed\s*\|\s*)?safe\s*\}\}", text)}
        assert len(re.findall(r"\|\s*safe\b", text)) == len(re.findall(r"\|\s*safe\s*\}\}", text)), path.name
    assert free == {"plot.svg"}


def _text(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _line(target):
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return any(isinstance(name, ast.Name) and name.id in ("line", "what_to_run") for name in names)


def test_every_page_that_is_written_forbids_scripts_by_itself():
    """A report is opened from a disk or a mail, where no server adds a policy."""
    places = {path.name: path.read_text("utf-8") for path in (ROOT / "analysis/templates").glob("*.html")}
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', places["page.html"])
    assert policy is not None
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    whole = [name for name, text in places.items() if "<html" in text or "<!doctype" in text.lower()]
    assert whole == ["page.html"]
    assert {name for name, text in places.items() if '{% extends "page.html" %}' not in text} <= {
        "page.html", "answer_card.html", "card.html", "parts.html",
    }  # fmt: skip
