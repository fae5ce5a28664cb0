"""The four dashboards. Each panel answers one question; its description says what a good answer looks like."""

from parts import OF_JOB, OF_OPERATOR, Page, query

J = OF_JOB
COORDINATOR = f"ballast_coordinator{{{J}}} == 1"
BY_JOB = "by (namespace, trainingjob)"


def of_coordinator(metric):
    """A gauge of the coordinator alone: others keep what they last knew."""
    return f"max {BY_JOB} ({metric}{{{J}}} and on (namespace, pod) ({COORDINATOR}))"


def rate(metric, by="", more=""):
    return f"sum {by} (rate({metric}{{{J}{more}}}[$__rate_interval]))"


# The shares of workers' time.
PARTS = (f"sum by (part) (rate(ballast_worker_time_seconds_total{{{J}}}[$__rate_interval])) / on () group_left () "
         f"sum(rate(ballast_worker_time_seconds_total{{{J}}}[$__rate_interval]))")


def jobs():
    page = Page("ballast-jobs", "Ballast / Jobs", "All TrainingJobs: who trains, how fast, and who is in trouble.",
                "ballast_process_info")
    name = "{{namespace}}/{{trainingjob}}"
    page.number("Jobs that train", "Jobs that committed a step in the last minutes.", "short",
                query(f"count(sum {BY_JOB} (rate(ballast_steps_total{{{J}}}[$__rate_interval])) > 0) or vector(0)"))
    page.number("Tokens", "Tokens trained a second, over all jobs.", "short",
                query(rate("ballast_tokens_total")))
    page.number("Workers", "Workers that belong to a job now.", "short", query(f"sum(ballast_worker_joined{{{J}}})"))
    page.number("Servers", "Servers that answer.", "short", query(f"count(ballast_segments{{{J}}})"))
    page.number("Skipped steps", "Steps of the last hour whose gradient was not finite. 0 is good.", "short",
                query(f"sum(increase(ballast_skipped_steps_total{{{J}}}[1h]))"), red_above=1)
    page.number("New terms", "Times in the last hour that another coordinator was appointed. 0 is good.", "short",
                query(f"sum(max {BY_JOB} (ballast_term{{{J}}}) - min {BY_JOB} (ballast_term{{{J}}} offset 1h))"
                      " or vector(0)"), red_above=1)
    page.lines("Tokens a second", "Each job's speed. A fall is a loss, a move, or a slow worker.", "short",
               query(rate("ballast_tokens_total", BY_JOB), name), width=12, least=0)
    page.lines("Goodput", "Tokens that went into the parameters, of those that workers computed. 100 % is good; less "
               "is work that was given up or done twice.", "percentunit",
               query(f"{rate('ballast_tokens_total', BY_JOB)} / {rate('ballast_worker_tokens_total', BY_JOB)}", name),
               width=12, least=0)
    page.lines("Steps", "Committed steps of each job. A line that is flat stands still.", "short",
               query(f"max {BY_JOB} (ballast_step{{{J}}})", name), width=12)
    page.lines("Processes", "Servers and workers of each job that answer.", "short",
               query(f"count by (namespace, trainingjob, role) (ballast_process_info{{{J}}})",
                     name + " {{role}}"), width=12, least=0)
    page.lines("Starts", "Processes that were started in the last ten minutes. Many are restarts.", "short",
               query(f"count {BY_JOB} (time() - process_start_time_seconds{{{J}}} < 600)", name), width=12, least=0)
    page.lines("Memory", "Resident memory of each job's processes.", "bytes",
               query(f"sum {BY_JOB} (process_resident_memory_bytes{{{J}}})", name), width=12, least=0)
    return page


