#include "sink/maildir_cleaning.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <string_view>

namespace gatepost {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory open_directory(int parent, const char* name) {
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  Directory directory(fdopendir(fd));
  if (directory == nullptr) close(fd);
  return directory;
}

bool process_alive(std::uint32_t pid) {
  return kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

bool is_literal(const MaildirTemplate::Component& component) {
  return std::all_of(component.begin(), component.end(), [](const MaildirTemplate::Part& part) {
    return part.kind == MaildirTemplate::Part::Kind::literal;
  });
}

class Walk {
 public:
  Walk(const MaildirTemplate& where, const ProcessIdentity& self, const std::atomic<bool>& stop)
      : where_(where), self_(self), stop_(stop) {}

  // depth: components of the template that lie behind.
  void visit(DIR* directory, std::size_t depth) {
    if (depth == where_.components().size()) return clean(directory);
    const MaildirTemplate::Component& component = where_.components()[depth];
    if (is_literal(component)) {
      const Directory below = open_directory(dirfd(directory), component.front().literal.c_str());
      if (below != nullptr) visit(below.get(), depth + 1);
      return;
    }
    while (const dirent* entry = stop_ ? nullptr : readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const Directory below = open_directory(dirfd(directory), entry->d_name);
      if (below != nullptr) visit(below.get(), depth + 1);
    }
  }

  const CleaningResult& result() const { return result_; }

 private:
  void clean(DIR* maildir) {
    const Directory tmp = open_directory(dirfd(maildir), "tmp");
    if (tmp == nullptr) return;
    ++result_.maildirs;
    const int fd = dirfd(tmp.get());
    const std::time_t now = std::time(nullptr);
    while (const dirent* entry = stop_ ? nullptr : readdir(tmp.get())) {
      struct stat info {};
      if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (!S_ISREG(info.st_mode)) continue;
      if (!is_stale_temporary(entry->d_name, self_, now - info.st_ctime, process_alive)) continue;
      if (unlinkat(fd, entry->d_name, 0) == 0) ++result_.removed;
    }
  }

  const MaildirTemplate& where_;
  const ProcessIdentity& self_;
  const std::atomic<bool>& stop_;
  CleaningResult result_;
};

}  // namespace

CleaningResult clean_maildirs(const MaildirTemplate& where, const ProcessIdentity& self,
                              const std::atomic<bool>& stop) {
  Walk walk(where, self, stop);
  const Directory root = open_directory(AT_FDCWD, where.root().c_str());
  if (root != nullptr) walk.visit(root.get(), 0);
  return walk.result();
}

}  // namespace gatepost
