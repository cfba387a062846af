"""One suite for every backend: what the Runtime contract promises, on both kinds of models."""

import networks
import numpy as np
import pytest

from molmoact_ros.errors import InvalidData
from molmoact_ros.runtime.contract import Question
from molmoact_ros.runtime.decode import PLAIN, Hints, Known, Pace, decode

CASES = [(model, backend) for model in networks.MODELS for backend in networks.BACKENDS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(model):
        if model not in made:
            made[model] = networks.MODELS[model](tmp_path_factory.mktemp(model) / "model")
        return made[model]

    return folder


class Opened:
    """A backend with the form of its model, the questions, and torch as the reference."""

    def __init__(self, folder, backend):
        self.form = networks.form_of(folder)
        self.questions = networks.questions(self.form)
        self.runtime = networks.open_backend(folder, backend, self.form)
        self.reference = networks.open_backend(folder, "torch", self.form)

    def columns(self, runtime):
        """Return where a runtime has the scores of the grammar's ids."""
        return np.searchsorted(runtime.legal, self.form.grammar.legal)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def opened(request, folders):
    model, backend = request.param
    return Opened(folders(model), backend)


def answer(opened, runtime=None, i: int = 0, **options):
    return decode(runtime or opened.runtime, opened.form.grammar, opened.questions[i], **options)


def test_it_says_what_torch_says(opened):
    for i in range(len(opened.questions)):
        expected = answer(opened, opened.reference, i, pace=Pace(0))
        np.testing.assert_array_equal(answer(opened, i=i, pace=Pace(0)).ids, expected.ids)
        scores = [
            r.prefill(opened.questions[i], expected.ids)[:, opened.columns(r)]
            for r in (opened.runtime, opened.reference)
        ]
        assert networks.same(*scores), np.abs(scores[0] - scores[1]).max()


def test_many_tokens_at_once_are_one_by_one(opened):
    runtime, question = opened.runtime, opened.questions[0]
    ids = answer(opened, pace=Pace(0)).ids[:40]
    whole = runtime.prefill(question, ids)
    assert whole.shape == (1 + len(ids), len(runtime.legal)) and runtime.length == len(question.ids) + len(ids)
    rows = [runtime.prefill(question, ids[:0])]
    for start, end in ((0, 1), (1, 4), (4, 20), (20, 40)):
        rows.append(runtime.extend(ids[start:end]))
    assert networks.same(np.concatenate(rows), whole)


def test_what_is_rewound_leaves_no_trace(opened):
    runtime, question = opened.runtime, opened.questions[0]
    ids = answer(opened, pace=Pace(0)).ids[:24]
    whole = runtime.prefill(question, ids)
    runtime.prefill(question, ids[:8])
    runtime.extend(ids[::-1])
    runtime.rewind(len(question.ids) + 8)
    assert networks.same(runtime.extend(ids[8:]), whole[9:])


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_drafts_change_nothing(opened, share):
    expected = answer(opened, pace=Pace(0))
    rng = np.random.default_rng(0)
    spellings = {slot.name: list(slot.options.spellings) for slot in opened.form.grammar.slots}
    draft = {
        name: value if rng.random() < share else spellings[name][rng.integers(len(spellings[name]))]
        for name, value in expected.values.items()
    }
    told = answer(opened, hints=Hints(draft=Known(draft)), pace=Pace(16, 0.0))
    np.testing.assert_array_equal(told.ids, expected.ids)
    assert told.passes < expected.passes


def test_plain_is_the_yardstick(opened):
    plain = answer(opened, pace=PLAIN)
    assert plain.passes == len(plain.ids)
    np.testing.assert_array_equal(plain.ids, answer(opened, pace=Pace(0)).ids)


def test_equal_pictures_are_looked_at_once(opened):
    runtime, (first, second) = opened.runtime, opened.questions
    none = np.empty(0, np.int64)
    runtime.prefill(second, none)
    before = runtime.vision_passes
    runtime.prefill(first, none)
    looked = runtime.vision_passes - before
    # two views of two equal crops each cost two, not four
    assert looked == (1 if first.pooled_index is None else 2)
    runtime.prefill(first, none)
    runtime.prefill(Question(first.ids.copy(), first.images.copy(), first.pooled_index), none)
    assert runtime.vision_passes - before == looked


def test_a_sequence_without_room_is_refused_and_the_next_one_is_not(opened):
    runtime, question = opened.runtime, opened.questions[0]
    runtime.prefill(question, np.empty(0, np.int64))
    with pytest.raises(InvalidData, match="at most"):
        runtime.extend(np.full(runtime.capacity, int(runtime.legal[0])))
    assert answer(opened, pace=Pace(0)).complete
