from __future__ import annotations

import time

import pytest

from lth_bench.suite.source import line_of

TEXT = '''\
# a comment
top = 1
[table]
"quoted key" = 2
list = [
  1,
  # between
  2,
  [3,
   4],
]
text = """
[table.not]
"""
inner.deep = { a = 1, b = [ {c = 5} ] }

[[rows]]
x = 1
[[rows]]
x = 2
[rows.sub]
y = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("top",), 2),
        (("table",), 3),
        (("table", "quoted key"), 4),
        (("table", "list"), 5),
        (("table", "list", 0), 6),
        (("table", "list", 1), 8),
        (("table", "list", 2), 9),
        (("table", "list", 2, 1), 10),
        (("table", "inner", "deep", "b", 0, "c"), 15),
        (("rows", 0), 17),
        (("rows", 0, "x"), 18),
        (("rows", 1), 19),
        (("rows", 1, "sub", "y"), 22),
        (("rows", 1, "missing"), 19),
        (("table", "not"), 3),
        (("nowhere", 3), 1),
    ],
)
def test_line_of(path, line):
    assert line_of(TEXT, path) == line


def test_a_list_that_opens_on_the_line_of_its_key():
    assert line_of("a = [\n1,\n2]", ("a",)) == 1


def test_a_long_file_takes_no_noticeable_time():
    text = "\n".join(f"[[rows]]\nx = {i}\ny = [{i}, 2]" for i in range(2000))
    start = time.process_time()
    assert line_of(text, ("rows", 1500, "x")) == 4502
    assert time.process_time() - start < 5
