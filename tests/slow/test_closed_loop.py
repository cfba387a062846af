"""What a stranger types, from start to end: the demo, the suite through the running graph, and wrong questions."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.ros, pytest.mark.sim, pytest.mark.timeout(900)]

ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": str(50 + os.getpid() % 30)}
ADDRESS = f"robot_ip:=127.2.{os.getpid() % 250}.1"


def _molmoact(*arguments, timeout_s: float = 600.0):
    command = [sys.executable, "-m", "molmoact_ros.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=ENVIRONMENT)


def test_the_demo_does_what_it_is_told_and_leaves_pictures_and_a_bag(tmp_path):
    report = tmp_path / "demo.json"
    done = _molmoact("demo", "--seed", "3", "--instruction", "pick up the green cube", "--json", str(report),
                     "--out", str(tmp_path / "run"), ADDRESS)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(report.read_text())
    assert {"summary", "cases", "environment"} == set(data)
    summary = data["summary"]
    assert summary["success"] is True and summary["plans"] > 0 and summary["commands"] > 0
    for key in ("limited", "held", "rate_hz_arm_state", "plan_ms_p50", "age_ms_p99"):
        assert key in summary
    assert {p.name for p in (tmp_path / "run").glob("*.png")} >= {"first_plan.png", "end.png"}
    assert list((tmp_path / "run" / "bag").glob("*.mcap"))


@pytest.mark.parametrize(
    "instruction, said",
    [("pick up the orange cube", "unknown words ['orange']"), ("pick up the yellow ball", "object_not_in_sight")],
)
def test_a_question_about_what_is_not_there_is_one_line_and_no_motion(tmp_path, instruction, said):
    # Seed 3: blue, red and green cubes and a purple can.
    done = _molmoact("demo", "--seed", "3", "--instruction", instruction, "--out", str(tmp_path), ADDRESS)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("[demo] error:") and said in last


def test_the_suite_through_the_graph(tmp_path):
    report = tmp_path / "eval.json"
    done = _molmoact(
        "eval", "--suite", "tabletop", "--graph", "--episodes", "10", "--seed", "20400", "--json", str(report), ADDRESS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(report.read_text())
    summary = data["summary"]
    assert summary["episodes"] == len(data["cases"]) == 10
    # Two of every task, on a machine that may be busy, with a model that does about nine of ten.
    assert summary["successes"] >= 6 and summary["reached"] >= 5, done.stdout
    assert {f"success_rate_{task}" for task in ("pick", "bowl", "push", "stack", "beside")} <= set(summary)


def test_the_suite_in_process_with_a_page_of_its_failures(tmp_path):
    report, page = tmp_path / "eval.json", tmp_path / "eval.html"
    done = _molmoact("eval", "--suite", "tabletop", "--axis", "all", "--episodes", "5", "--seed", "20500",
                     "--json", str(report), "--html", str(page), "--video", ADDRESS)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(report.read_text())
    assert data["summary"]["episodes"] == 25 and "gap_language" in data["summary"]
    failures = [case for case in data["cases"] if not case["success"]]
    assert all(case["category"] for case in failures) and "pictures" not in data["cases"][0]
    text = page.read_text()
    assert text.count("<h3>") == len(failures) and ("data:image/jpeg" in text) == bool(failures)
    assert len(list((tmp_path / "eval").glob("*.mp4"))) == len(failures)
    assert not (tmp_path / "eval.json.partial").exists()
