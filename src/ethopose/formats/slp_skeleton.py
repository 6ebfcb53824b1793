"""Skeletons as SLEAP writes them: a graph in the words of jsonpickle, nodes by number in a list of names."""

from collections.abc import Iterator
from typing import Any

from ethopose.core import Skeleton

_EDGE, _SYMMETRY = 1, 2


def to_graph(skeleton: Skeleton) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The graph, and the list of nodes that it counts in."""

    def links(pairs: tuple[tuple[int, int], ...], kind: int) -> Iterator[dict[str, Any]]:
        # the first link of a kind spells it, the others refer to it by its place among those spelled
        spelled = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [kind]}]}
        reference = {"py/id": kind if skeleton.edges else 1}
        for index, (source, target) in enumerate(pairs):
            number = {"edge_insert_idx": index} if kind == _EDGE else {}
            yield {
                **number,
                "key": 0,
                "source": source,
                "target": target,
                "type": reference if index else spelled,
            }

    graph = {
        "directed": True,
        "graph": {"name": skeleton.name, "num_edges_inserted": len(skeleton.edges)},
        "links": [*links(skeleton.edges, _EDGE), *links(skeleton.symmetries, _SYMMETRY)],
        "multigraph": True,
        "nodes": [{"id": index} for index in range(len(skeleton.keypoints))],
    }
    return graph, [{"name": name, "weight": 1.0} for name in skeleton.keypoints]


def from_graph(graph: dict[str, Any], nodes: list[dict[str, Any]]) -> Skeleton:
    """The skeleton of a graph; keypoints in the graph's order, which need not be that of `nodes`.

    Raises:
        LookupError, TypeError, ValueError, DataError: it is not such a graph.
    """
    graph = graph.get("nx_graph", graph)  # SLEAP 1.3.2 and later
    ids = [node["id"] for node in graph["nodes"]]
    pairs: dict[int, dict[tuple[int, int], None]] = {_EDGE: {}, _SYMMETRY: {}}
    spelled: list[int] = []
    for link in graph["links"]:
        kind = link["type"]
        if "py/reduce" in kind:
            spelled.append(kind["py/reduce"][1]["py/tuple"][0])
            number = spelled[-1]
        else:  # what was spelled elsewhere, in another skeleton, has the number of its kind
            number = dict(enumerate(spelled, start=1)).get(kind["py/id"], kind["py/id"])
        pair = (ids.index(link["source"]), ids.index(link["target"]))
        if number == _EDGE or pair[::-1] not in pairs[number]:  # old files tell a symmetry both ways
            pairs[number][pair] = None
    names = tuple(str(nodes[index]["name"]) for index in ids)
    name = graph["graph"].get("name") or Skeleton(names).name
    return Skeleton(names, tuple(pairs[_EDGE]), tuple(pairs[_SYMMETRY]), name=str(name))
