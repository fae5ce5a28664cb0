#include "operator/local/run_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "common/file.h"

namespace ballast::local {
namespace {

namespace fs = std::filesystem;

// Somebody else's folder under our name (in /tmp anybody can make one) must not receive our keys.
Result<void> check_private(const fs::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return tl::unexpected(file_error(errno, "look at", path));
  if (!S_ISDIR(info.st_mode)) return fail(ErrorCode::kDenied, path.string() + " is not a folder");
  if (info.st_uid != ::geteuid()) {
    return fail(ErrorCode::kDenied, path.string() + " belongs to user " +
                                        std::to_string(info.st_uid) + "; expected " +
                                        std::to_string(::geteuid()));
  }
  return {};
}

Result<void> make_private(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::unexpected(file_error(errno, "make the folder", path));
  }
  if (auto checked = check_private(path); !checked) return checked;
  if (::chmod(path.c_str(), 0700) != 0) return tl::unexpected(file_error(errno, "restrict", path));
  return {};
}

Result<fs::path> default_base() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/' && ::access(runtime, W_OK) == 0) {
    return fs::path(runtime) / "ballast";
  }
  return fs::path("/tmp") / ("ballast-" + std::to_string(::geteuid()));
}

Result<fs::path> make_unique() {
  auto base = RunFolder::base();
  if (!base) return base;
  std::string name = (*base / "run-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return tl::unexpected(file_error(errno, "make a folder in", *base));
  return fs::path(name);
}

Result<fs::path> make_wanted(const fs::path& wanted) {
  std::error_code error;
  fs::path path = fs::absolute(wanted, error).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  fs::create_directories(path.parent_path(), error);
  if (error)
    return tl::unexpected(file_error(error.value(), "make the folder", path.parent_path()));
  if (auto made = make_private(path); !made) return tl::unexpected(made.error());
  const bool empty = fs::is_empty(path, error);
  if (error) return tl::unexpected(file_error(error.value(), "read", path));
  if (!empty) {
    return fail(ErrorCode::kAlreadyExists,
                "the run folder " + path.string() + " is not empty; expected a new one");
  }
  return path;
}

}  // namespace

Result<fs::path> RunFolder::base() {
  auto base = default_base();
  if (!base) return base;
  if (auto made = make_private(*base); !made) return tl::unexpected(made.error());
  return base;
}

// Without it the run is only found by its path. Links of runs that are gone go, too.
void RunFolder::link() {
  const auto base = RunFolder::base();
  if (!base) return;
  std::error_code error;
  for (auto it = fs::directory_iterator(*base, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code unreachable;
    if (it->is_symlink(unreachable) && !fs::exists(it->path(), unreachable)) {
      fs::remove(it->path(), unreachable);
    }
  }
  link_ = *base / ("run-" + std::to_string(::getpid()));
  fs::remove(link_, error);
  fs::create_directory_symlink(path_, link_, error);
}

Result<RunFolder> RunFolder::create(const fs::path& wanted, size_t longest_socket_name) {
  auto path = wanted.empty() ? make_unique() : make_wanted(wanted);
  if (!path) return tl::unexpected(path.error());
  RunFolder folder(*path);
  const size_t bytes = folder.socket(std::string(longest_socket_name, 'x')).string().size();
  if (bytes > kMaxSocketPathBytes) {
    ::rmdir(path->c_str());
    return fail(ErrorCode::kInvalid, "the path of a socket in " + path->string() + " would have " +
                                         std::to_string(bytes) + " bytes; at most " +
                                         std::to_string(kMaxSocketPathBytes) +
                                         " are possible: choose a shorter --run-dir");
  }
  for (const fs::path& below : {folder.logs(), folder.ready(), folder.tls()}) {
    if (auto made = make_private(below); !made) return tl::unexpected(made.error());
  }
  if (!wanted.empty()) folder.link();
  return folder;
}

void RunFolder::remove() {
  std::error_code error;  // what cannot be deleted stays
  fs::remove_all(path_, error);
  if (!link_.empty()) fs::remove(link_, error);
}

}  // namespace ballast::local