def job():
    page = Page("ballast-job", "Ballast / Job", "One job, for the person who trains: is it healthy, how fast is it, "
                "and what limits it.", "ballast_process_info")
    page.events("another coordinator", f"changes(max {BY_JOB} (ballast_term{{{J}}})[2m:]) > 0", "orange")
    page.events("skipped step", f"sum {BY_JOB} (increase(ballast_skipped_steps_total{{{J}}}[2m])) > 0", "red")
    step = f"max(ballast_step{{{J}}})"
    target = f"max(ballast_target_steps{{{J}}})"
    speed = f"sum(rate(ballast_steps_total{{{J}}}[$__rate_interval]))"
    degraded = f"(max({of_coordinator('ballast_degraded')}) or vector(0))"
    still = f"(2 * ({speed} == bool 0) or vector(2))"
    page.word("Health", "Trains: steps are committed, and every segment has its replicas. Degraded: it trains, and one "
              "more loss could cost steps. Stands still: no step was committed in the last minutes.",
              query(f"{still} > {degraded} or {degraded}"),
              [("Trains", "green"), ("Degraded", "orange"), ("Stands still", "red")], width=3)
    page.number("Tokens a second", "Tokens that went into the parameters.", "short",
                query(rate("ballast_tokens_total")), width=3)
    page.largest("Limited by", "What takes most of the workers' time. compute: as it should be. wait: uneven shares, a "
                 "slow worker or a slow server. push, pull: the network, or busy servers.", "percentunit",
                 query(f"topk(1, {PARTS})", "{{part}}"), width=3)
    page.number("Loss", "Mean over the tokens of the last step, in nats.", "short",
                query(f"max({of_coordinator('ballast_training_loss')})"), width=3, decimals=4)
    page.number("Step", "Steps committed.", "short", query(step), width=3)
    page.number("Done", "Of the steps that the job is to have.", "percentunit", query(f"{step} / {target}"), width=3)
    page.number("Time left", "At the present speed.", "s", query(f"({target} - {step}) / ({speed} > 0)"), width=3)
    page.number("Skipped steps", "Of the last hour, for a gradient that was not finite. 0 is good.", "short",
                query(f"sum(increase(ballast_skipped_steps_total{{{J}}}[1h]))"), width=3, red_above=1)
    page.row("Learning")
    page.lines("Loss", "Of training, and of the text that training never sees. Both should fall; the second rises "
               "where the model learns by heart.", "short",
               query(of_coordinator("ballast_training_loss"), "training"),
               query(f"{of_coordinator('ballast_validation_loss')} > 0", "validation"), width=12)
    page.lines("Gradient norm", "Before clipping. Spikes tell of a learning rate that is too high, or of odd text.",
               "short", query(of_coordinator("ballast_gradient_norm"), "norm"), width=6, least=0)
    page.lines("Learning rate", "As the schedule has it.", "sci",
               query(of_coordinator("ballast_learning_rate"), "rate"), width=6, least=0)
    page.row("Speed, and what limits it")
    page.lines("Tokens a second", "The job's speed.", "short", query(rate("ballast_tokens_total"), "tokens"), width=8,
               least=0)
    page.lines("Where workers' time goes", "Computing is good. Waiting for others: uneven shares, or a slow server. "
               "Push and pull: the network, or busy servers.", "percentunit",
               query(PARTS, "{{part}}"), width=8, stack=True, least=0)
    page.lines("Busiest server", "Share of its time in which a server's loop or optimizer has work. Above 80 % it "
               "holds workers up.", "percentunit",
               query(f"max(rate(ballast_busy_seconds_total{{{J}}}[$__rate_interval]))", "busiest"),
               query(f"avg(rate(ballast_busy_seconds_total{{{J}}}[$__rate_interval]))", "mean"), width=8, least=0)
    page.row("Health")
    page.lines("Processes", "Servers that answer, and workers that belong to the job.", "short",
               query(f"count(ballast_segments{{{J}}})", "servers"),
               query(f"sum(ballast_worker_joined{{{J}}})", "workers"), width=8, least=0)
    page.lines("Term", "Rises when another coordinator is appointed.", "short",
               query(f"max(ballast_term{{{J}}})", "term"), width=8)
    page.lines("Given up and refused", "Microbatches whose step was over, and messages that were refused. Some after a "
               "loss are ordinary.", "short",
               query(rate("ballast_worker_abandoned_microbatches_total"), "given up"),
               query(rate("ballast_refused_requests_total"), "refused"), width=8, least=0)
    return page


