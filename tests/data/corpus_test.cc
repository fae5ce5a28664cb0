// What files, folders and globs come to, in which order, and how each thing that is wrong is named.
#include "services/data/corpus.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/storage/files.h"

namespace ballast {
namespace {

class CorpusTest : public testing::Test {
 protected:
  CorpusTest() : root_(std::filesystem::canonical(folder_.path())) {}

  void file(const std::string& name, std::string_view content = "text") {
    std::filesystem::create_directories((root_ / name).parent_path());
    write_text(root_ / name, content);
  }

  // Entries and files relative to the folder; "!" and the message where it fails.
  std::vector<std::string> expand(std::vector<std::string> entries) {
    for (auto& entry : entries) entry = (root_ / entry).string();
    const auto corpus = expand_corpus(entries);
    if (!corpus) return {"!" + std::string(to_string(corpus.error().code)), corpus.error().message};
    std::vector<std::string> names;
    uint64_t bytes = 0;
    for (const auto& found : corpus->files) {
      names.push_back(found.path.lexically_relative(root_).string());
      bytes += found.bytes;
    }
    EXPECT_EQ(bytes, corpus->bytes);
    return names;
  }

  void expect_error(const std::vector<std::string>& entries, const std::string& code,
                    const std::string& named) {
    const auto found = expand(entries);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0], "!" + code);
    EXPECT_NE(found[1].find(named), std::string::npos) << found[1];
  }

  using Names = std::vector<std::string>;
  TemporaryFolder folder_;
  std::filesystem::path root_;
};

TEST_F(CorpusTest, FilesFoldersAndGlobs) {
  for (const auto* name : {"a.txt", "b.txt", "c.md", ".hidden.txt", "sub/d.txt", "sub/deep/e.txt",
                           "sub/.git/object", "[x].txt", "with space.txt"}) {
    file(name);
  }
  const Names all = {"[x].txt",   "a.txt",          "b.txt",         "c.md",
                     "sub/d.txt", "sub/deep/e.txt", "with space.txt"};
  struct Row {
    std::vector<std::string> entries;
    Names expected;
  };
  for (const Row& row : std::vector<Row>{
           {{"a.txt"}, {"a.txt"}},
           {{"b.txt", "a.txt"}, {"a.txt", "b.txt"}},
           {{"."}, all},
           {{"sub"}, {"sub/d.txt", "sub/deep/e.txt"}},
           {{"sub/"}, {"sub/d.txt", "sub/deep/e.txt"}},
           {{"*.txt"}, {"[x].txt", "a.txt", "b.txt", "with space.txt"}},
           {{"?.txt"}, {"a.txt", "b.txt"}},
           {{"[ab].*"}, {"a.txt", "b.txt"}},
           {{"[!a].txt"}, {"b.txt"}},
           {{"[x].txt"}, {"[x].txt"}},  // a file of that name comes before the pattern
           {{"*/*.txt"}, {"sub/d.txt"}},
           {{"**/*.txt"},
            {"[x].txt", "a.txt", "b.txt", "sub/d.txt", "sub/deep/e.txt", "with space.txt"}},
           {{"**/**/e.txt"}, {"sub/deep/e.txt"}},
           {{"sub/**"}, {"sub/d.txt", "sub/deep/e.txt"}},
           {{"s*"}, {"sub/d.txt", "sub/deep/e.txt"}},  // a folder that matches is taken whole
           {{".hidden.txt"}, {".hidden.txt"}},         // hidden, but named
           {{"sub/.git"}, {"sub/.git/object"}},
           {{".*.txt"}, {".hidden.txt"}},
       }) {
    EXPECT_EQ(expand(row.entries), row.expected) << row.entries[0];
  }
}

TEST_F(CorpusTest, EachFileOnceUnderItsCanonicalName) {
  file("data/a.txt");
  file("data/b.txt");
  std::filesystem::create_symlink("a.txt", root_ / "data/again.txt");
  std::filesystem::create_directory_symlink("data", root_ / "other");
  const Names both = {"data/a.txt", "data/b.txt"};
  EXPECT_EQ(expand({"data", "data", "data/*", "data/../data/b.txt", "other", "other/a.txt"}), both);
  EXPECT_EQ(expand({"other"}), both);
  EXPECT_EQ(expand({"data/again.txt"}), Names{"data/a.txt"});
  EXPECT_EQ(expand({"."}), both);
}

