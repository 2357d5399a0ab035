"""Put nodes into groups, in the graph's order, by the patterns of `roofline.fusion.patterns`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roofline.counting import LayerCount
from roofline.fusion.attention import find_attention, find_caches
from roofline.fusion.patterns import PLAIN_REDUCTIONS, TAKES_POINTWISE, Kind
from roofline.fusion.wiring import Wiring, size
from roofline.graph.nodes import Graph, Node


class Group:
    """Nodes that run as one kernel.

    Attributes:
        kind: kind of the node that started it.
        members: positions of its nodes.
        sources: storages that it reads from outside.
        made: storages that it makes.
        needs: other groups whose results it reads.
        first, last: smallest and largest position.
    """

    def __init__(self, kind: Kind, number: int) -> None:
        self.kind, self.number = kind, number
        self.members: list[int] = []
        self.sources: set[str] = set()
        self.made: set[str] = set()
        self.needs: set[Group] = set()
        self.first = self.last = -1

    def has(self, names: Iterable[str]) -> bool:
        """Whether every one of these tensors entered the group or was made in it."""
        return all(name in self.made or name in self.sources for name in names)


def find_groups(graph: Graph, layers: Sequence[LayerCount]) -> list[list[int]]:
    """Return groups of positions in `layers`, each in order, sorted by their first node.

    Every counted node of the main graph is in exactly one group; views and dequantisations are with what makes or
    reads them.
    """
    return _Grouper(Wiring(graph, layers)).run()


class _Grouper:
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._of: dict[int, Group] = {}
        self._groups: list[Group] = []
        self._waiting: dict[int, list[int]] = {}
        """Reduction -> pointwise nodes in front that only it reads."""
        self._sharing: dict[tuple[object, ...], Group] = {}

    def run(self) -> list[list[int]]:
        wiring = self._wiring
        attention = find_attention(wiring)
        caches = find_caches(wiring, {position for members in attention for position in members})
        planned = {position: members for members in (*attention, *caches) for position in members}
        of_cache = {members[0] for members in caches}
        started: dict[int, Group] = {}
        for position in wiring.active:
            kind = wiring.kinds[position]
            if position in planned:
                key = planned[position][0]
                if key not in started:
                    started[key] = self._new("concat" if key in of_cache else "attention")
                self._add(position, started[key])
            elif kind in ("view", "alias"):
                self._place_view(position)
            elif kind == "pointwise":
                self._place_pointwise(position)
            elif kind == "reduction":
                self._place_reduction(position)
            elif kind == "contraction":
                self._place_contraction(position)
            else:
                self._add(position, self._new(kind))
        return sorted((sorted(group.members) for group in self._groups if group.members), key=lambda m: m[0])

    def _new(self, kind: Kind) -> Group:
        group = Group(kind, len(self._groups))
        self._groups.append(group)
        return group

    def _add(self, position: int, group: Group) -> None:
        wiring = self._wiring
        self._of[position] = group
        group.members.append(position)
        group.first = position if group.first < 0 else min(group.first, position)
        group.last = max(group.last, position)
        if wiring.kinds[position] not in ("view", "alias"):
            group.made.update(t.name for t in wiring.node(position).results)
        for tensor in wiring.data_inputs(position):
            name = wiring.storage(tensor.name)
            if name in group.made:
                continue
            group.sources.add(name)
            maker = wiring.maker.get(name)
            other = self._of.get(maker) if maker is not None else None
            if other is not None and other is not group:
                group.needs.add(other)
            view = wiring.maker.get(tensor.name)
            if view is not None and view not in self._of and wiring.kinds[view] in ("view", "alias"):
                self._add(view, group)  # a view of a graph input: it goes with its first reader

    def _place_view(self, position: int) -> None:
        makers = self._wiring.makers_of(position)
        group = self._of.get(makers[0]) if makers else None
        if group is not None:
            self._add(position, group)

    def _place_pointwise(self, position: int) -> None:
        wiring = self._wiring
        node = wiring.node(position)
        reader = wiring.sole_reader(node.results[0].name) if len(node.results) == 1 else None
        if reader is not None and wiring.node(reader).op_type in PLAIN_REDUCTIONS and self._is_new_work(position):
            self._waiting.setdefault(reader, []).append(position)
            return
        group = self._one_pass(position) or self._producer(position, node)
        self._add(position, group or self._new("pointwise"))

    def _is_new_work(self, position: int) -> bool:
        """Whether what the node reads is used elsewhere too, so that it is better made again than written."""
        wiring = self._wiring
        return all(
            len(wiring.readers.get(t.name, ())) > 1 or t.name in wiring.inputs for t in wiring.data_inputs(position)
        )

    def _one_pass(self, position: int) -> Group | None:
        """Return the reduction's group that has everything the node reads, if there is one."""
        wiring = self._wiring
        names = [wiring.storage(t.name) for t in wiring.data_inputs(position)]
        for name in names:
            maker = wiring.maker.get(name)
            group = self._of.get(maker) if maker is not None else None
            is_reduction = group is not None and group.kind == "reduction" and name in group.made
            if group is not None and is_reduction and group.has(names):
                return group
        return None

    def _producer(self, position: int, node: Node) -> Group | None:
        """Return the latest group that makes an operand as large as the node's result and can take the node."""
        wiring = self._wiring
        wanted = size(node.results[0]) if node.results else -1
        makers = sorted(
            {
                maker
                for t in wiring.data_inputs(position)
                if size(t) == wanted and (maker := wiring.maker.get(wiring.storage(t.name))) is not None
            },
            reverse=True,
        )
        for maker in makers:
            group = self._of.get(maker)
            if group is not None and group.kind in TAKES_POINTWISE and not self._would_circle(position, group):
                return group
        return None

    def _would_circle(self, position: int, group: Group) -> bool:
        """Whether something that the node reads needs the group's own results."""
        others = {self._of[m] for m in self._wiring.makers_of(position) if m in self._of} - {group}
        seen: set[Group] = set()
        while others:
            other = others.pop()
            if other is group:
                return True
            if other.last > group.first and other not in seen:
                seen.add(other)
                others |= other.needs
        return False

    def _place_reduction(self, position: int) -> None:
        wiring = self._wiring
        front = self._waiting.pop(position, [])
        group = None
        if wiring.node(position).op_type in PLAIN_REDUCTIONS:
            group = self._one_pass(front[0] if front else position)
        group = group or self._new("reduction")
        for other in (*front, position):
            self._add(other, group)

    def _place_contraction(self, position: int) -> None:
        wiring = self._wiring
        node = wiring.node(position)
        group = None
        if wiring.is_constant_weight(position):
            weight = node.tensor(1).shape or ()
            window = weight[2:] if len(weight) > 2 else ()
            way = tuple(
                sorted((k, v) for k, v in node.attributes.items() if k != "activation" and not isinstance(v, float))
            )
            key = (wiring.storage(node.operands[0].name), node.domain, node.op_type, window, way)
            group = self._sharing.get(key)
            if group is None or node.attributes.get("group", 1) != 1:
                group = self._sharing[key] = self._new("contraction")
        self._add(position, group or self._new("contraction"))
