"""A page as a Predictor: the host's environment as browsers call it, and jobs that keep to their time."""

from dataclasses import dataclass, field, replace

import pytest

from device_agents.errors import DeviceError, TimedOut, Unreachable
from device_agents.predict import Job
from device_agents.records import Environment, Prediction
from hostctl.browsers.device import PREDICTION_SILENCE_S
from hostctl.browsers.predictor import PagePredictor, in_page, on_agent
from tests.device_agents.tiny_models import tiny_sidecar

INFO = {
    "decoders": ["create-image-bitmap", "image-element"],
    "views": ["whole"],
    "fits": ["squash"],
    "resizers": ["pillow-bilinear"],
    "scalings": ["imagenet"],
    "runtimes": {"litert-js": "2.5.3"},
}
USUAL = Environment(
    model="tiny",
    model_sha256="0" * 64,
    decoder="pillow",
    view="whole",
    colour="rgb",
    fit="squash",
    resizer="pillow-bilinear",
    scaling="imagenet",
    runtime="litert",
    runtime_version="2.1.6",
    machine="host",
)
JOB = Job("model.tflite", tiny_sidecar(), (), ())


@dataclass
class FakeDevice:
    """Gives predictions, remembers how long it may be silent; ``open`` says whether its page is."""

    predictions: tuple = ()
    open: bool = True
    name: str = "pixel"
    silences: list = field(default_factory=list)

    @property
    def link(self):
        return self

    def wait_for_page(self, *, timeout_s):
        assert timeout_s == 0
        if not self.open:
            raise Unreachable("pixel: no page is open")

    def info(self):
        return INFO

    def predict(self, job, *, silence_s):
        assert job is JOB
        self.silences.append(silence_s)
        yield from self.predictions


def test_a_page_has_its_own_names_for_the_usual_decoder_and_runtimes():
    assert in_page(USUAL) == replace(USUAL, decoder="create-image-bitmap", runtime="litert-js")
    assert in_page(replace(USUAL, runtime="onnxruntime")).runtime == "onnxruntime-web"
    other = replace(USUAL, decoder="image-element", runtime="keras")
    assert in_page(other) == other


def test_the_environment_is_what_the_page_has():
    own = PagePredictor(FakeDevice()).own(USUAL)
    assert own == replace(
        USUAL, decoder="create-image-bitmap", runtime="litert-js", runtime_version="2.5.3", machine="pixel"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"decoder": "opencv"},
            "the decoder 'opencv' in the page, got one with create-image-bitmap, image-element",
        ),
        (
            {"runtime": "onnxruntime"},
            "the runtime 'onnxruntime-web' in the page, got one with litert-js",
        ),
        ({"view": "rectified-opencv"}, "pixel: expected the view 'rectified-opencv' in the page, got one with whole"),
    ],
)
def test_what_a_page_has_not_is_refused_by_name(changed, message):
    with pytest.raises(DeviceError, match=message):
        PagePredictor(FakeDevice()).own(replace(USUAL, **changed))


def test_a_job_ends_when_its_time_is_over():
    two = tuple(Prediction(name, "e", ("a",), (1.0,), 1.0) for name in ("p", "q"))
    device = FakeDevice(two)
    assert list(PagePredictor(device).predict(JOB)) == list(two)
    times = iter([0.0, 4.0, 11.0])
    made = PagePredictor(device, clock=lambda: next(times)).predict(JOB, limit_s=10.0)
    assert next(made).picture == "p"
    with pytest.raises(TimedOut, match="pixel: the page did not end its job within 10 s"):
        next(made)
    assert device.silences == [PREDICTION_SILENCE_S, 10.0]


def test_a_page_is_alive_while_it_is_open():
    assert PagePredictor(FakeDevice()).alive()
    assert not PagePredictor(FakeDevice(open=False)).alive()


def test_an_agent_stands_in_for_a_page_and_back():
    assert on_agent(in_page(USUAL)) == USUAL
    assert on_agent(replace(USUAL, decoder="image-element")).decoder == "image-element"
