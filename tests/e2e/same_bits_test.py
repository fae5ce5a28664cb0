"""The promise of the main job: the parameters are the same to the last bit whoever computed them.

Prints a table of SHA-256 sums: servers, workers, threads, connections, and a worker that was killed in
the middle of the run.
"""

import sys
import unittest

from ballast_run import EndToEnd

STEPS = 40


class SameBits(EndToEnd):
    def measure(self, name, *arguments, disturb=None):
        run = self.run_job(*arguments)
        if disturb:
            disturb(run)
        digest = self.sha256(run)
        restarts = run.last("end")["restarts"]
        print(f"{digest}  {name}{f' ({restarts} restarts)' if restarts else ''}", file=sys.stderr)
        return digest

    def test_every_way_to_compute_it_gives_the_same_parameters(self):
        def processes(servers, workers, **more):
            return self.set(servers__replicas=servers, workers__replicas=workers, **more)

        digests = {}

        def measure(name, *arguments, **options):
            digests[name] = self.measure(name, *arguments, **options)

        for servers, workers in [(1, 1), (2, 2), (3, 5)]:
            for threads in [1, 2, 4]:
                measure(f"{servers} servers, {workers} workers, {threads} threads",
                        *processes(servers, workers), "--threads", str(threads))
        for servers, replication in [(2, 1), (3, 1), (3, 3)]:
            measure(f"{servers} servers, 2 workers, replication {replication}",
                    *processes(servers, 2, servers__replication=replication))
        measure("2 servers, 2 workers, TCP with mTLS", *processes(2, 2), "--network", "tcp")
        measure("2 servers, 2 workers, TCP trusted", *processes(2, 2), "--network", "tcp-trusted",
                *self.set(network__trusted="true"))

        # Masks are drawn from counters, so that it does not matter who draws them, and when again.
        for servers, workers, threads, recompute in [(1, 1, 1, "false"), (2, 2, 2, "true"), (3, 5, 4, "false")]:
            measure(f"dropout, {servers} servers, {workers} workers, {threads} threads",
                    *processes(servers, workers, model__dropout="'0.1'", training__recompute=recompute),
                    "--threads", str(threads))

        def kill_a_worker(run):
            run.wait_for_step(5)
            run.kill("worker-1")
            run.wait_for_ready("worker-1")

        # Long enough to be still on its way when the worker is back, and compared with its like.
        long = [*processes(2, 2), *self.set(training__steps=400)]
        measure("400 steps, undisturbed", *long)
        measure("400 steps, worker killed", *long, disturb=kill_a_worker)

        dropout = {digest for name, digest in digests.items() if name.startswith("dropout")}
        self.assertEqual(len(dropout), 1, digests)
        short = {digest for name, digest in digests.items() if not name.startswith(("400", "dropout"))}
        self.assertEqual(len(short), 1, digests)
        self.assertFalse(dropout & short)  # it drops something
        self.assertEqual(digests["400 steps, undisturbed"], digests["400 steps, worker killed"])
        self.assertNotIn(digests["400 steps, undisturbed"], short)  # the check can fail


    def test_another_seed_gives_other_parameters(self):
        first = self.measure("seed 7", *self.set(training__steps=2))
        second = self.measure("seed 8", *self.set(training__steps=2, training__seed=8))
        self.assertNotEqual(first, second)


if __name__ == "__main__":
    unittest.main()
