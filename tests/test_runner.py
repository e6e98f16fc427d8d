"""What the coordinator makes of the events that workers send."""

from __future__ import annotations

from lth_bench.report.progress import Lines
from lth_bench.runner import Recorder, Summary


class Heard:
    def __init__(self):
        self.events = []

    def event(self, record):
        self.events.append(record)


def test_an_observer_s_fault_is_said_once_a_run():
    heard = Heard()
    recorder = Recorder(None, None, "run", Summary("run", "suite", 3, 0), heard)
    messages = ["observer a.on_eval: raised", "observer a.on_eval: raised", "observer b.score: …"]
    for message in messages:
        recorder.handle({"event": "observer", "message": message})
    assert [e["message"] for e in heard.events] == [messages[0], messages[2]]


def test_and_goes_to_stderr(capsys):
    Lines().event({"event": "observer", "message": "observer a.on_eval: raised [x]"})
    captured = capsys.readouterr()
    assert captured.err == "observer a.on_eval: raised [x]\n"
    assert captured.out == ""
