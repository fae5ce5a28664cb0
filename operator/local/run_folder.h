// The folder of one local run: sockets, ready-files, logs, the store, keys. Only its owner can
// enter it, and no two runs share one. One thread.
#pragma once

#include <filesystem>
#include <string>

#include "common/error.h"

namespace ballast::local {

inline constexpr size_t kMaxSocketPathBytes = 107;  // sockaddr_un::sun_path without its last 0

class RunFolder {
 public:
  // Empty `wanted`: a new folder run-XXXXXX below $XDG_RUNTIME_DIR/ballast or /tmp/ballast-<uid>.
  // Otherwise that folder, which must be new or empty. kDenied where others could interfere;
  // kAlreadyExists where something is in it; kInvalid where a socket's path would be too long.
  static Result<RunFolder> create(const std::filesystem::path& wanted, size_t longest_socket_name);

  // Where runs of this user are found: their folders, or links to them.
  static Result<std::filesystem::path> base();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path logs() const { return path_ / "logs"; }
  std::filesystem::path ready() const { return path_ / "ready"; }
  std::filesystem::path tls() const { return path_ / "tls"; }
  std::filesystem::path socket(const std::string& name) const { return path_ / (name + ".sock"); }

  // Deletes the folder with all that is in it.
  void remove();

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  void link();

  std::filesystem::path path_;
  std::filesystem::path link_;  // in base(), of a folder elsewhere
};

}  // namespace ballast::local
