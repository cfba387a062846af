"""Parity: every case of a folder of golden data, through our code, compared with the reference implementation."""
