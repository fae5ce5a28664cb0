// However a text is cut, what is shown is whole UTF-8 and harms no terminal.
#include "operator/cmd/text_stream.h"

#include <gtest/gtest.h>

namespace ballast::cmd {
namespace {

TEST(TextStream, WaitsForTheRestOfACharacter) {
  TextStream stream;
  EXPECT_EQ(stream.add("a\xe2"), "a");
  EXPECT_EQ(stream.add("\x82"), "");
  EXPECT_EQ(stream.add("\xac!"), "\xe2\x82\xac!");
  EXPECT_EQ(stream.end(), "");
}

TEST(TextStream, ReplacesWhatIsNoCharacter) {
  TextStream stream;
  EXPECT_EQ(stream.add("\xffz\xc3"), "\xef\xbf\xbdz");
  EXPECT_EQ(stream.add("z\xe2\x82"), "\xef\xbf\xbdz");
  EXPECT_EQ(stream.end(), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(stream.end(), "");
}

TEST(TextStream, LeavesControlCharactersOut) {
  TextStream stream;
  EXPECT_EQ(stream.add(std::string_view("\0a\033[2J\r\n\tb\x7f\xc2\x9b", 12)), "a[2J\n\tb");
}

TEST(TextStream, TheCutChangesNothing) {
  const std::string text = "\xf0\x9f\x98\x80 \xff\xe4\xb8\xad\xc3(\xed\xa0\x80\n";
  TextStream whole;
  std::string expected = whole.add(text);
  expected += whole.end();
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      TextStream stream;
      std::string found = stream.add(text.substr(0, first));
      found += stream.add(text.substr(first, second - first));
      found += stream.add(text.substr(second));
      EXPECT_EQ(found + stream.end(), expected) << first << " " << second;
    }
  }
}

}  // namespace
}  // namespace ballast::cmd
