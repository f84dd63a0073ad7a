"""What a program would send or a person would write, and what becomes of it on a bad line or under clumsy hands."""

import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.inputs import fuzz
from tests.inputs.conftest import inputs
from tests.inputs.targets import ROOT, TARGETS, Target

places = st.integers(0, 10_000)


@st.composite
def changed(draw: st.DrawFn, target: Target) -> bytes:
    """A good input, at some places of which something else stands."""
    data = draw(st.sampled_from(target.seeds))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(places) % (len(data) + 1)
        end = begin + draw(st.sampled_from([0, 0, 1, 2, 9, 10_000]))
        others = st.sampled_from(target.tokens).map(str.encode) | st.sampled_from(target.seeds) | st.binary(max_size=9)
        data = data[:begin] + draw(others) + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_good_is_understood(name: str) -> None:
    assert all(map(TARGETS[name].understands, TARGETS[name].seeds))


@pytest.mark.parametrize(
    ("name", "usual"),
    [("messages", 3000), ("compression", 2000), ("bundle", 500), ("configuration", 400), ("record_types", 400)],
)
def test_whatever_becomes_of_it_is_understood_or_refused(name: str, usual: int) -> None:
    target, tried = TARGETS[name], Counter[bool]()

    @settings(max_examples=inputs(usual))
    @given(changed(target) | st.binary(max_size=300))
    def holds(data: bytes) -> None:
        understood = target.understands(data)
        tried[understood] += 1
        event(f"{name}: {'understood' if understood else 'refused'}")

    holds()
    assert tried[False]
    assert tried[True]


def test_the_fuzzer_knows_every_target() -> None:
    assert list(fuzz.NAMES) == list(TARGETS)


FIRST, *OTHERS = TARGETS


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is made for Linux on x86_64 only")
@pytest.mark.parametrize("name", [FIRST, *(pytest.param(one, marks=pytest.mark.long) for one in OTHERS)])
def test_the_fuzzer_finds_nothing_at_first(name: str) -> None:
    command = [sys.executable, "-m", "tests.inputs.fuzz", name, "-runs=2000", "-seed=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 2000 runs" in done.stderr
