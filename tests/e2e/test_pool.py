"""A pool with a real scheduler and real offers of virtual boards: devices taken once, used, and free after a crash."""

import contextlib
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput, DeviceError, Unreachable
from device_agents.predict import Job, JobPicture, default_environment, predict
from hostctl.batches import pool
from hostctl.cli import main
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

pytestmark = pytest.mark.slow
PATIENCE_S = 120.0
LAB = '[display]\nscreen = "virtual"\nwidth = 640\nheight = 480\n'
BOARD = '[[device]]\nname = "{}"\nkind = "virtual-board"\ncamera = "instant"\npredicts = "agent"\n'
OPEN = (
    "from hostctl.batches.pool_offer import open_pool; open_pool(port=0, said=lambda words: print(words, flush=True))"
)
RUN = "from hostctl.cli import main; raise SystemExit(main())"
HOLD = """
import sys, time
from hostctl.batches import pool
with pool.joined(sys.argv[1]) as client, pool.taken(client, [(1, ["left"])], name="the crasher"):
    print("has it", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def started(*command, **environment):
    child = subprocess.Popen(
        [sys.executable, "-c", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a pool in which one host offers two boards."""
    folder = tmp_path_factory.mktemp("pool")
    (folder / "lab.toml").write_text(LAB + BOARD.format("left") + BOARD.format("right"))
    state = {"XDG_DATA_HOME": str(folder / "state")}
    with started(OPEN) as scheduler:
        where = scheduler.stdout.readline().strip()
        assert where.startswith("tcp://127.0.0.1:"), where
        with started(RUN, "pool", "offer", str(folder / "lab.toml"), "--pool", where, **state) as offering:
            said = {offering.stdout.readline().strip() for _ in range(2)}
            assert said == {f"{name}: offered at {where}" for name in ("left", "right")}
            yield where
            offering.send_signal(2)
            assert offering.wait(PATIENCE_S) == 0


@pytest.fixture
def client(address):
    with pool.joined(address) as one:
        yield one


@pytest.fixture
def job(tmp_path):
    model = write_tflite(tmp_path / "tiny.tflite")
    rng = np.random.default_rng(1)
    for number in range(3):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    pictures = tuple(JobPicture(f"p{number}", str(tmp_path / f"{number}.png")) for number in range(3))
    sidecar = tiny_sidecar()
    return Job(str(model), sidecar, pictures, (default_environment(sidecar, model),))


def test_devices_are_listed_taken_once_and_predict_as_the_host_does(address, client, job, capsys):
    assert main(["pool", "list", "--pool", address, "--json"]) == 0
    assert [row["device"] for row in json.loads(capsys.readouterr().out)] == ["left", "right"]
    with pool.taken(client, [(1, ["left", "right"])], name="monday's study") as got:
        ((device,),) = got
        assert (device.name, device.alive()) == ("left", True)
        with pytest.raises(DeviceError, match="left: held by 'monday's study .by the pool.'.*--wait SECONDS"):
            with pool.taken(client, [(2, ["left", "right"])], name="another"):
                raise AssertionError("one of two was not free")
        there = dataclasses.replace(job, environments=(device.own(job.environments[0]),))
        found = list(device.predict(there))
        here = list(predict(there))
        assert [dataclasses.replace(one, latency_ms=0) for one in found] == [
            dataclasses.replace(one, latency_ms=0) for one in here
        ]
        broken = dataclasses.replace(job.pictures[0], file=str(job.model))
        (told,) = device.predict(dataclasses.replace(there, pictures=(broken,)))
        assert told.error  # a file that is no picture is a record, not an end
    with pool.taken(client, [(2, ["left", "right"])], name="another") as got:
        assert sorted(device.name for device in got[0]) == ["left", "right"]


def test_a_batch_takes_its_devices_from_the_pool(address, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(2)
    for number in range(8):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"p{number}.jpg")
    rows = [f"p{number}.jpg,{number}" for number in range(8)]
    (tmp_path / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    words = [
        "batch",
        "--model",
        str(model),
        "--scenes",
        str(tmp_path / "in" / "labels.csv"),
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*words, "--pool", address, "--devices", "each:2", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], sorted(row["status"] for row in found["rows"])) == ("OK", ["OK", "OK"])
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions(["picture", "machine", "error"])
        assert list(run.devices()["device"]) == ["left", "right"]
    assert table.groupby("machine").size().to_dict() == {"left": 8, "right": 8}
    assert main([*words, "--devices", "any:1"]) == 2
    assert "--lab FILE or --pool ADDRESS" in capsys.readouterr().err
    assert main([*words, "--pool", address, "--devices", "abacus"]) == 2
    assert "unknown device 'abacus'; known: left, right" in capsys.readouterr().err


