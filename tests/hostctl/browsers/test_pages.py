import io
import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import device_agents
from capture.display import DisplayServer
from device_agents.errors import BadInput, Unreachable
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import blueprint_name, is_built, web_blueprint

PAGE = "a" * 16
TOKEN = "token-of-the-phone"


@pytest.fixture
def dist(tmp_path):
    folder = tmp_path / "dist"
    folder.mkdir()
    source = Path(device_agents.__file__).parent / "web" / "index.html"
    (folder / "index.html").write_bytes(source.read_bytes())
    for name in ("page.js", "page.css", "x.wasm", "x.mjs"):
        (folder / name).write_bytes(b"/* %s */" % name.encode())
    (folder / "secret.txt").write_bytes(b"no file of the page")
    return folder


@pytest.fixture
def link(tmp_path):
    return WebLink("pixel", folder=tmp_path / "shots")


@pytest.fixture
def server(link, dist):
    pages = web_blueprint(link, dist=dist)
    with DisplayServer(blueprints=[pages], guests={pages.name: TOKEN}) as made, link:
        yield made


def ask(server, path, *, data=None, token=TOKEN, page=PAGE, **headers):
    """Give (status, headers, body)."""
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data=data)
    for name, value in {"X-Display-Token": token, "X-Page": page, **headers}.items():
        asked.add_header(name, value)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.headers, problem.read()


@pytest.fixture
def job(link, server, monkeypatch):
    """The running job as the page got it; the host does not wait for its answer."""
    monkeypatch.setattr(link, "_next", lambda running, silence_s: {})

    def start(values, **options):
        link.next_job(PAGE, timeout_s=0)
        host = link.do(values, silence_s=1, **options)
        next(host)
        started.append(host)
        return json.loads(ask(server, f"/{blueprint_name('pixel')}/job")[2])

    started = []
    yield start
    for host in started:
        host.close()


def png(size=(4, 6)):
    out = io.BytesIO()
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_the_page_has_the_devices_name_and_is_shut_off_from_everything_else(server):
    status, headers, body = ask(server, "/?token=" + TOKEN)
    assert status == 200
    assert b"<h1>pixel</h1>" in body
    assert b'src="/web-pixel/page.js"' in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "unsafe-inline" not in policy
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]


def test_the_display_page_keeps_its_own_policy(server):
    headers = ask(server, "/?token=" + server.token, token="")[1]
    assert "wasm" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "kind"), [("page.js", "text/javascript"), ("x.mjs", "text/javascript"), ("x.wasm", "application/wasm")]
)
def test_the_pages_files(server, name, kind):
    status, headers, body = ask(server, f"/web-pixel/{name}")
    assert status == 200
    assert headers["Content-Type"].split(";")[0] == kind
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert name.encode() in body
    assert ask(server, f"/web-pixel/{name}", **{"If-None-Match": headers["ETag"]})[0] == 304


@pytest.mark.parametrize("path", ["secret.txt", "index.html", "..%2f..%2fhostctl%2fcli.py", "nothing.js"])
def test_no_other_file(server, path):
    assert ask(server, f"/web-pixel/{path}")[0] in (401, 404)  # what belongs to no device is not the phone's


@pytest.mark.parametrize("path", ["/?x=1", "/web-pixel/page.js", "/web-pixel/job", "/web-pixel/file/" + "0" * 64])
def test_nothing_without_the_token(server, path):
    for token in ("", "wrong", "ä"):
        assert ask(server, path, token=token.encode().decode("latin-1"))[0] == 401


def test_the_phones_token_opens_nothing_else(server):
    for path in ("/state", "/events?client=x", "/frame/1.png"):
        assert ask(server, path)[0] == 401


def test_other_origins_and_names_are_refused(server):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        assert ask(server, "/web-pixel/job", **headers)[0] == 403


def test_a_question_needs_the_header_that_no_form_can_send(server):
    for word in ("", "x", "A" * 16, "a" * 17):
        assert ask(server, "/web-pixel/job", page=word)[0] == 400


def test_a_photograph_comes_in(job, server, link):
    number = job({"kind": "shoot"})["id"]
    assert ask(server, f"/web-pixel/photograph/{number}", data=png((300, 400)))[0] == 200
    assert (link.folder / f"{number}.png").read_bytes() == png((300, 400))
    assert ask(server, f"/web-pixel/photograph/{number}", data=b"no picture")[0] == 400
    assert ask(server, "/web-pixel/photograph/..%2f..%2fx", data=png())[0] in (400, 401, 404)
    assert [file.name for file in link.folder.iterdir()] == [f"{number}.png"]


def test_sizes_are_bounded_before_anything_is_read(job, server, monkeypatch):
    number = job({"kind": "shoot"})["id"]
    monkeypatch.setattr("hostctl.browsers.pages.MOST_PHOTOGRAPH_BYTES", 1000)
    assert ask(server, f"/web-pixel/photograph/{number}", data=b"x" * 1001)[0] == 413
    assert ask(server, f"/web-pixel/answer/{number}", data=b"{" + b" " * 65536 + b"}")[0] == 413


def test_a_page_that_is_closed_says_so(server, link):
    assert ask(server, "/web-pixel/job?x=1", page="zz")[0] == 400
    link.next_job(PAGE, timeout_s=0)
    link.wait_for_page(timeout_s=0)
    assert ask(server, "/web-pixel/leave", token="", data=b"")[0] == 401
    assert ask(server, "/web-pixel/leave", data=b"")[0] == 200
    with pytest.raises(Unreachable):
        link.wait_for_page(timeout_s=0)


def test_files_of_the_job_and_no_others(job, server, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"the model")
    number = job({"kind": "predict"}, files={"1" * 64: tmp_path / "model.onnx"})["id"]
    assert ask(server, "/web-pixel/file/" + "1" * 64)[2] == b"the model"
    assert ask(server, "/web-pixel/file/" + "2" * 64)[0] == 400
    assert ask(server, f"/web-pixel/answer/{number}", data=b'{"done": 0}')[0] == 200
    assert ask(server, f"/web-pixel/answer/{number}", data=b"[1]")[0] == 400


def test_a_page_that_was_replaced_is_told(server, link):
    link.next_job(PAGE, timeout_s=0)
    link.next_job("b" * 16, timeout_s=0)
    assert ask(server, "/web-pixel/job")[0] == 409


def test_after_the_end_the_page_tries_again(server, link):
    link.__exit__(None, None, None)
    assert ask(server, "/web-pixel/job")[0] == 503


def test_a_page_that_was_not_built_is_said(tmp_path, link):
    assert not is_built(tmp_path)
    with pytest.raises(BadInput, match="npm ci && npm run build"):
        web_blueprint(link, dist=tmp_path)


@pytest.mark.parametrize("name", ["", "Pixel", "a/b", "..", "<img>", "a" * 65])
def test_odd_names_are_refused(name):
    with pytest.raises(BadInput, match="expected a device name"):
        blueprint_name(name)
