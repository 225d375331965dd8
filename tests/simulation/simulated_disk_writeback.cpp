// How what was written gets to the device and to stable storage, and how that fails.

#include <fcntl.h>

#include <algorithm>

#include "simulation/simulated_disk_volume.hpp"

namespace gatepost::simulation {

// The errno to fail with, or 0. `entire`: it was asked for, so that nothing is left to chance.
int Volume::take_failure(PlannedFailure& planned, unsigned once_in, int usual_error, bool& entire) {
  entire = false;
  if (!failing_) return 0;
  if (planned.times > 0) {
    --planned.times;
    entire = true;
    return planned.error;
  }
  return random_.once_in(once_in) ? usual_error : 0;
}

int Volume::metadata_error() {
  bool entire = false;
  const int error =
      take_failure(metadata_failure_, options_.failures.metadata_once_in, EIO, entire);
  if (error != 0 && options_.after_metadata_error != AfterMetadataError::goes_on) read_only_ = true;
  return error;
}

void Volume::mark_dirty(Inode& inode) {
  const FileState& file = inode.file;
  const bool has_pages = file.first_dirty < file.pages.size();
  const bool has_size = !journaled() && file.written_size != file.content.size();
  if ((has_pages || has_size || inode.directory.names_dirty) && !inode.forgotten) {
    dirty_.add(inode);
  } else {
    dirty_.remove(inode);
  }
}

// Begins the writeback of what is dirty and not in flight.
void Volume::submit(Inode& inode, std::size_t first, std::size_t end) {
  FileState& file = inode.file;
  bool any = false;
  end = std::min(end, file.pages.size());
  for (std::size_t i = std::max(first, file.first_dirty); i < end; ++i) {
    Page& page = file.pages[i];
    if (!page.dirty || page.in_flight) continue;
    page.dirty = false;
    page.in_flight = true;
    page.submitted = octets_in_page(i, file.content.size());
    any = true;
  }
  // ext4 logs the size when it allocates the blocks, xfs with the extents in complete().
  if (any && journaled() && random_.percent(50)) log_pages(inode, 0, 0, file.content.size());
}

// Ends the writeback of what is in flight. Pages that fail are clean afterwards all the same:
// nobody will write them again (fsync(2), NOTES).
void Volume::complete(Inode& inode) {
  FileState& file = inode.file;
  std::vector<std::size_t> pages;
  std::size_t first_dirty = file.pages.size();
  for (std::size_t i = file.first_dirty; i < file.pages.size(); ++i) {
    Page& page = file.pages[i];
    if (page.dirty) first_dirty = std::min(first_dirty, i);
    if (!page.in_flight) continue;
    page.in_flight = false;
    pages.push_back(i);
  }
  file.first_dirty = first_dirty;
  if (pages.empty()) return;

  bool entire = false;
  const FailureChances& chances = options_.failures;
  if (const int error =
          take_failure(data_failure_, chances.data_once_in, chances.data_error, entire)) {
    inode.errors.record(error);
    errors_.record(error);
    const std::size_t surely = pages[random_.below(pages.size())];
    std::erase_if(
        pages, [&](std::size_t page) { return entire || page == surely || random_.percent(50); });
  }
  for (const std::size_t i : pages) {
    file.pages[i].written = std::max(file.pages[i].written, file.pages[i].submitted);
  }
  if (pages.empty()) return mark_dirty(inode);
  if (journaled()) {
    log_written(inode, pages);
  } else {
    file.first_unflushed = std::min(file.first_unflushed, pages.front());
    unflushed_.add(inode);
  }
  mark_dirty(inode);
}

// One record for each run of pages that follow each other and are full but for the last.
void Volume::log_written(Inode& inode, const std::vector<std::size_t>& pages) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const std::uint16_t octets = inode.file.pages[pages[i]].submitted;
    const bool goes_on =
        i + 1 < pages.size() && pages[i + 1] == pages[i] + 1 && octets == page_size;
    if (goes_on) continue;
    log_pages(inode, pages[begin], pages[i] + 1, std::uint64_t{pages[i]} * page_size + octets);
    begin = i + 1;
  }
}

void Volume::write_back(Inode& inode) {
  complete(inode);
  submit(inode, 0, SIZE_MAX);
  complete(inode);
}

// Without a journal.
void Volume::write_size(Inode& inode) {
  if (inode.is_directory() || inode.file.written_size == inode.file.content.size()) return;
  inode.file.written_size = inode.file.content.size();
  unflushed_.add(inode);
  mark_dirty(inode);
}

// Without a journal. Changes that fail are lost, though they can be seen, as it is with pages.
int Volume::write_names(Inode& inode) {
  DirectoryState& directory = inode.directory;
  if (!directory.names_dirty) return 0;
  directory.names_dirty = false;
  mark_dirty(inode);
  if (const int error = metadata_error()) {
    inode.errors.record(error);
    errors_.record(error);
    for (auto& [name, change] : directory.changes) change.values.resize(change.on_device);
    std::erase_if(directory.changes, [](const auto& each) { return each.second.values.empty(); });
    return error;
  }
  for (auto& [name, change] : directory.changes) change.on_device = change.values.size();
  unflushed_.add(inode);
  return 0;
}