def test_what_a_host_says_went_wrong_is_raised_here(client, job):
    with pool.taken(client, [(1, ["right"])], name="me") as ((device,),):
        wrong = dataclasses.replace(job.environments[0], decoder="no-such-decoder", machine="right")
        with pytest.raises((BadInput, DeviceError), match="no-such-decoder"):
            list(device.predict(dataclasses.replace(job, environments=(wrong,))))
        with pytest.raises(DeviceError, match="expected the runtime abacus"):
            device.own(dataclasses.replace(job.environments[0], runtime="abacus"))


def test_the_device_of_a_client_that_was_killed_comes_free(address, client):
    with started(HOLD, address) as holding:
        assert holding.stdout.readline().strip() == "has it"
        with pytest.raises(DeviceError, match="held by 'the crasher"):
            with pool.taken(client, [(1, ["left"])], name="me"):
                raise AssertionError("the crasher has it")
        holding.kill()
        heard = []
        with pool.taken(client, [(1, ["left"])], name="me", wait_s=PATIENCE_S, said=heard.append) as ((device,),):
            assert device.alive()


def test_a_host_that_dies_is_unreachable_and_its_device_no_longer_offered(tmp_path, address, client):
    (tmp_path / "lab.toml").write_text(LAB + BOARD.format("brief"))
    state = {"XDG_DATA_HOME": str(tmp_path / "state")}
    told = {"lab": str(tmp_path / "lab.toml"), "device": "brief", "scheduler": address, "security": {}}
    child = subprocess.Popen(
        [sys.executable, "-m", "hostctl.batches.pool_host"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | state,
    )
    with child:
        try:
            child.stdin.write(json.dumps(told) + "\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["offered"] == "brief"
            with pool.taken(client, [(1, ["brief"])], name="me") as ((device,),):
                child.kill()
                child.wait()
                with pytest.raises(Unreachable, match="brief: its host in the pool does not answer"):
                    device._ask("state")
                assert not device.alive()
        finally:
            child.kill()
    until = time.monotonic() + PATIENCE_S
    while "brief" in pool.offers(client) and time.monotonic() < until:
        time.sleep(0.2)
    assert sorted(pool.offers(client)) == ["left", "right"]


def test_a_pool_that_is_not_there_and_a_wrong_address_say_what_to_do(monkeypatch):
    monkeypatch.setattr(pool, "CONNECT_S", 1.0)
    with pytest.raises(BadInput, match="such as tcp://host:8786"):
        with pool.joined("lab.local"):
            raise AssertionError("that is no address")
    with pytest.raises(Unreachable, match="instability pool open"):
        with pool.joined("tcp://127.0.0.1:9"):
            raise AssertionError("nobody listens there")


@pytest.mark.parametrize("words", [["--tls-ca", "a"], ["--tls-cert", "a", "--tls-key", "b"]])
def test_half_of_the_tls_files_is_bad_input(words, capsys):
    assert main(["pool", "list", *words]) == 2
    assert "together, or none" in capsys.readouterr().err


def test_only_devices_with_an_agent_can_be_offered(tmp_path, capsys):
    phone = '[[device]]\nname = "phone"\nkind = "virtual-phone"\ncamera = "instant"\n'
    (tmp_path / "lab.toml").write_text(LAB + phone)
    assert main(["pool", "offer", str(tmp_path / "lab.toml")]) == 2
    assert 'expected devices with predicts = "agent"' in capsys.readouterr().err
    assert main(["pool", "offer"]) == 2


def certificates(folder):
    """An authority and one certificate for all hosts, as a lab would have made them; gives the options for them."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("authority", "host")]
    for number, (key, name) in enumerate(zip(keys, names, strict=True)):
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(number + 1)
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
            .sign(keys[0], hashes.SHA256())
        )
        (folder / f"{number}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "1.key").write_bytes(private)
    files = {"--tls-ca": "0.pem", "--tls-cert": "1.pem", "--tls-key": "1.key"}
    return [word for option, file in files.items() for word in (option, str(folder / file))]


def test_with_tls_nobody_gets_in_without_a_certificate(tmp_path, capsys):
    options = certificates(tmp_path)
    with started(RUN, "pool", "open", "--port", "0", *options) as scheduler:
        address = scheduler.stdout.readline().strip()
        assert address.startswith("tls://127.0.0.1:"), address
        assert main(["pool", "list", "--pool", address, *options]) == 0
        assert "nothing is offered" in capsys.readouterr().out
        assert main(["pool", "list", "--pool", address]) == 2
        assert "--tls-ca, --tls-cert and --tls-key with tls://" in capsys.readouterr().err
        assert main(["pool", "list", "--pool", address.replace("tls", "tcp")]) == 3
        (tmp_path / "other").mkdir()
        assert main(["pool", "list", "--pool", address, *certificates(tmp_path / "other")]) == 3
        assert "no pool answers" in capsys.readouterr().err
