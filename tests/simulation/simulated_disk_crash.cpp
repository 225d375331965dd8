// What is left after a power failure, and what is certain to be.

#include <algorithm>
#include <iterator>

#include "base/check.hpp"
#include "simulation/simulated_disk_volume.hpp"

namespace gatepost::simulation {

void Volume::power_failure(Random& random) {
  ++power_failures_;
  if (journaled() && !read_only_) {
    // The kernel may have written some of it just before, and that does not fail.
    failing_ = false;
    const std::vector<Inode*> dirty = dirty_.inodes();
    for (Inode* inode : dirty) {
      if (random.percent(30)) write_back(*inode);
    }
    failing_ = true;
  }
  apply_log(committed_ + random.below(log_.size() + 1));
  log_.clear();
  committed_ = 0;
  dirty_.clear();
  unflushed_.clear();

  used_pages_ = 0;
  used_inodes_ = 1;
  restore(*root_, random);
  read_only_ = false;
  errors_ = {};
  data_failure_ = {};
  metadata_failure_ = {};
}

// Makes the page cache what is on the disk, below this directory.
void Volume::restore(Inode& inode, Random& random) {
  if (!journaled()) settle_names(inode, random);
  DirectoryState& directory = inode.directory;
  inode.links = 2;
  inode.forgotten = false;
  inode.last_record = 0;
  inode.errors = {};
  directory.removed = false;
  directory.names_dirty = false;
  directory.names = directory.stable_names;
  for (const auto& [name, child] : directory.names) {
    const bool first_visit = child->visited != power_failures_;
    child->visited = power_failures_;
    if (first_visit) ++used_inodes_;
    if (child->is_directory()) {
      GP_CHECK(first_visit);
      child->directory.parent = &inode;
      ++inode.links;
      restore(*child, random);
      continue;
    }
    if (first_visit) {
      child->links = 0;
      child->forgotten = false;
      child->linkable = false;
      child->last_record = 0;
      child->errors = {};
      settle_content(*child, random);
      used_pages_ += child->file.pages.size();
    }
    ++child->links;
  }
}

// Each changed name has by chance one of the values that it had since the stable one, or that.
void Volume::settle_names(Inode& inode, Random& random) {
  DirectoryState& directory = inode.directory;
  for (auto& [name, change] : directory.changes) {
    const std::uint64_t which = random.below(change.values.size() + 1);
    if (which == 0) continue;
    if (const InodeRef& value = change.values[which - 1]; value != nullptr) {
      directory.stable_names.insert_or_assign(name, value);
    } else {
      directory.stable_names.erase(name);
    }
  }
  directory.changes.clear();
  directory.undone.clear();
}

// With a journal the log has settled what there is of a file. Without one the size may be any that
// it had or would have, and each page may be the stable one, the one the device had taken, or the
// one in the page cache, unless that is clean.
void Volume::settle_content(Inode& inode, Random& random) {
  FileState& file = inode.file;
  if (!inode.volume.journaled()) {
    const std::uint64_t size = file.content.size();
    const std::uint64_t sizes[] = {file.stable_size, file.written_size, size,
                                   random.between(file.stable_size, size)};
    // Often enough to be seen with many pages too, the kernel was done with all of it.
    const bool all = random.percent(20);
    file.stable_size = all ? size : sizes[random.below(std::size(sizes))];
    const std::size_t first = std::min(file.first_dirty, file.first_unflushed);
    for (std::size_t i = first; i < file.pages.size(); ++i) {
      Page& page = file.pages[i];
      const bool in_cache = page.dirty || page.in_flight;
      const auto cached = in_cache ? octets_in_page(i, size) : page.written;
      const std::uint16_t lengths[] = {page.stable, page.written, cached};
      page.stable = std::max(page.stable, all ? cached : lengths[random.below(std::size(lengths))]);
    }
  }
  file.content = stable_content(inode);
  const std::size_t pages = pages_of(file.content.size());
  file.pages.resize(pages);
  for (std::size_t i = 0; i < pages; ++i) {
    const std::uint16_t octets = octets_in_page(i, file.content.size());
    file.pages[i] = {.submitted = octets, .written = octets, .stable = octets};
  }
  file.first_dirty = pages;
  file.first_unflushed = pages;
  file.written_size = file.content.size();
}

std::string Volume::stable_content(const Inode& inode) {
  const FileState& file = inode.file;
  std::string content(file.content, 0, file.stable_size);
  for (std::size_t i = 0; i * page_size < content.size(); ++i) {
    const std::size_t octets = octets_in_page(i, content.size());
    const std::size_t known = std::min<std::size_t>(file.pages[i].stable, octets);
    std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(i * page_size + known),
                octets - known, '\0');
  }
  return content;
}

std::string_view Volume::certain_content(const Inode& inode) {
  const FileState& file = inode.file;
  const std::string_view content = std::string_view(file.content).substr(0, file.stable_size);
  for (std::size_t i = 0; i * page_size < content.size(); ++i) {
    const std::size_t known = file.pages[i].stable;
    if (known < octets_in_page(i, content.size())) return content.substr(0, i * page_size + known);
  }
  return content;
}

Volume::Names Volume::names_in_log() const {
  Names names;
  for (const LogRecord& record : log_) {
    if (record.is_name) names.emplace(record.inode.get(), record.name);
  }
  return names;
}

}  // namespace gatepost::simulation
