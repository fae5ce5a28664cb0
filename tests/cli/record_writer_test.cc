// The record on a real disk: whole lines, bounded files, and what a start after a crash finds.
#include "operator/cmd/record_writer.h"

#include <fstream>

#include <gmock/gmock.h>

#include "common/file.h"
#include "operator/cmd/find_record.h"
#include "operator/report/record.h"
#include "tests/local/temporary_folder.h"
#include "tests/local/wait.h"

namespace ballast::cmd {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string text_of(const fs::path& file) { return read_file(file, 64u << 20).value_or(""); }

report::Record read(const fs::path& folder) {
  return report::read_record({text_of(folder / report::kOlderEventsFile),
                              text_of(folder / report::kEventsFile),
                              text_of(folder / report::kPointsFile)});
}

void write_run(const fs::path& folder, int events, const RecordLimits& limits = {}) {
  auto writer = RecordWriter::open(folder, limits);
  ASSERT_TRUE(writer) << writer.error().message;
  (*writer)->add({{"event", "start"}}, 1);
  for (int event = 0; event < events; ++event) {
    (*writer)->add({{"event", "checkpoint"}, {"directory", "d"}}, 2 + event);
    (*writer)->add({{"event", "progress"}, {"step", 1 + event}, {"loss", 2.5}}, 2 + event);
  }
}

TEST(RecordWriter, KeepsEventsAndPoints) {
  const local::TemporaryFolder folder;
  write_run(folder.path() / "record", 3);
  const report::Record record = read(folder.path() / "record");
  EXPECT_THAT(record.problems, IsEmpty());
  ASSERT_EQ(record.events.size(), 4u);
  EXPECT_EQ(record.events[1].text("directory"), "d");
  ASSERT_EQ(record.points.size(), 3u);
  EXPECT_EQ(record.points[2].step, 3);
}

TEST(RecordWriter, GoesOnAfterALineThatWasTorn) {
  const local::TemporaryFolder folder;
  write_run(folder.path(), 1);
  std::ofstream(folder.path() / report::kEventsFile, std::ios::app) << "{\"event\":\"rea";
  std::ofstream(folder.path() / report::kPointsFile, std::ios::app) << "{\"unixTi";
  write_run(folder.path(), 1);
  const report::Record record = read(folder.path());
  EXPECT_EQ(record.events.size(), 4u);
  EXPECT_EQ(record.points.size(), 2u);
  ASSERT_EQ(record.problems.size(), 2u);
  EXPECT_THAT(record.problems[0], HasSubstr("1 lines cannot be read"));
}

TEST(RecordWriter, StaysBounded) {
  const local::TemporaryFolder folder;
  const RecordLimits limits{
      .most_event_bytes = 2'000, .most_point_bytes = 3'000, .most_waiting = 100'000};
  write_run(folder.path(), 2'000, limits);
  EXPECT_LE(fs::file_size(folder.path() / report::kEventsFile), 2'000u);
  EXPECT_LE(fs::file_size(folder.path() / report::kOlderEventsFile), 2'000u);
  EXPECT_LE(fs::file_size(folder.path() / report::kPointsFile), 3'500u);
  const report::Record record = read(folder.path());
  EXPECT_EQ(record.events.back().unix_time_ms, 2'001);
  EXPECT_EQ(record.points.back().step, 2'000);
}

TEST(RecordWriter, TellsHowManyLinesWereNotKept) {
  const local::TemporaryFolder folder;
  auto writer = RecordWriter::open(folder.path());
  ASSERT_TRUE(writer);
  // A folder where the file should be: nothing can be written there.
  fs::create_directory(folder.path() / report::kEventsFile);
  (*writer)->add({{"event", "start"}}, 1);
  (*writer)->add({{"event", "ready"}}, 2);
  ASSERT_TRUE(local::eventually([&] { return (*writer)->lost() == 2; }));
  fs::remove(folder.path() / report::kEventsFile);
  (*writer)->add({{"event", "whole"}}, 3);
  writer->reset();
  const report::Record record = read(folder.path());
  ASSERT_EQ(record.events.size(), 2u);
  EXPECT_EQ(record.events[0].kind, "notKept");
  EXPECT_EQ(record.events[0].number("lines"), 2);
  EXPECT_EQ(record.events[1].kind, "whole");
}

TEST(RecordWriter, ADiskThatHangsFillsNoMemory) {
  const local::TemporaryFolder folder;
  auto writer = RecordWriter::open(folder.path(), {.most_waiting = 0});
  ASSERT_TRUE(writer);
  (*writer)->add({{"event", "start"}}, 1);
  EXPECT_EQ((*writer)->lost(), 1u);
}

TEST(RecordWriter, AFolderThatCannotBeIsTold) {
  const local::TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  const auto writer = RecordWriter::open(folder.path() / "file" / "record");
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message, HasSubstr("file/record"));
}

TEST(FindRecord, ByEachFolderThatPeopleKnow) {
  const local::TemporaryFolder folder;
  const fs::path job = folder.path() / "checkpoints";
  write_run(job / "run-1" / kRecordFolder, 1);
  write_run(job / "run-2" / kRecordFolder, 1);
  fs::last_write_time(job / "run-1" / kRecordFolder / report::kEventsFile,
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  fs::last_write_time(job / "run-1" / kRecordFolder / report::kPointsFile,
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  fs::create_directory(folder.path() / "run-folder");
  fs::create_directory_symlink(job / "run-1" / kRecordFolder,
                               folder.path() / "run-folder" / kRecordFolder);
  const auto found = [](const fs::path& run) {
    const auto record = find_record(run.string());
    return record ? record->folder.parent_path().filename().string() : record.error().message;
  };
  EXPECT_EQ(found(job), "run-2");
  EXPECT_EQ(found(job / "run-1"), "run-1");
  EXPECT_EQ(found(job / "run-1" / kRecordFolder), "run-1");
  EXPECT_EQ(found(folder.path() / "run-folder"), "run-1");
  fs::create_directory(folder.path() / "empty");
  EXPECT_THAT(found(folder.path() / "empty"), HasSubstr("has no record of a run"));
  EXPECT_THAT(found("no-such-job-anywhere"), HasSubstr("no run of a job named no-such-job"));
}

}  // namespace
}  // namespace ballast::cmd
