"""Reasoning: from a frame and an instruction to a plan, or to a refusal with a name."""
