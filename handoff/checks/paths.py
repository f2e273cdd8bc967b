"""Questions about arrows between names: what reaches what, which names form circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping

Arrow = tuple[str, str, str]
"""From, by, to."""


def reaching(onward: Mapping[str, Iterable[str]], goals: Iterable[str]) -> set[str]:
    """The names from which one of the goals is reached, the goals included."""
    before: dict[str, list[str]] = {}
    for source, dests in onward.items():
        for dest in dests:
            before.setdefault(dest, []).append(source)
    found = set(goals)
    waiting = deque(found)
    while waiting:
        for name in before.get(waiting.popleft(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def components(onward: Mapping[str, Collection[str]]) -> Iterator[frozenset[str]]:
    """The strongly connected components (Tarjan's way, without recursion); each name is in exactly one."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    stacked: set[str] = set()
    for root in onward:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(onward[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        stacked.add(root)
        while work:
            name, dests = work[-1]
            for dest in dests:
                if dest not in onward:
                    continue
                if dest not in index:
                    index[dest] = low[dest] = len(index)
                    stack.append(dest)
                    stacked.add(dest)
                    work.append((dest, iter(onward[dest])))
                    break
                if dest in stacked:
                    low[name] = min(low[name], index[dest])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    group: set[str] = set()
                    while name not in group:
                        group.add(stack.pop())
                    stacked -= group
                    yield frozenset(group)


def circle(start: str, arrows: Iterable[Arrow]) -> list[Arrow]:
    """The shortest way from a name back to itself, of which there is one."""
    onward: dict[str, list[Arrow]] = {}
    for arrow in arrows:
        onward.setdefault(arrow[0], []).append(arrow)
    came: dict[str, Arrow] = {}
    waiting = deque([start])
    while waiting:
        for arrow in onward.get(waiting.popleft(), ()):
            if arrow[2] in came:
                continue
            came[arrow[2]] = arrow
            if arrow[2] == start:
                found = [arrow]
                while found[-1][0] != start:
                    found.append(came[found[-1][0]])
                return found[::-1]
            waiting.append(arrow[2])
    return []