int Volume::fsync(Inode& inode, ErrorSequence::Mark& watcher) {
  if (read_only_) return EROFS;
  write_back(inode);
  if (!journaled()) write_names(inode);
  // Not the journal nor the device's cache either, even when the error is an old one.
  if (const int error = inode.errors.report(watcher)) return error;
  if (journaled()) return commit(inode.last_record);
  write_size(inode);
  flush_device();
  return 0;
}

int Volume::syncfs(ErrorSequence::Mark& watcher) {
  const int error = read_only_ ? 0 : write_all();
  const int reported = errors_.report(watcher);
  return error != 0 ? error : reported;
}

// Returns an error of the journal; others are recorded only.
int Volume::write_all() {
  std::vector<Inode*> inodes = dirty_.inodes();
  for (Inode* inode : inodes) write_back(*inode);
  if (journaled()) {
    const int error = commit(committed_ + log_.size());
    return options_.after_metadata_error == AfterMetadataError::read_only_unreported ? 0 : error;
  }
  if (options_.kind == MountKind::unjournaled) flush_device();
  inodes = dirty_.inodes();  // the flush may have been the end of some
  for (Inode* inode : inodes) {
    write_size(*inode);
    write_names(*inode);
  }
  return 0;
}

int Volume::sync_pages(Inode& inode, std::size_t first, std::size_t end, unsigned flags,
                       ErrorSequence::Mark& watcher) {
  if ((flags & SYNC_FILE_RANGE_WAIT_BEFORE) != 0) {
    complete(inode);
    if (const int error = inode.errors.report(watcher)) return error;
  }
  if ((flags & SYNC_FILE_RANGE_WRITE) != 0) {
    if (read_only_) return EROFS;
    submit(inode, first, end);
  }
  if ((flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
    complete(inode);
    return inode.errors.report(watcher);
  }
  return 0;
}

// Makes stable all that the device has taken.
void Volume::flush_device() {
  while (!unflushed_.inodes().empty()) {
    Inode& inode = *unflushed_.inodes().back();
    unflushed_.remove(inode);
    flush_inode(inode);
  }
}

void Volume::flush_inode(Inode& inode) {
  FileState& file = inode.file;
  for (std::size_t i = file.first_unflushed; i < file.pages.size(); ++i) {
    file.pages[i].stable = std::max(file.pages[i].stable, file.pages[i].written);
  }
  file.first_unflushed = file.pages.size();
  file.stable_size = std::max(file.stable_size, file.written_size);

  DirectoryState& directory = inode.directory;
  for (auto each = directory.changes.begin(); each != directory.changes.end();) {
    NameChange& change = each->second;
    if (change.on_device > 0) {
      const InodeRef& value = change.values[change.on_device - 1];
      if (value != nullptr) {
        directory.stable_names.insert_or_assign(each->first, value);
      } else {
        directory.stable_names.erase(each->first);
      }
      const auto end = change.values.begin() + static_cast<std::ptrdiff_t>(change.on_device);
      change.values.erase(change.values.begin(), end);
      change.on_device = 0;
    }
    each = change.values.empty() ? directory.changes.erase(each) : std::next(each);
  }
}

// Of the log's first `length` records since the beginning.
int Volume::commit(std::uint64_t length) {
  if (length <= committed_) return 0;
  if (const int error = metadata_error()) return error;
  apply_log(length);
  return 0;
}

void Volume::apply_log(std::uint64_t length) {
  bool joined = false;
  while (!log_.empty() && (committed_ < length || joined)) {
    const LogRecord record = std::move(log_.front());
    log_.pop_front();
    ++committed_;
    joined = record.joined;
    apply(record);
  }
}

void Volume::apply(const LogRecord& record) {
  Inode& inode = *record.inode;
  if (record.is_name) {
    auto& names = inode.directory.stable_names;
    if (record.value != nullptr) {
      names.insert_or_assign(record.name, record.value);
    } else {
      names.erase(record.name);
    }
    return;
  }
  FileState& file = inode.file;
  for (std::size_t i = record.first_page; i < record.end_page; ++i) {
    file.pages[i].stable = std::max(file.pages[i].stable, octets_in_page(i, record.size));
  }
  file.stable_size = std::max(file.stable_size, record.size);
}

void Volume::background_step(Random& random) {
  if (read_only_) return;
  const auto& dirty = dirty_.inodes();
  if (!dirty.empty() && random.percent(60)) {
    Inode& inode = *dirty[random.below(dirty.size())];
    write_back(inode);
    if (!journaled()) {
      write_names(inode);
      if (random.percent(50)) write_size(inode);
    }
  }
  if (journaled() && random.percent(15)) commit(committed_ + log_.size());
  // Devices write their cache out without being told, too.
  if (!journaled() && random.percent(10)) flush_device();
}

}  // namespace gatepost::simulation
