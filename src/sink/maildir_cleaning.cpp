#include "sink/maildir_cleaning.hpp"

#include <algorithm>
#include <string_view>

#include "base/clock.hpp"
#include "sink/files.hpp"

namespace gatepost {
namespace {

files::DirectoryReader open_directory(int parent, const char* name) {
  return files::DirectoryReader(files::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
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
  void visit(files::DirectoryReader& directory, std::size_t depth) {
    if (depth == where_.components().size()) return clean(directory);
    const MaildirTemplate::Component& component = where_.components()[depth];
    if (is_literal(component)) {
      files::DirectoryReader below =
          open_directory(directory.descriptor(), component.front().literal.c_str());
      if (below.valid()) visit(below, depth + 1);
      return;
    }
    while (const char* const name = stop_ ? nullptr : directory.next()) {
      if (std::string_view(name) == "." || std::string_view(name) == "..") continue;
      files::DirectoryReader below = open_directory(directory.descriptor(), name);
      if (below.valid()) visit(below, depth + 1);
    }
  }

  const CleaningResult& result() const { return result_; }

 private:
  void clean(files::DirectoryReader& maildir) {
    files::DirectoryReader tmp = open_directory(maildir.descriptor(), "tmp");
    if (!tmp.valid()) return;
    ++result_.maildirs;
    const auto now = static_cast<std::int64_t>(Clock::wall_us() / 1'000'000);
    while (const char* const name = stop_ ? nullptr : tmp.next()) {
      struct stat info {};
      if (files::fstatat(tmp.descriptor(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (!S_ISREG(info.st_mode)) continue;
      if (!is_stale_temporary(name, self_, now - info.st_ctime, files::process_alive)) continue;
      if (files::unlinkat(tmp.descriptor(), name, 0) == 0) ++result_.removed;
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
  files::DirectoryReader root = open_directory(AT_FDCWD, where.root().c_str());
  if (root.valid()) walk.visit(root, 0);
  return walk.result();
}

}  // namespace gatepost