TEST_F(CorpusTest, LoopsOfLinksEnd) {
  file("data/a.txt");
  std::filesystem::create_directory_symlink("..", root_ / "data/up");
  std::filesystem::create_directory_symlink(".", root_ / "data/self");
  std::filesystem::create_symlink("round2", root_ / "data/round1");
  std::filesystem::create_symlink("round1", root_ / "data/round2");
  for (const auto* entry : {"data", ".", "**/*.txt", "data/**"}) {
    EXPECT_EQ(expand({entry}), Names{"data/a.txt"}) << entry;
  }
}

TEST_F(CorpusTest, SizesAndTimes) {
  file("a.txt", "12345");
  const auto corpus = expand_corpus(std::vector<std::string>{(root_ / "a.txt").string()});
  ASSERT_TRUE(corpus);
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "a.txt").c_str(), &info), 0);
  EXPECT_EQ(corpus->files[0].bytes, 5u);
  EXPECT_EQ(corpus->files[0].modified_ns,
            int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec);
}

TEST_F(CorpusTest, EmptyFilesAreLeftOut) {
  file("a.txt", "");
  file("b.txt", "b");
  EXPECT_EQ(expand({"."}), Names{"b.txt"});
  EXPECT_EQ(expand({"a.txt", "b.txt"}), Names{"b.txt"});
}

TEST_F(CorpusTest, WhatIsWrongIsNamed) {
  file("a.txt", "");
  file("e/b.txt", "");
  std::filesystem::create_directory(root_ / "empty");
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", root_ / "dangling");
  expect_error({"none.txt"}, "not_found", "none.txt");
  expect_error({"dangling"}, "not_found", "dangling");
  expect_error({"*.md"}, "not_found", "*.md: no file matches");
  expect_error({"none/**/*.md"}, "not_found", "none/**/*.md");
  expect_error({"a.txt/*"}, "not_found", "a.txt/*");
  expect_error({"empty"}, "not_found", "empty: no file in it");
  expect_error({"fifo"}, "invalid", "fifo: neither a regular file nor a folder");
  expect_error({"a.txt"}, "invalid", "a.txt: the file is empty");
  expect_error({"a.txt", "e"}, "invalid", "all 2 data files are empty");
  EXPECT_EQ(expand({"fif?", "dang*", "a.txt"})[0], "!not_found");  // neither is text
}

TEST(Corpus, NoEntries) {
  EXPECT_EQ(expand_corpus({}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(expand_corpus(std::vector<std::string>{""}).error().code, ErrorCode::kInvalid);
}

TEST_F(CorpusTest, RelativeEntries) {
  const auto before = std::filesystem::current_path();
  file("rel/a.txt");
  std::filesystem::current_path(root_);
  const auto plain = expand_corpus(std::vector<std::string>{"rel"});
  const auto glob = expand_corpus(std::vector<std::string>{"r*/*.txt"});
  const auto names = expand_corpus(std::vector<std::string>{"**/a.txt"});
  std::filesystem::current_path(before);
  ASSERT_TRUE(plain && glob && names);
  EXPECT_EQ(plain->files[0].path, root_ / "rel/a.txt");
  EXPECT_EQ(*glob, *plain);
  EXPECT_EQ(*names, *plain);
}

TEST_F(CorpusTest, TooDeepIsAnError) {
  std::string deep = "d";
  for (int i = 0; i < 200; ++i) deep += "/d";
  file(deep + "/a.txt");
  expect_error({"d"}, "invalid", "folders deep");
  expect_error({"**/a.txt"}, "invalid", "folders deep");
}

// Root may read everything, so the test becomes nobody for a moment where it is root.
TEST_F(CorpusTest, UnreadableIsNamed) {
  file("open/a.txt");
  file("shut/b.txt");
  file("c.txt");
  ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root_ / "shut").c_str(), 0), 0);
  ASSERT_EQ(::chmod((root_ / "c.txt").c_str(), 0), 0);
  const bool root = ::geteuid() == 0;
  // access() asks for the real user, so both change; saved root brings it back.
  if (root) {
    ASSERT_EQ(::setresuid(65534, 65534, 0), 0);
  }
  expect_error({"c.txt"}, "denied", "c.txt");
  expect_error({"shut"}, "denied", "shut");
  expect_error({"*/*.txt"}, "denied", "shut");
  expect_error({"."}, "denied", "");
  if (root) {
    ASSERT_EQ(::setresuid(0, 0, 0), 0);
  }
  ASSERT_EQ(::chmod((root_ / "shut").c_str(), 0700), 0);
}

}  // namespace
}  // namespace ballast
