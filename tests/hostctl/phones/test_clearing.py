from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.records import Picture, Scene
from hostctl.phones.clearing import clear_lab, clear_text
from hostctl.virtual.phone import PHONES, VirtualPhone
from tests.fakes.phones import Listener, jpeg, phone

FOLDER = "/sdcard/DCIM/Camera/"
Lab = tuple[VirtualPhone, Path, Path]


def with_place() -> bytes:
    import io

    from PIL import Image

    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
    buffer = io.BytesIO()
    Image.open(io.BytesIO(jpeg("it", 9))).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A phone with two photographs of a run (one had a place that the run took out) and three others."""
    from capture.anonymise import without_place

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    placed = with_place()
    clean = without_place(placed, suffix=".jpg")
    assert clean != placed
    kept = {"one.jpg": jpeg("it", 1), "two.jpg": placed}
    others = {"mine.jpg": jpeg("it", 3), "same-size.jpg": jpeg("it", 1)[:-1] + b"\x00", "of-b.jpg": jpeg("it", 200)}
    run = tmp_path / "run"
    with Run.create(run, settings={}, scenes=[Scene("s", "s.png", "0" * 64, ("n1",))]) as made:
        for number, (device, data) in enumerate([("it", kept["one.jpg"]), ("it", clean), ("b", others["of-b.jpg"])]):
            digest = made.put_file(data)
            record = Picture(f"p{number}", digest, ".jpg", len(data), 64, 48, "s", repeat=number, device=device)
            made.add_picture(record, {digest: data})
    with phone(PHONES["instant"]) as (virtual, address):
        for name, data in {**kept, **others}.items():
            virtual.files.write(FOLDER + name, data)
        file = tmp_path / "lab.toml"
        file.write_text(f'[[device]]\nname = "it"\nkind = "adb"\naddress = "{address}"\n')
        yield virtual, file, run


def names(virtual: VirtualPhone) -> list[str]:
    return virtual.files.names(FOLDER)


def test_only_what_the_run_holds_of_this_device_is_deleted(lab: Lab) -> None:
    virtual, file, run = lab
    listener = Listener(["y"])
    found = clear_lab(file, [run], person=listener.person, yes=False)
    assert found["deleted"]
    assert names(virtual) == ["mine.jpg", "of-b.jpg", "same-size.jpg"]
    assert "delete 2 photographs" in listener.asked[0]
    (row,) = found["devices"]
    assert (row["files"], row["others"], row["problem"]) == (2, 3, "")
    assert "2 photographs deleted" in clear_text(found)


@pytest.mark.parametrize("answers", [["n"], [""], ["yess"]])
def test_nothing_goes_without_a_yes(lab: Lab, answers: list[str]) -> None:
    virtual, file, run = lab
    found = clear_lab(file, [run], person=Listener(answers).person, yes=False)
    assert not found["deleted"]
    assert len(names(virtual)) == 5
    assert "2 photographs could be deleted" in clear_text(found)


def test_without_a_terminal_yes_must_be_said(lab: Lab) -> None:
    virtual, file, run = lab
    with pytest.raises(BadInput, match="or --yes, to delete 2 photographs"):
        clear_lab(file, [run], person=Listener().person, yes=False)
    assert len(names(virtual)) == 5
    assert clear_lab(file, [run], person=Listener().person, yes=True)["deleted"]
    assert len(names(virtual)) == 3


def test_a_copy_that_is_damaged_here_keeps_the_phones(lab: Lab) -> None:
    virtual, file, run = lab
    with Run.open(run, write=False) as made:
        path = made.file(next(one.sha256 for one in made.picture_records({"device": "it"})))
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    clear_lab(file, [run], person=Listener().person, yes=True)
    assert names(virtual) == ["mine.jpg", "of-b.jpg", "one.jpg", "same-size.jpg"]


def test_a_file_that_changes_meanwhile_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    virtual, file, run = lab

    def change(_: str) -> str:
        virtual.files.write(FOLDER + "one.jpg", b"new")
        return "y"

    listener = Listener()
    person = type(listener.person)(listener.person.say, change)
    (row,) = clear_lab(file, [run], person=person, yes=False)["devices"]
    assert "has changed meanwhile" in row["problem"]
    assert "one.jpg" in names(virtual)


def test_a_lab_without_phones_or_a_phone_away(lab: Lab, tmp_path: Path) -> None:
    _, file, run = lab
    file.write_text('[[device]]\nname = "it"\nkind = "adb"\naddress = "127.0.0.1:9"\n')
    (row,) = clear_lab(file, [run], person=Listener().person, yes=True)["devices"]
    assert "refused" in row["problem"]
    file.write_text('[[device]]\nname = "it"\nkind = "local"\ncamera = "x"\n')
    with pytest.raises(BadInput, match="expected a phone over ADB"):
        clear_lab(file, [run], person=Listener().person, yes=True)
