"""Huge pages are asked for where there are any, and what is in memory stays as it is."""

import mmap
from pathlib import Path

import pytest

from agent.generation.llama.pages import ask_for_huge_pages

LARGE = 64 * 2**20


def advised_bytes() -> int:
    """Of all mappings that the kernel was asked to keep in huge pages."""
    total = size = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first:
            start, end = (int(address, 16) for address in first.split("-"))
            size = end - start
        elif first == "VmFlags:" and "hg" in rest.split():
            total += size
    return total


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages on this system"
)
def test_large_memory_is_to_be_in_huge_pages_and_keeps_its_content() -> None:
    before = advised_bytes()
    with mmap.mmap(-1, LARGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as large:
        large[:5] = b"words"
        ask_for_huge_pages()
        assert advised_bytes() - before >= LARGE - 2 * 2 * 2**20  # all but its ragged ends
        assert large[:5] == b"words"
