# Every target sets up what it needs; nothing has to be installed or activated before.
SHELL := /bin/bash
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev build demo weights test test-slow clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 20

setup:  ## what the cell needs, as far as it is missing: Debian libraries, venv, pinned packages, colcon build
	@tools/setup.sh cell

setup-dev:  ## the same, and what trains, exports and tests: torch, onnx, pytest
	@tools/setup.sh dev

build: setup  ## the same: the colcon build is a part of the setup

demo: setup  ## run the simulated cell with an instruction: make demo ARGS="--instruction '…' --seed 3"
	@.venv/bin/molmoact demo $(ARGS)

weights: setup-dev  ## the embedded model from nothing into runs/tabletop: hours; interrupted it goes on
	@.venv/bin/molmoact train embedded --preset tabletop_first --output runs/tabletop_first --resume
	@.venv/bin/molmoact train embedded --preset tabletop --output runs/tabletop --resume

test: setup-dev  ## everything but the slow tests: make test ARGS="tests/unit -x"
	@$(PYTHON) -m pytest -m "not slow" --durations=10 $(ARGS)

test-slow: setup-dev  ## the slow tests alone
	@$(PYTHON) -m pytest -m slow --durations=10 $(ARGS)

clean:  ## remove all that make has made, except runs/
	rm -rf .venv ros2_ws/build ros2_ws/install ros2_ws/log molmoact_ros.egg-info build .pytest_cache .hypothesis .ruff_cache
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
