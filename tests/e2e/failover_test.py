"""Any one process is lost while a job trains, by kill -9 or by falling silent: the run goes on, no step is lost
or repeated, and the parameters are those of a run that nobody disturbed.

Prints how long no step was committed around each loss.
"""

import contextlib
import os
import signal
import sys
import unittest

from ballast_run import EndToEnd, gone


class Failover(EndToEnd):
    """What the tests have in common; each says how many servers there are."""

    def job(self, **more):
        return self.set(**{**self.ANY_LENGTH, "servers__replicas": self.servers, "servers__replication": 2, **more})

    def coordinator(self, run):
        return run.last("appointed")["coordinator"]

    def another_server(self, run):
        names = [f"ps-{i}" for i in range(self.servers)]
        return next(name for name in names if name != self.coordinator(run))

    def wait_until_whole(self, run, process, since):
        """Since that event its name has a new life, and every segment has all its replicas again. Where the other
        servers are enough, the replicas are whole before the new life has begun."""
        def whole(_):
            events = run.events[since:]
            alive = any(e["event"] == "ready" and e["process"] == process for e in events)
            replicas = [e["event"] for e in events if e["event"] in ("degraded", "whole")]
            return alive and replicas[-1:] == ["whole"]
        run.wait_for(f"a whole job with a new {process}", whole)

    def check(self, run, what):
        made, digest = self.stopped(run)
        end = run.last("interrupted")
        steps = [e["step"] for e in run.events if e["event"] == "progress" and "step" in e]
        self.assertEqual(steps, sorted(steps), "no step is repeated")
        self.assertEqual(digest, self.undisturbed(made), what)
        print(f"{self.servers} servers, {what}: {end['losses']} lost, "
              f"at most {end['longestStallMs']} ms without a committed step", file=sys.stderr)

    def kill(self, run, process):
        """kill -9, and until nothing shows of it any more."""
        run.ready(process)
        since = len(run.events)
        run.kill(process)
        if process.startswith("ps-"):
            self.wait_until_whole(run, process, since)
        else:
            run.wait_for_ready(process)
        run.wait_for_steps(5)

    def pause(self, run, process):
        pid = run.ready(process)["pid"]
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(self.resume, pid)
        return pid

    def resume(self, pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def pause_a_server(self, run, process):
        """It is removed, and when it comes back it is refused and ends by itself; its name gets a new life."""
        run.ready(process)
        since = len(run.events)
        pid = self.pause(run, process)
        run.wait_for("its removal", lambda e: e["event"] == "removed" and e["process"] == process)
        self.resume(pid)
        ended = run.wait_for("its end", lambda e: e["event"] == "ended" and e["process"] == process)
        self.assertEqual((ended["code"], ended["signal"], ended["wanted"]), (1, 0, False))
        self.wait_until_whole(run, process, since)


class Servers:
    """With as few servers as replicas, and with one more: then the others are enough to be whole again."""

    def test_kill_of_a_server(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.kill(run, self.another_server(run))
        self.check(run, "a server killed")

    def test_kill_of_the_coordinator(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        lost = self.coordinator(run)
        self.kill(run, lost)
        self.assertNotEqual(self.coordinator(run), lost)
        self.check(run, "the coordinator killed")


class TwoServers(Servers, Failover):
    servers = 2

    def test_kill_of_a_worker(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.kill(run, "worker-1")
        self.check(run, "a worker killed")

    def test_a_server_that_falls_silent(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.pause_a_server(run, self.another_server(run))
        self.check(run, "a server paused")

    def test_a_server_that_never_comes_back_is_ended(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        lost = self.another_server(run)
        pid = self.pause(run, lost)
        run.wait_for("its end", lambda e: e["event"] == "ended" and e["process"] == lost)
        self.assertTrue(gone(pid))
        run.wait_for_ready(lost)
        self.check(run, "a server paused for good")

    def test_a_worker_that_falls_silent_works_again_when_it_comes_back(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        pid = self.pause(run, "worker-0")
        run.wait_for("one worker", lambda e: e["event"] == "progress" and e.get("workers") == 1)
        self.resume(pid)
        run.wait_for("two workers", lambda e: e["event"] == "progress" and e.get("workers") == 2)
        self.check(run, "a worker paused")


class ThreeServers(Servers, Failover):
    servers = 3

    def test_one_after_the_other(self):
        run = self.run_job(*self.job())
        run.wait_for_step(5)
        for _ in range(2):
            self.kill(run, self.another_server(run))
            self.kill(run, "worker-0")
            self.kill(run, self.coordinator(run))
        self.check(run, "six kills one after the other")

    def test_a_coordinator_that_falls_silent(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        lost = self.coordinator(run)
        self.pause_a_server(run, lost)
        self.assertNotEqual(self.coordinator(run), lost)
        self.check(run, "the coordinator paused")


if __name__ == "__main__":
    unittest.main()
