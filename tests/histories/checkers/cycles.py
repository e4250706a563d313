"""Shortest cycles in a graph whose edges have labels."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)
Graph = dict[Node, dict[Node, str]]


def components(graph: Graph[Node]) -> list[list[Node]]:
    """Strongly connected components of more than one node, by Tarjan's algorithm."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    on_stack: set[Node] = set()
    stack: list[Node] = []
    found: list[list[Node]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(graph.get(successor, ()))))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    members = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        members.append(member)
                        if member == node:
                            break
                    if len(members) > 1 or node in graph.get(node, {}):
                        found.append(members)
    return found


def shortest_cycle(graph: Graph[Node], members: Iterable[Node]) -> list[tuple[Node, str]]:
    """The shortest cycle in a component: each node with the label of the edge that leaves it."""
    inside = set(members)
    best: list[tuple[Node, str]] = []
    for start in inside:
        came: dict[Node, Node] = {}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            if start in graph.get(node, {}):
                path = [node]
                while path[-1] != start:
                    path.append(came[path[-1]])
                path.reverse()
                cycle = [(a, graph[a][b]) for a, b in zip(path, [*path[1:], start], strict=True)]
                if not best or len(cycle) < len(best):
                    best = cycle
                break
            for successor in graph.get(node, {}):
                if successor in inside and successor not in came and successor != start:
                    came[successor] = node
                    queue.append(successor)
    return best


def cycles(graph: Graph[Node]) -> list[list[tuple[Node, str]]]:
    """One shortest cycle of each component."""
    return [shortest_cycle(graph, members) for members in components(graph)]
