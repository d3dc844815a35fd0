"""The walk along associations."""

from selfmaker.sagemaker.lineage_query import Graph, _between


def graph(*pairs: str) -> Graph:
    made = Graph()
    for pair in pairs:
        edge = (pair[0], pair[1], "")
        made.outgoing.setdefault(pair[0], []).append(edge)
        made.incoming.setdefault(pair[1], []).append(edge)
    return made


def test_a_circle_ends():
    walk = graph("ab", "bc", "ca").walk("a", "Both", 10)
    assert walk.reached == {"a", "b", "c"} and len(walk.edges) == 3


def test_what_else_comes_of_an_ascendant_is_no_relative():
    assert graph("ab", "ac", "cd").walk("b", "Both", 10).reached == {"a", "b"}


def test_depth_counts_associations():
    chain = graph("ab", "bc", "cd")
    assert [chain.walk("a", "Descendants", depth).reached for depth in (0, 1, 2)] == [
        {"a"},
        {"a", "b"},
        {"a", "b", "c"},
    ]


def test_edges_to_what_was_not_sought_are_left_out():
    walk = graph("ab", "bc", "bd", "xb").walk("a", "Both", 10)
    assert _between({"a"}, {"c"}, walk.edges) == {("a", "b", ""), ("b", "c", "")}