def servers_and_workers():
    page = Page("ballast-servers-and-workers", "Ballast / Servers and workers",
                "Each process of a job: load, balance, latency, memory.", "ballast_process_info")
    page.row("Balance")
    page.lines("Microbatches of each worker", "What each has of a step. In balance, all wait alike.", "short",
               query(f"ballast_worker_assigned_microbatches{{{J}}}", "{{pod}}"), width=8, least=0)
    page.lines("Speed of each worker", "Microbatches a second of computing. One far below the others is a straggler.",
               "short", query(f"ballast:worker_speed:rate2m{{{J}}}", "{{pod}}"), width=8, least=0)
    page.lines("Waiting of each worker", "Share of its time in which it waits for others. The slowest waits the least.",
               "percentunit",
               query(f'sum by (pod) (rate(ballast_worker_time_seconds_total{{{J}, part="wait"}}[$__rate_interval]))',
                     "{{pod}}"), width=8, least=0)
    page.lines("Load of each server", "Share of the time in which its loop or its optimizer has work.", "percentunit",
               query(f"rate(ballast_busy_seconds_total{{{J}}}[$__rate_interval])", "{{pod}}"), width=8, least=0)
    page.lines("Segments of each server", "Replicas that it holds.", "short",
               query(f"ballast_segments{{{J}}}", "{{pod}}"), width=8, least=0)
    page.lines("Primaries of each server", "Segments that workers push to it and pull from it.", "short",
               query(f"ballast_primary_segments{{{J}}}", "{{pod}}"), width=8, least=0)
    page.row("Latency")
    for metric, title, what in (
            ("ballast_worker_step_seconds", "Step", "From one work to the next. Two bands: some steps wait."),
            ("ballast_worker_push_seconds", "Push", "From sending a piece until it is acknowledged."),
            ("ballast_worker_pull_seconds", "Pull", "From asking for a piece until it has arrived."),
            ("ballast_push_handling_seconds", "Push, in the server", "From its arrival until its answer."),
            ("ballast_pull_handling_seconds", "Pull, in the server", "From its arrival until its answer."),
            ("ballast_apply_seconds", "Optimizer", "Of one segment.")):
        page.heat(title, what, f"sum by (le) (increase({metric}_bucket{{{J}}}[$__rate_interval]))")
    page.row("Network")
    page.lines("Received by servers", "Bytes of messages.", "Bps",
               query(f"rate(ballast_transport_received_bytes_total{{{J}}}[$__rate_interval])", "{{pod}}"), least=0)
    page.lines("Sent by servers", "Bytes of messages.", "Bps",
               query(f"rate(ballast_transport_sent_bytes_total{{{J}}}[$__rate_interval])", "{{pod}}"), least=0)
    page.lines("Queues of servers", "Bytes that wait to be sent. They should come and go.", "bytes",
               query(f"ballast_transport_queued_bytes{{{J}}}", "{{pod}}"), least=0)
    page.lines("Pushed by workers", "Bytes of gradients that were acknowledged.", "Bps",
               query(f"rate(ballast_worker_pushed_bytes_total{{{J}}}[$__rate_interval])", "{{pod}}"), least=0)
    page.lines("Pulled by workers", "Bytes of parameters.", "Bps",
               query(f"rate(ballast_worker_pulled_bytes_total{{{J}}}[$__rate_interval])", "{{pod}}"), least=0)
    page.lines("Events that wait", "In each server's loop. A number that stays high means that it cannot keep up.",
               "short", query(f"ballast_inbox_events{{{J}}}", "{{pod}}"), least=0)
    page.row("Memory and CPU")
    page.lines("Memory", "Resident.", "bytes", query(f"process_resident_memory_bytes{{{J}}}", "{{pod}}"), least=0)
    page.lines("CPU", "Cores that each process uses.", "short",
               query(f"rate(process_cpu_seconds_total{{{J}}}[$__rate_interval])", "{{pod}}"), least=0)
    page.lines("Planned memory", "What workers reserved at their start, by what it holds.", "bytes",
               query(f"sum by (holds) (ballast_worker_planned_bytes{{{J}}})", "{{holds}}"), stack=True, least=0)
    return page


