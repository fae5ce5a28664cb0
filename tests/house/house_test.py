"""A test of the tests: each rule of layering.py and tidy.py is shown to fail on a planted violation."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import layering  # noqa: E402
import tidy  # noqa: E402

SOURCE = Path(__file__).resolve().parents[2]


class LayeringTest(unittest.TestCase):
    """Plants files in a small tree that has the real table."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        (self.root / "cmake").mkdir()
        (self.root / layering.TABLE).write_text((SOURCE / layering.TABLE).read_text())

    def tearDown(self):
        self.folder.cleanup()

    def problems(self, path, text, graph=None):
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)
        link_graph = None
        if graph is not None:
            link_graph = self.root / "link_graph.txt"
            link_graph.write_text(graph)
        return layering.check(self.root, link_graph)

    def assert_one(self, problems, *parts):
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])

    def test_what_is_allowed_passes(self):
        for path, header in (
            ("services/core/a.cc", "common/error.h"),
            ("services/core/a.cc", "vector"),
            ("services/core/a.cc", "common/checksum.h"),
            ("services/server/shell.cc", "thread"),
            ("services/server/shell.cc", "grpcpp/grpcpp.h"),
            ("services/server/shell.cc", "services/core/types.h"),
            ("services/server/optimizer.cc", "services/server/reduction.h"),
            ("services/transport/a.cc", "ballast/v1/control.pb.h"),
            ("operator/cmd/run.cc", "services/engine/generate.h"),
            ("services/engine/cuda/a.cc", "cudnn_frontend.h"),
            ("services/engine/ops/a.cu", "cuda_bf16.h"),
            ("tests/x/a_test.cc", "services/engine/gpt.h"),
        ):
            self.assertEqual(self.problems(path, f"#include <{header}>\n"), [], (path, header))
            (self.root / path).unlink()

    def test_pure_folders_have_no_effects(self):
        for header in (
            "thread", "mutex", "atomic", "chrono", "ctime", "random", "fstream", "iostream", "filesystem",
            "cstdio", "unistd.h", "sys/socket.h", "netinet/in.h", "grpcpp/grpcpp.h", "ballast/v1/control.pb.h",
            "spdlog/spdlog.h", "common/log.h", "common/clock.h", "common/random_id.h", "common/file.h",
            "stop_token", "condition_variable", "semaphore",
        ):
            for path in ("services/core/a.cc", "operator/core/a.h", "services/server/reduction.cc"):
                found = self.problems(path, f"\n#include <{header}>\n")
                self.assert_one(found, f"{path}:2:", "pure", header)
                (self.root / path).unlink()

    def test_a_folder_below_a_pure_one_is_pure(self):
        self.assert_one(self.problems("services/core/deep/a.cc", "#include <mutex>\n"), "pure")

    def test_halves_do_not_mix(self):
        self.assert_one(
            self.problems("operator/core/a.cc", '#include "services/core/types.h"\n'),
            'operator/core includes "services/core/types.h", and may not use services/core',
        )
        (self.root / "operator/core/a.cc").unlink()
        self.assert_one(self.problems("services/core/a.cc", '#include "operator/api/status.h"\n'), "may not use")

    def test_engine_knows_no_server(self):
        self.assert_one(
            self.problems("services/engine/a.cc", '#include "services/server/store.h"\n'), "knows no server"
        )

    def test_common_uses_nothing_of_ours(self):
        self.assert_one(self.problems("common/a.h", '#include "services/core/types.h"\n'), "may not use services/core")

    def test_libraries_stop_at_their_adapters(self):
        for path, header in (
            ("services/data/a.cc", "grpcpp/grpcpp.h"), ("services/engine/a.cc", "yaml-cpp/yaml.h"),
            ("services/server/a.cc", "civetweb.h"), ("services/server/a.cc", "oneapi/dnnl/dnnl.h"),
            ("services/data/a.cc", "openssl/evp.h"), ("common/a.cc", "gtest/gtest.h"),
            ("services/engine/ops/a.cc", "cuda_runtime.h"), ("services/worker/a.cc", "cudnn.h"),
        ):
            self.assert_one(self.problems(path, f"#include <{header}>\n"), header, "only")
            (self.root / path).unlink()

    def test_test_code_stays_in_tests(self):
        self.assert_one(self.problems("common/a.cc", '#include "tests/common/x.h"\n'), "tests/")

    def test_a_new_folder_needs_a_row(self):
        self.assert_one(self.problems("services/misc/a.cc", ""), "services/misc/a.cc", "add a row")

    def test_links_follow_the_table(self):
        good = "ballast_core|services/core|ballast_common;ballast_options\n"
        self.assertEqual(self.problems("common/a.cc", "", good), [])
        for graph, parts in (
            ("ballast_core|services/core|ballast_engine\n", ("ballast_core links ballast_engine",)),
            ("ballast_core|services/core|gRPC::grpc++\n", ("pure", "gRPC::grpc++")),
            ("ballast_decide|operator/core|ballast_core\n", ("ballast_decide links ballast_core",)),
            ("ballast-ps|services/server|ballast_local\n", ("ballast-ps links ballast_local",)),
            ("ballast_common|common|ballast_core\n", ("ballast_common links ballast_core",)),
            ("ballast_misc|services/misc|\n", ("ballast_misc", "add it")),
            ("ballast_core|services/core|ballast_surprise\n", ("ballast_surprise", "add a row")),
        ):
            self.assert_one(self.problems("common/a.cc", "", graph), *parts)

    def test_tests_may_link_anything(self):
        self.assertEqual(self.problems("common/a.cc", "", "test_x|tests/x|ballast_local;ballast_engine\n"), [])

    def test_a_broken_table_is_told(self):
        (self.root / layering.TABLE).write_text("services/core/* | ballast_core | nowhere | pure | x\n")
        with self.assertRaisesRegex(SystemExit, "nowhere"):
            layering.read_table(self.root / layering.TABLE)
        (self.root / layering.TABLE).write_text("services/core/* | ballast_core\n")
        with self.assertRaisesRegex(SystemExit, "not a row"):
            layering.read_table(self.root / layering.TABLE)


