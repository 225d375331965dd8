#include "simulation/simulated_disk_volume.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace gatepost::simulation {
namespace {

// A directory that nobody syncs, as tmp/, keeps so many names that are back at their stable value.
// Older ones count as written: no kernel leaves them for long.
constexpr std::size_t undone_max = 256;

const InodeRef& stable_value(const DirectoryState& directory, std::string_view name) {
  static const InodeRef none;
  const auto found = directory.stable_names.find(name);
  return found != directory.stable_names.end() ? found->second : none;
}

}  // namespace

void ErrorSequence::record(int error) {
  if (now_.seen) ++now_.count;
  now_.error = error;
  now_.seen = false;
}

int ErrorSequence::report(Mark& watcher) {
  if (watcher == now_) return 0;
  now_.seen = true;
  watcher = now_;
  return now_.error;
}

Inode::~Inode() {
  volume.forget_places(*this);
}

Volume::Volume(const MountOptions& options, dev_t device, Random random)
    : options_(options), device_(device), random_(random) {
  root_ = make_inode(S_IFDIR | 0755, 0);
}

void Volume::forget_places(Inode& inode) {
  dirty_.remove(inode);
  unflushed_.remove(inode);
}

std::uint64_t Volume::free_pages() const {
  const std::uint64_t all = options_.capacity_bytes / page_size;
  return all - std::min(all, used_pages_);
}

std::uint64_t Volume::free_inodes() const {
  return options_.inodes - std::min(options_.inodes, used_inodes_);
}

InodeRef Volume::make_inode(mode_t mode, std::time_t now) {
  auto inode = std::make_shared<Inode>(*this, next_number_++, mode);
  if (inode->is_directory()) inode->links = 2;  // its name and its "."
  inode->changed_at = now;
  ++used_inodes_;
  return inode;
}

void Volume::set_name(Inode& directory, std::string_view name, const InodeRef& inode) {
  change_name(directory, name, inode, false);
}

void Volume::move_name(Inode& from, std::string_view old_name, Inode& to,
                       std::string_view new_name) {
  const InodeRef inode = from.directory.names.find(old_name)->second;
  change_name(to, new_name, inode, true);
  change_name(from, old_name, nullptr, false);
}

void Volume::change_name(Inode& directory, std::string_view name, const InodeRef& inode,
                         bool joined) {
  auto& names = directory.directory.names;
  const auto place = names.find(name);
  const InodeRef before = place != names.end() ? place->second : nullptr;
  if (inode == nullptr) {
    GP_CHECK(before != nullptr);
    names.erase(place);
  } else if (before != nullptr) {
    place->second = inode;
  } else {
    names.emplace(name, inode);
  }

  if (inode != nullptr) {
    inode->linkable = false;
    if (inode->is_directory()) {
      inode->directory.parent = &directory;
      ++directory.links;
    } else {
      ++inode->links;
    }
  }
  if (journaled()) {
    log({.inode = directory.shared_from_this(),
         .name = std::string(name),
         .value = inode,
         .is_name = true,
         .joined = joined});
    if (inode != nullptr) inode->last_record = directory.last_record;
    if (before != nullptr) before->last_record = directory.last_record;
  } else {
    record_change(directory, name, inode);
  }
  if (before == nullptr) return;
  if (before->is_directory()) {
    before->directory.parent = nullptr;
    before->directory.removed = true;
    --directory.links;
  } else {
    --before->links;
  }
  drop_if_nameless(*before);
}

void Volume::record_change(Inode& inode, std::string_view name, const InodeRef& value) {
  DirectoryState& directory = inode.directory;
  auto change = directory.changes.find(name);
  if (change == directory.changes.end()) {
    change = directory.changes.emplace(name, NameChange{}).first;
  }
  change->second.values.push_back(value);
  directory.names_dirty = true;
  mark_dirty(inode);
  if (value != stable_value(directory, name)) return;
  directory.undone.emplace_back(name);
  if (directory.undone.size() <= undone_max) return;
  const auto oldest = directory.changes.find(directory.undone.front());
  directory.undone.pop_front();
  if (oldest != directory.changes.end() &&
      oldest->second.values.back() == stable_value(directory, oldest->first)) {
    directory.changes.erase(oldest);
  }
}

void Volume::log(LogRecord record) {
  Inode& inode = *record.inode;
  log_.push_back(std::move(record));
  inode.last_record = committed_ + log_.size();
}

void Volume::log_pages(Inode& inode, std::size_t first, std::size_t end, std::uint64_t size) {
  log({.inode = inode.shared_from_this(), .first_page = first, .end_page = end, .size = size});
}

void Volume::closed(Inode& inode) {
  --inode.opens;
  drop_if_nameless(inode);
}

// Its dirty pages will never be written. What the device has got already counts still, because a
// power failure may bring the name back.
void Volume::drop_if_nameless(Inode& inode) {
  if (!inode.has_no_name() || inode.opens > 0 || inode.forgotten) return;
  inode.forgotten = true;
  --used_inodes_;
  used_pages_ -= inode.file.pages.size();
  dirty_.remove(inode);
  FileState& file = inode.file;
  for (std::size_t i = file.first_dirty; i < file.pages.size(); ++i) {
    file.pages[i].dirty = false;
    file.pages[i].in_flight = false;
  }
  file.first_dirty = file.pages.size();
}

void Volume::make_stable(Inode& inode) {
  apply_log(committed_ + log_.size());
  inode.directory.stable_names = inode.directory.names;
  inode.directory.changes.clear();
  inode.directory.names_dirty = false;
  dirty_.remove(inode);
}

std::uint64_t Volume::room_for(const Inode& inode, int& error) const {
  const std::uint64_t in_last_page =
      inode.file.pages.size() * page_size - inode.file.content.size();
  std::uint64_t pages = free_pages();
  error = ENOSPC;
  if (quota_) {
    const std::uint64_t allowed = *quota_ / page_size;
    const std::uint64_t left = allowed - std::min(allowed, used_pages_);
    if (left < pages) {
      pages = left;
      error = EDQUOT;
    }
  }
  return in_last_page + pages * page_size;
}

void Volume::append(Inode& inode, std::string_view octets) {
  if (octets.empty()) return;
  FileState& file = inode.file;
  const std::size_t first = file.content.size() / page_size;
  file.content += octets;
  const std::size_t before = file.pages.size();
  file.pages.resize(pages_of(file.content.size()));
  used_pages_ += file.pages.size() - before;
  for (std::size_t i = first; i < file.pages.size(); ++i) file.pages[i].dirty = true;
  file.first_dirty = std::min(file.first_dirty, first);
  mark_dirty(inode);
}

}  // namespace gatepost::simulation
