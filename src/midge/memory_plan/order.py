"""The order of the steps with the smallest peak of live memory.

Liberis and Lane (*Neural networks on microcontrollers: saving memory at inference via operator
reordering*, arXiv:1910.05110) and Ahn et al. (*Ordering Chaos*, SERENITY, arXiv:2003.02369) find it
by dynamic programming over the sets of steps already run: what is alive depends on that set alone,
not on the order within it. This module does the same from the other end: a beam search gives a
first peak, and a depth-first search over the sets then asks for a smaller one until there is none.
Sets from which nothing below the limit can follow are remembered; as the limit only falls, they
stay dead. Further:

* The cost of a slot is its lower bound with overlaps (`bound`), not the plain sum.
* A step that stays below the limit and leaves no more alive than before is run at once. This is
  safe: take any continuation below the limit and pull that step to its front. In every slot that it
  now precedes, its outputs are alive in addition, but the inputs that it freed are not, which are
  no fewer bytes; and no other step loses a dying input, because a step pulled forward can only make
  others the last reader. So no slot grows.
* The search ends at once at a peak that some step needs by itself.

Beyond `MAX_STATES` dead sets the best order so far is taken. All is deterministic. An order is only
changed for a smaller peak, and then swapped back towards the file's as far as that peak allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from midge.memory_plan.bound import saving_bound
from midge.memory_plan.network import Network

MAX_STATES = 6_000
BEAM_WIDTH = 16


class _State(NamedTuple):
    """Steps already run (a bit set), those that can run next, and the bytes alive between slots."""

    done: int
    ready: int
    live: int


def peak_bound(network: Network, order: tuple[int, ...]) -> int:
    """Return the lower bound of the arena for one order: its largest slot, in bytes."""
    search = _Search(network)
    state = search.start()
    peak = network.input_bytes
    for step in order:
        cost, live = search.cost(state, step)
        peak = max(peak, cost)
        state = search.advance(state, step, live)
    return peak


def best_order(network: Network) -> tuple[int, ...]:
    """Return the order with the smallest peak, the file order if no other one is smaller."""
    file_order = tuple(range(len(network.steps)))
    search = _Search(network)
    peak = peak_bound(network, file_order)
    floor = search.floor()
    if peak == floor:
        return file_order
    order = search.beam(floor, peak) or list(file_order)
    order = search.improve(floor, order, peak_bound(network, tuple(order)))
    best = peak_bound(network, tuple(order))
    return search.towards_file_order(order, best) if best < peak else file_order


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class _Search:
    def __init__(self, network: Network) -> None:
        count = len(network.steps)
        self._network = network
        self._all = (1 << count) - 1
        self._born = [sum(network.sizes[s] for s in step.births) for step in network.steps]
        self._scratch = [step.scratch_bytes for step in network.steps]
        self._after = [step.after for step in network.steps]
        self._followers = [
            [v for v, other in enumerate(network.steps) if other.after >> u & 1]
            for u in range(count)
        ]
        # A persistent storage waits for a step that never comes.
        readers = [s.readers | s.persistent << count for s in network.storages]
        self._touched = [
            [(readers[s], network.sizes[s]) for s in step.reads + step.births]
            for step in network.steps
        ]
        self._pairs = [
            [(readers[pair.input], pair) for pair in step.pairs] for step in network.steps
        ]
        self._savings: dict[tuple[int, ...], int] = {}

    def start(self) -> _State:
        """Return the state after slot 0: inputs that nobody reads are gone."""
        network = self._network
        live = sum(
            s.padded_bytes
            for i, s in enumerate(network.storages)
            if s.producer < 0 and not network.dies(i, 0)
        )
        ready = sum(1 << u for u, after in enumerate(self._after) if not after)
        return _State(0, ready, live)

    def cost(self, state: _State, step: int) -> tuple[int, int]:
        """Return the bound of the slot that runs `step`, and the bytes alive after it."""
        left = ~(state.done | 1 << step)
        live = state.live + self._born[step]
        slot = live + self._scratch[step]
        if self._pairs[step]:
            slot -= self._saving(step, left)
        for readers, size in self._touched[step]:
            if not readers & left:
                live -= size
        return slot, live

    def _saving(self, step: int, left: int) -> int:
        """Return what overlaps save in `step` while the steps in `left` are still to run."""
        dying = [pair for readers, pair in self._pairs[step] if not readers & left]
        key = step, *(pair.input for pair in dying)
        known = self._savings.get(key)
        if known is None:
            known = self._savings[key] = saving_bound(dying, self._network.sizes)
        return known

    def advance(self, state: _State, step: int, live: int) -> _State:
        done = state.done | 1 << step
        ready = state.ready & ~(1 << step)
        for follower in self._followers[step]:
            if not self._after[follower] & ~done:
                ready |= 1 << follower
        return _State(done, ready, live)

    def floor(self) -> int:
        """Return a peak that no order can avoid: what each step needs by itself."""
        network = self._network
        kept_inputs = {i for i, s in enumerate(network.storages) if s.producer < 0 and s.persistent}
        floor = network.input_bytes
        for u, step in enumerate(network.steps):
            alive = kept_inputs.union(step.reads, step.births)
            total = sum(network.sizes[s] for s in alive) + step.scratch_bytes
            floor = max(floor, total - self._saving(u, 1 << len(self._after)))
        return floor

    def _settle(self, state: _State, peak: int) -> tuple[_State, list[int]]:
        """Run every step that is safe to run at once; return the new state and those steps."""
        settled: list[int] = []
        progress = True
        while progress:
            progress = False
            for step in _bits(state.ready):
                cost, live = self.cost(state, step)
                if cost <= peak and live <= state.live:
                    state = self.advance(state, step, live)
                    settled.append(step)
                    progress = True
                    break
        return state, settled

    def improve(self, floor: int, order: list[int], peak: int) -> list[int]:
        """Return the best order found by descending below `peak` again and again.

        Args:
            floor: Nothing below it is looked for.
            order: What is known so far; its peak is `peak`.
            peak: Bytes.
        """
        # No order below an earlier limit starts with these sets, so none below a lower one does.
        dead: set[int] = set()
        while peak > floor:
            found = self._descend(peak, dead)
            if found is None:
                break
            order = found
            peak = peak_bound(self._network, tuple(order))
        return order

    def _descend(self, limit: int, dead: set[int]) -> list[int] | None:
        """Return an order with a peak below `limit`; None if there is none or it is too much work.

        Depth first, least memory first. `dead` collects the sets that no such order starts with.
        """
        state, settled = self._settle(self.start(), limit - 1)
        path = [settled]
        branches = [self._branches(state, limit)]
        states = [state]
        while branches:
            if states[-1].done == self._all:
                return [step for steps in path for step in steps]
            step_to = next(branches[-1], None)
            if step_to is None:
                dead.add(states[-1].done)
                branches.pop()
                states.pop()
                path.pop()
                continue
            steps, state = step_to
            if state.done in dead:
                continue
            if len(dead) > MAX_STATES:
                return None
            states.append(state)
            path.append(steps)
            branches.append(self._branches(state, limit))
        return None

    def _branches(self, state: _State, limit: int) -> Iterator[tuple[list[int], _State]]:
        """Yield what can follow a state below `limit`, the least bytes alive first."""
        found = []
        for step in _bits(state.ready):
            cost, live = self.cost(state, step)
            if cost < limit:
                following, settled = self._settle(self.advance(state, step, live), limit - 1)
                found.append(
                    (following.live, -following.done.bit_count(), step, settled, following)
                )
        found.sort(key=lambda entry: entry[:3])
        return iter([([step, *settled], following) for *_, step, settled, following in found])

    def beam(self, floor: int, limit: int) -> list[int]:
        """Return a good order with a peak below `limit` among `BEAM_WIDTH` at a time, or []."""
        start, settled = self._settle(self.start(), floor)
        frontier = {start.done: (floor, start, settled)}
        while self._all not in frontier:
            following: dict[int, tuple[int, _State, list[int]]] = {}
            for peak, state, order in frontier.values():
                for step in _bits(state.ready):
                    cost, after = self.cost(state, step)
                    higher = max(peak, cost)
                    if higher >= limit:
                        continue
                    state2, settled = self._settle(self.advance(state, step, after), higher)
                    known = following.get(state2.done)
                    if known is None or higher < known[0]:
                        following[state2.done] = (higher, state2, [*order, step, *settled])
            if not following:
                return []
            # Sets of different sizes compete: the further one got, the better for the same peak.
            best = sorted(
                following.items(),
                key=lambda item: (item[1][0], item[1][1].live, -item[0].bit_count(), item[0]),
            )
            frontier = dict(best[:BEAM_WIDTH])
        return frontier[self._all][2]

    def towards_file_order(self, order: list[int], peak: int) -> tuple[int, ...]:
        """Swap neighbours back into file order wherever the peak and the data flow allow it."""
        order = list(order)
        swapped = True
        while swapped:
            swapped = False
            state = self.start()
            for k in range(len(order)):
                if (
                    k + 1 < len(order)
                    and order[k + 1] < order[k]
                    and state.ready >> order[k + 1] & 1
                ):
                    first, second = order[k + 1], order[k]
                    cost1, live1 = self.cost(state, first)
                    cost2, _ = self.cost(self.advance(state, first, live1), second)
                    if max(cost1, cost2) <= peak:
                        order[k], order[k + 1] = first, second
                        swapped = True
                _, live = self.cost(state, order[k])
                state = self.advance(state, order[k], live)
        return tuple(order)