GOOD_HEADER = "// What this is.\n// Any thread.\n#pragma once\n"


class TidyTest(unittest.TestCase):
    def found(self, path, text):
        return list(tidy.problems_of(tidy.File(path, text)))

    def assert_found(self, path, text, part, line=None):
        found = self.found(path, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])
        if line:
            self.assertTrue(found[0].startswith(f"{path}:{line}:"), found[0])

    def test_good_files_pass(self):
        self.assertEqual(self.found("common/a.h", GOOD_HEADER), [])
        self.assertEqual(self.found("common/a.cc", '#include "common/a.h"\n\n#include <vector>\n'), [])
        self.assertEqual(self.found("docs/a.md", "x" * 500 + "\n"), [])
        self.assertEqual(self.found("Makefile", "a:\n\ttrue\n"), [])

    def test_headers_open_with_their_contract(self):
        self.assert_found("common/a.h", "#pragma once\n", "opens with")
        self.assertEqual(self.found("common/a.h", "// One sentence is enough.\n#pragma once\n"), [])
        self.assert_found("common/a.h", "// What.\n// Who.\n#include <vector>\n", "#pragma once", 3)

    def test_layout(self):
        self.assert_found("common/a.cc", "int a;\n" + "x" * 101 + "\n", "101 columns", 2)
        self.assert_found("cmake/a.cmake", "x" * 121 + "\n", "121 columns")
        self.assert_found("common/a.cc", "\tint a;\n", "tab")
        self.assert_found("common/a.cc", "int a; \n", "blanks")
        self.assert_found("common/a.cc", "int a;", "newline")
        self.assert_found("common/a.cc", "int a;\n\n", "newline")

    def test_nothing_is_left_unfinished(self):
        for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"):
            self.assert_found("common/a.cc", f"// {word}: later\n", word)

    def test_no_path_of_one_machine(self):
        for path in ("/wo" + "rk/main", "/ro" + "ot/x", "/ho" + "me/me"):
            self.assert_found("docs/a.md", f"see {path}\n", "path of one machine")

    def test_sleeps_need_a_reason(self):
        for call in ("std::this_thread::sleep_for(x);", "usleep(5);", "sleep(1);", "::sleep(1);", "nanosleep(&a, b);"):
            self.assert_found("tests/x/a_test.cc", f"{call}\n", "a sleep")
            self.assertEqual(self.found("tests/x/a_test.cc", f"{call}  // sleeps: time is the subject\n"), [])
            self.assertEqual(self.found("tests/x/a_test.cc", f"// sleeps: time is the subject\n{call}\n"), [])
        self.assertEqual(self.found("tests/x/a_test.cc", 'run("sleep 1");  // sleep( in words\n'), [])

    def test_random_numbers_are_ours(self):
        for call in (
            "std::rand();", "srand(1);", "std::random_device d;", "std::mt19937 g;",
            "std::uniform_int_distribution<int> d(0, 1);", "std::shuffle(a, b, g);",
        ):
            self.assert_found("services/core/a.cc", f"{call}\n", "seed")
        self.assert_found("tests/x/a_test.cc", "std::random_device d;\n", "seed")
        self.assertEqual(self.found("tests/x/a_test.cc", "std::mt19937 g(seed);\n"), [])

    def test_threads_are_owned(self):
        self.assert_found("services/server/a.cc", "std::thread t(f);\n", "jthread")
        self.assert_found("services/server/a.cc", "t.detach();\n", "detached")
        self.assertEqual(self.found("services/server/a.cc", "auto n = std::thread::hardware_concurrency();\n"), [])
        self.assert_found("common/a.h", GOOD_HEADER + "using namespace std;\n", "using namespace")

    def test_tests_are_registered_with_a_label(self):
        self.assert_found("tests/x/CMakeLists.txt", "add_test(NAME x COMMAND y)\n", "ballast_add_test")
        self.assertEqual(self.found("tests/x/CMakeLists.txt", "ballast_add_test(x unit 60 y)\n"), [])

    def test_own_header_first(self):
        text = '#include <vector>\n\n#include "common/a.h"\n'
        self.assert_found("common/a.cc", text, "own header")

    def test_files_have_snake_case_names(self):
        self.assert_found("common/Log.cc", "\n".join(["int a;", ""]), "snake_case")

    def test_links_lead_somewhere(self):
        code = "```cpp\nrun([&](size_t i) {});\n```\n"
        page = tidy.File("docs/a.md", code + "[b](b.md), [c](../c.md#part), [web](https://example.org/x)\n")
        there = {"docs/b.md", "c.md"}
        self.assertEqual(list(tidy.problems_of(page, there.__contains__)), [])
        found = list(tidy.problems_of(page, {"c.md"}.__contains__))
        self.assertEqual(len(found), 1, found)
        self.assertIn("b.md, which is not there", found[0])


if __name__ == "__main__":
    unittest.main()
