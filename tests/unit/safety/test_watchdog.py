"""Silence of inputs on the steady clock."""

from math import inf

import pytest
from arm_nouns import safety_config

from molmoact_ros.safety.watchdog import WATCHED, Watchdog, watchdog_of

MS = 1_000_000


def test_what_was_never_heard_is_silent():
    assert Watchdog({"a": 1.0}).silent(5) == ("a", inf, 1.0)


def test_silence_grows_and_ends_with_the_next_message():
    dog = Watchdog({"a": 0.1, "b": 0.2})
    dog.heard("a", 0)
    dog.heard("b", 0)
    assert dog.silent(100 * MS) is None
    assert dog.silent(150 * MS)[0] == "a"
    assert dog.silent(150 * MS, ["b"]) is None
    dog.heard("a", 150 * MS)
    assert dog.silent(160 * MS) is None
    assert dog.silent(210 * MS)[0] == "b"


def test_a_clock_that_ran_back_counts_as_silence():
    dog = Watchdog({"a": 0.1})
    dog.heard("a", 100 * MS)
    assert dog.silent(50 * MS) is not None


def test_names_that_are_not_watched_are_a_defect():
    with pytest.raises(KeyError, match="not watched"):
        Watchdog({"a": 1.0}).heard("b", 0)


def test_the_cell_watches_every_process_that_leads_to_a_command():
    dog = watchdog_of(safety_config())
    for name in WATCHED:
        dog.heard(name, 0)
    assert dog.silent(90 * MS) is None
    # Detection and standstill share 0.3 s.
    assert all(dog.silent(160 * MS, [name]) for name in WATCHED)
