// Text that a model writes, piece by piece, for a terminal or a file: always whole UTF-8. What may
// still become a character waits; bytes that are none become U+FFFD, and control characters but
// line ends and tabs are left out. One thread.
#pragma once

#include <string>
#include <string_view>

namespace ballast::cmd {

class TextStream {
 public:
  // What can be shown now.
  std::string add(std::string_view bytes);
  // The rest; nothing follows.
  std::string end();

 private:
  std::string take(bool last);

  std::string waiting_;
};

}  // namespace ballast::cmd
