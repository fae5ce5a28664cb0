// The three kinds of output, byte by byte.
#include "operator/cmd/console.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace ballast::cmd {
namespace {

template <typename Use>
std::string output_of(OutputMode mode, Use use) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  {
    Console console(file.get(), mode);
    use(console);
  }
  std::string text(static_cast<size_t>(std::ftell(file.get())), '\0');
  std::rewind(file.get());
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file.get()), text.size());
  return text;
}

void some_news(Console& console) {
  console.live("step 1");
  console.line("news");
  console.event({{"event", "news"}});
  console.live("step 2");
}

TEST(Console, KeepsTheLiveLineBelowTheNews) {
  EXPECT_EQ(output_of(OutputMode::kTerminal, some_news),
            "\r\033[Kstep 1\r\033[Knews\n\r\033[Kstep 1\r\033[Kstep 2\r\033[K");
}

TEST(Console, PlainOutputHasNoLiveLine) {
  EXPECT_EQ(output_of(OutputMode::kPlain, some_news), "news\n");
}

TEST(Console, MachinesGetOnlyJsonLines) {
  EXPECT_EQ(output_of(OutputMode::kJson, some_news), "{\"event\":\"news\"}\n");
  EXPECT_EQ(output_of(OutputMode::kJson,
                      [](Console& console) {
                        console.event({{"text", "\xff"}});
                      }),
            "{\"text\":\"\xef\xbf\xbd\"}\n");
}

TEST(Console, EventsGoToAnotherWhateverTheMode) {
  for (const OutputMode mode : {OutputMode::kTerminal, OutputMode::kPlain, OutputMode::kJson}) {
    std::vector<nlohmann::json> seen;
    output_of(mode, [&](Console& console) {
      console.also_to([&](const nlohmann::json& event) { seen.push_back(event); });
      some_news(console);
    });
    EXPECT_EQ(seen, (std::vector<nlohmann::json>{{{"event", "news"}}}));
  }
}

TEST(Console, PrintableTextHarmsNoTerminal) {
  EXPECT_EQ(printable("a\033[2Jb\r\n\tc\x7f\x01"), "a[2Jb\n\tc");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2Jb"),
            "a2Jb");
  EXPECT_EQ(printable("\xc3\xa4 \xff"), "\xc3\xa4 \xef\xbf\xbd");
}

}  // namespace
}  // namespace ballast::cmd
