"""What a hostile agent, page or phone may say in JSON and numbers: refused or bounded, never a crash of the host."""

import json
import re
from contextlib import suppress
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, CommandFailed, DeviceError
from device_agents.records import Prediction
from hostctl.agent import Agent, AgentShutter
from hostctl.agents.checks import checked_answer, checked_machine
from hostctl.agents.wheels import board_python
from hostctl.browsers.checks import Asked, read_answer
from hostctl.phones.health import health
from hostctl.phones.remote_folder import listed_sizes
from hostctl.sessions.vitals import vitals
from hostctl.transport import Output

TEXT = st.text(st.characters(), max_size=20)  # with lone halves of pairs
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FEW = settings(deadline=None, max_examples=60)


class Said:
    """A transport whose device answers every command with the same text."""

    name = "board"

    def __init__(self, text):
        self.text, self.commands = text, []

    def run(self, command, *, timeout_s):
        self.commands.append(list(command))
        return Output(b"", b"", 0)

    def stream(self, command, *, timeout_s):
        yield self.text
        return Output(b"", b"", 0)


def agent(text, tmp_path):
    (tmp_path / "agent.zip").write_bytes(b"zip")
    return Agent(Said(text), tmp_path / "agent.zip")


HOSTILE = {
    "brackets": b"[" * 500_000,
    "braces": b'{"a":' * 150_000,
    "digits": b'{"runtimes": {}, "cameras": [], "cores": ' + b"9" * 100_000 + b"}",
    "not utf-8": b'{"a": "\xff\xfe"}',
    "no object": b"[1, 2]",
    "nothing": b"",
    "no runtimes": b'{"cameras": []}',
    "runtimes of a wrong type": b'{"runtimes": ["litert"], "cameras": []}',
    "cameras of a wrong type": b'{"runtimes": {}, "cameras": {"rpicam": 1}}',
    "not a number": b'{"runtimes": {}, "cameras": [], "temperature_c": NaN}',
    "half a pair": b'{"runtimes": {}, "cameras": [], "model": "\\ud800"}',
    "half a pair as a key": b'{"runtimes": {"\\udfff": "1"}, "cameras": []}',
    "too much": json.dumps({"runtimes": {}, "cameras": [], "model": "m" * 2000}).encode(),
    "too many": json.dumps({"runtimes": {}, "cameras": [], "libraries": {str(n): "" for n in range(300)}}).encode(),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_an_agent_says_of_its_machine_is_checked(text, tmp_path):
    with pytest.raises(DeviceError, match=r"^board: "):
        agent(text + b"\n", tmp_path).info()


def test_a_line_of_two_megabytes_ends_the_command(tmp_path):
    with pytest.raises(DeviceError, match="board: expected lines of at most 1048576 bytes"):
        agent(b"x" * (2 << 20), tmp_path).info()


@pytest.mark.parametrize(
    "text", [b'{"path": "shot00.jpg", "size": 3}\n' * 9, b'{"path": "shot00.jpg", "size": 3}\n' * 2, b""]
)
def test_a_shot_has_a_few_files_of_different_kinds(text, tmp_path):
    with pytest.raises(DeviceError, match="^board: expected (a photograph|files of different kinds)"):
        AgentShutter(agent(text, tmp_path)).shoot(timeout_s=5)


def test_camera_settings_that_are_no_plain_numbers_are_left_out(tmp_path):
    huge = "9" * 400
    line = f'{{"path": "shot00.jpg", "size": 3, "settings": {{"iso": {huge}, "f_number": NaN, "exposure_s": 0.01}}}}\n'
    (file,) = AgentShutter(agent(line.encode(), tmp_path)).shoot(timeout_s=5)
    assert file.settings == (("exposure_s", 0.01),)


@FEW
@given(JSON)
def test_any_json_as_a_machine_is_refused_or_bounded(values):
    with suppress(DeviceError):
        found = checked_machine(values, name="board")
        assert len(json.dumps(found, allow_nan=False, ensure_ascii=False).encode()) < 1 << 20


ASKED = Asked(frozenset({("p", "e")}), frozenset({"cat", "dog"}), 2)
GOOD = {"picture": "p", "environment": "e", "labels": ["cat", "dog"], "scores": [0.9, 0.1], "latency_ms": 1.0}


@FEW
@given(st.dictionaries(st.sampled_from([*GOOD, "error", "file_sha256", "tensor_sha256"]), JSON, max_size=4))
def test_any_json_as_a_prediction_is_refused_or_true_to_its_schema(values):
    assert checked_answer(GOOD, ASKED, name="board") == Prediction("p", "e", ("cat", "dog"), (0.9, 0.1), 1.0)
    with suppress(DeviceError):
        found = checked_answer({**GOOD, **values}, ASKED, name="board")
        assert (found.picture, found.environment) == ("p", "e")
        assert set(found.labels) <= {"cat", "dog"}
        assert all(0 <= score <= 1.000001 for score in found.scores)
        assert 0 <= found.latency_ms < 1e7
        assert isinstance(found.error, str)
        assert len(found.error) <= 1000
        assert all(re.fullmatch("([0-9a-f]{64})?", one) for one in (found.file_sha256, found.tensor_sha256))


def test_a_long_reason_is_cut_and_another_schema_is_the_agents_own_failure():
    found = checked_answer({"picture": "p", "environment": "e", "error": "x" * 5000}, ASKED, name="board")
    assert found.error == "x" * 1000
    with pytest.raises(CommandFailed, match="board: Prediction: unknown keys"):
        checked_answer({**GOOD, "extra": 1}, ASKED, name="board")


@FEW
@given(st.binary(max_size=200) | JSON.map(lambda values: json.dumps(values).encode()))
def test_any_bytes_of_a_page_are_refused_or_bounded(data):
    with suppress(BadInput):
        assert isinstance(read_answer(data), dict)


# Numbers: Python refuses to read whole numbers of thousands of digits, and floats end at 1e308.

DIGITS = ["9" * 5000, "9" * 400, "²", "٣", "-", "1e999", ""]


@pytest.mark.parametrize("digits", DIGITS)
def test_numbers_of_any_length_from_a_phone_are_refused_or_left_out(digits):
    class Phone:
        name = "phone"

        def run(self, command, *, timeout_s):
            said = {
                "getprop": f"[ro.product.model]: [{digits}]\n",
                "date": f"{digits}.{digits}\n",
                "df": f"Filesystem 1K-blocks Used Available Use% Mounted\n/dev/x 1 1 {digits} 1% /data\n",
                "dumpsys": f"  level: {digits}\n  temperature: {digits}\nThermal Status: {digits}\n"
                f"Number of camera devices: {digits}\n",
                "cat": f"{digits}\n",
            }
            return Output(said[command[0]].encode(), b"", 0)

    found = health(Phone(), name="phone")
    assert found.battery_percent is None or abs(found.battery_percent) < 1e18
    assert found.free_bytes is None or found.free_bytes < 1e22
    assert not [line for line in found.problems if "Traceback" in line]
    board = SimpleNamespace(settings=SimpleNamespace(in_page=False, kind="ssh"), transport=Phone(), name="board")
    told = vitals(board)
    assert told.temperature_c is None or abs(told.temperature_c) < 1e7
    line = f"-rw-rw---- 1 u0_a12 media_rw {digits} 2026-11-22 07:00 x.jpg\n"
    with suppress(DeviceError):
        assert all(0 <= size < 1e18 for size in listed_sizes(line, device="phone").values())


@pytest.mark.parametrize("version", ["2.999999999", "2.", "2.x", "3.1", "2.1e9"])
def test_a_board_cannot_ask_for_a_thousand_million_kinds_of_wheels(version):
    said = {"python": [3, 11], "bits": 64, "machine": "aarch64", "system": "linux", "implementation": "CPython"}
    with pytest.raises(DeviceError, match="expected CPython with glibc 2"):
        board_python({**said, "libc": "glibc", "libc_version": version}, name="board")


@pytest.mark.parametrize("score", [10**400, -(10**400), float("nan"), float("inf"), True, "0.5", None])
def test_a_score_is_a_number_that_a_float_can_be(score):
    with pytest.raises(DeviceError):
        checked_answer({**GOOD, "scores": [score, 0.1]}, ASKED, name="board")
    with pytest.raises(DeviceError):
        checked_answer({**GOOD, "latency_ms": score}, ASKED, name="board")