def operator():
    page = Page("ballast-operator", "Ballast / Operator", "The operator: is it in charge, and does it keep up?",
                "leader_election_master_status", job_variables=False)
    o = OF_OPERATOR
    page.number("Leaders", "Operators that lead. 1 is good.", "short",
                query(f"sum(leader_election_master_status{{{o}}})"))
    page.number("Reconciles a second", "Turns of jobs.", "short",
                query(f"sum(rate(controller_runtime_reconcile_total{{{o}}}[$__rate_interval]))"))
    page.number("Failed", "Share of the turns that failed. 0 is good.", "percentunit",
                query(f"sum(rate(controller_runtime_reconcile_errors_total{{{o}}}[$__rate_interval])) / "
                      f"sum(rate(controller_runtime_reconcile_total{{{o}}}[$__rate_interval]))"), red_above=0.05)
    page.number("Waiting jobs", "Jobs that wait for their turn.", "short", query(f"sum(workqueue_depth{{{o}}})"))
    page.number("API requests a second", "To the API server.", "short",
                query(f"sum(rate(rest_client_requests_total{{{o}}}[$__rate_interval]))"))
    page.number("Refused a second", "Answers of the API server but success, what is not there, and lost "
                "compare-and-swaps. 0 is good.", "short",
                query(f'sum(rate(rest_client_requests_total{{{o}, code!~"2..|404|409"}}[$__rate_interval])) '
                      "or vector(0)"))
    page.lines("Reconciles", "Turns by how they ended.", "short",
               query(f"sum by (result) (rate(controller_runtime_reconcile_total{{{o}}}[$__rate_interval]))",
                     "{{result}}"), least=0)
    page.heat("Duration of a turn", "A turn waits for the API server alone.",
              f"sum by (le) (increase(controller_runtime_reconcile_time_seconds_bucket{{{o}}}[$__rate_interval]))")
    page.heat("Time in the queue", "From the moment that something changed until the job's turn begins.",
              f"sum by (le) (increase(workqueue_queue_duration_seconds_bucket{{{o}}}[$__rate_interval]))")
    page.lines("API requests", "By method and answer. 409 is a lost compare-and-swap, and ordinary.", "short",
               query(f"sum by (method, code) (rate(rest_client_requests_total{{{o}}}[$__rate_interval]))",
                     "{{method}} {{code}}"), least=0)
    page.lines("Leader", "Who leads; one at a time.", "short",
               query(f"leader_election_master_status{{{o}}}", "{{pod}}"), least=0)
    page.lines("Queue", "Jobs that wait for their turn.", "short",
               query(f"sum by (name) (workqueue_depth{{{o}}})", "{{name}}"), least=0)
    page.row("Decisions of policies")
    page.lines("Changes", "What policies changed, and why. A policy that changes again and again does not settle.",
               "short",
               query('sum by (policy, reason) (increase(ballast_policy_decisions_total'
                     f'{{{o}, action="change"}}[$__rate_interval]))', "{{policy}} {{reason}}"), least=0)
    page.lines("Told and recommended", "What policies would change if they were let, and what they tell of.", "short",
               query('sum by (policy, reason) (rate(ballast_policy_decisions_total'
                     f'{{{o}, action=~"tell|recommend"}}[$__rate_interval]))', "{{policy}} {{reason}}"), least=0)
    page.lines("Holding still", "Why, as a share of the times that policies were asked. Samples that are partial, "
               "stale or contradictory should be rare.", "percentunit",
               query('sum by (reason) (rate(ballast_policy_decisions_total'
                     f'{{{o}, action="hold"}}[$__rate_interval])) / on () group_left () '
                     f'sum(rate(ballast_policy_decisions_total{{{o}}}[$__rate_interval]))', "{{reason}}"),
               stack=True, least=0)
    return page


PAGES = {"jobs": jobs, "job": job, "servers-and-workers": servers_and_workers, "operator": operator}
