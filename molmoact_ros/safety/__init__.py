"""The supervisor: judges every command before the arm sees it. It can only tighten."""
