"""A test of the check: each difference between page and process is told, and equal ones pass."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import metrics_documentation as subject  # noqa: E402

PAGE = """
## Every process
| Name | Type | Labels | Meaning |
| --- | --- | --- | --- |
| `ballast_build_info` | gauge | `version` | 1 |
## ballast-ps
| `ballast_steps_total` | counter | | steps |
| `ballast_push_duration_seconds` | histogram | `encoding` | time of a push |
"""
EXPOSED = """# HELP ballast_build_info 1.
# TYPE ballast_build_info gauge
ballast_build_info{version="1"} 1
# HELP ballast_steps_total Steps.
# TYPE ballast_steps_total counter
ballast_steps_total 3
# HELP ballast_push_duration_seconds Time of a push.
# TYPE ballast_push_duration_seconds histogram
ballast_push_duration_seconds_bucket{encoding="dense",le="0.1"} 1
ballast_push_duration_seconds_bucket{encoding="dense",le="+Inf"} 1
ballast_push_duration_seconds_sum{encoding="dense"} 0.05
ballast_push_duration_seconds_count{encoding="dense"} 1
"""


class MetricsDocumentationTest(unittest.TestCase):
    def problems(self, page, exposed, program="ballast-ps"):
        return list(subject.check(page, {program: exposed}))

    def assert_told(self, problems, *parts):
        self.assertTrue(any(all(part in problem for part in parts) for problem in problems), problems)

    def test_equal_ones_pass(self):
        self.assertEqual(self.problems(PAGE, EXPOSED), [])

    def test_what_is_not_on_the_page_is_told(self):
        more = EXPOSED + "# HELP ballast_new_total New.\n# TYPE ballast_new_total counter\nballast_new_total 1\n"
        self.assert_told(self.problems(PAGE, more), "ballast_new_total", "does not list")

    def test_what_is_not_exposed_is_told(self):
        page = PAGE + "| `ballast_old_total` | counter | | gone |\n"
        self.assert_told(self.problems(page, EXPOSED), "ballast_old_total", "not exposed")

    def test_another_type_is_told(self):
        page = PAGE.replace("`ballast_build_info` | gauge", "`ballast_build_info` | counter")
        self.assert_told(self.problems(page, EXPOSED), "ballast_build_info", "says counter")

    def test_other_labels_are_told(self):
        self.assert_told(self.problems(PAGE.replace("`version`", "`build`"), EXPOSED), "labels ['version']")

    def test_a_metric_without_a_value_says_nothing_of_its_labels(self):
        exposed = EXPOSED.replace('ballast_build_info{version="1"} 1\n', "")
        self.assertEqual(self.problems(PAGE, exposed), [])

    def test_names_follow_the_rules(self):
        for name, kind, part in (
            ("steps_total", "counter", "start with ballast_"),
            ("ballast_steps", "counter", "ends with _total"),
            ("ballast_queue_total", "gauge", "only counters"),
            ("ballast_wait_ms", "gauge", "base units"),
            ("ballast_wait", "histogram", "unit"),
        ):
            metric = subject.Metric(kind, help="x")
            self.assert_told(list(subject.naming_problems(name, metric)), part)
        self.assert_told(list(subject.naming_problems("ballast_x", subject.Metric("gauge"))), "help")

    def test_a_program_without_a_section_is_told(self):
        self.assert_told(self.problems(PAGE, EXPOSED, "ballast-x"), "no section")

    def test_a_sample_of_no_metric_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "ballast_y"):
            subject.read_exposition("ballast_y 1\n")


if __name__ == "__main__":
    unittest.main()
