"""Figures of chaos: how long no step was committed around each loss, beside what is to be reached."""

LOCAL_REACH_MS = {"worker kill": 500, "server kill": 1000, "coordinator kill": 2000}


def percentile(values, share):
    """The smallest value that is not below that share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Stalls:
    """Milliseconds by kind of loss, as "server kill"."""

    def __init__(self):
        self.of = {}

    def add(self, kind, milliseconds):
        self.of.setdefault(kind, []).append(milliseconds)

    def merge(self, other):
        for kind, times in other.of.items():
            self.of.setdefault(kind, []).extend(times)

    def lines(self, reach):
        for kind, times in sorted(self.of.items()):
            p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
            to_reach = ""
            if kind in reach:
                to_reach = f"  (reach: p99 {reach[kind]} ms{'' if p99 <= reach[kind] else '; NOT REACHED'})"
            yield (f"{kind:18} {len(times):3} times  p50 {p50:.0f} ms  p99 {p99:.0f} ms  "
                   f"longest {max(times):.0f} ms{to_reach}")
