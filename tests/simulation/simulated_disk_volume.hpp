// One mounted file system of the simulated disk: what is in the page cache, what the device has
// taken but may still lose (its volatile cache), and what is on stable storage. SimulatedDisk has
// the system calls on top of it, and this knows nothing of descriptors and paths.
//
// The page cache is what can be seen. Stable storage is kept beside it in every inode. Between the
// two lies, for a file, what each page has got through so far, and for names
//   with a journal     the log of all operations that are not committed yet;
//   without a journal  in each directory, by name, all values since the stable one. A power failure
//                      leaves any one of them.
// Files only grow, so that a page's octets never change once written and three lengths say all
// about it.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/random.hpp"
#include "simulation/simulated_disk.hpp"

namespace gatepost::simulation {

constexpr std::size_t page_size = 4096;
constexpr std::size_t nowhere = SIZE_MAX;

// Of a page that a file of this size has.
inline std::uint16_t octets_in_page(std::size_t page, std::uint64_t size) {
  const std::uint64_t start = std::uint64_t{page} * page_size;
  return static_cast<std::uint16_t>(std::min<std::uint64_t>(page_size, size - start));
}
inline std::size_t pages_of(std::uint64_t octets) {
  return static_cast<std::size_t>((octets + page_size - 1) / page_size);
}

using InodeRef = std::shared_ptr<Inode>;

// Linux's errseq_t: errors of writeback that are told once to each who watches. A watcher that
// comes later is told of one that nobody has seen yet.
class ErrorSequence {
 public:
  struct Mark {
    int error = 0;
    std::uint32_t count = 0;
    bool seen = false;
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  void record(int error);
  // For a new watcher.
  Mark sample() const { return now_.seen ? now_ : Mark{}; }
  // The errno that the watcher has not been told of, or 0.
  int report(Mark& watcher);

 private:
  Mark now_;
};

// How many of a page's octets have got where.
struct Page {
  std::uint16_t submitted = 0;  // while in flight: on their way to the device
  std::uint16_t written = 0;    // taken by the device
  std::uint16_t stable = 0;     // on stable storage, and known to the file there
  bool dirty = false;
  bool in_flight = false;
};

struct FileState {
  std::string content;
  std::vector<Page> pages;
  // No page before is dirty or in flight; or, the second, written and not stable.
  std::size_t first_dirty = 0;
  std::size_t first_unflushed = 0;
  // The size as the device has it and as stable storage has it. Without a journal only, the first.
  std::uint64_t written_size = 0;
  std::uint64_t stable_size = 0;
};

// Of a name since its stable value; the last one is what can be seen. Null: no such name.
struct NameChange {
  std::vector<InodeRef> values;
  std::size_t on_device = 0;  // so many of them were there when the device got the last of these
};

struct DirectoryState {
  std::map<std::string, InodeRef, std::less<>> names;
  std::map<std::string, InodeRef, std::less<>> stable_names;
  // Without a journal only.
  std::map<std::string, NameChange, std::less<>> changes;
  std::deque<std::string> undone;  // names in `changes`, perhaps, that are back at the stable value
  bool names_dirty = false;        // some change is not with the device

  Inode* parent = nullptr;    // null: a removed directory, or the root of all
  Volume* mounted = nullptr;  // what hides it
  bool removed = false;
};

// Owned by the names, log records and descriptions that refer to it.
struct Inode : std::enable_shared_from_this<Inode> {
  Inode(Volume& its_volume, ino_t its_number, mode_t its_mode)
      : volume(its_volume), number(its_number), mode(its_mode) {}
  ~Inode();
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  bool is_directory() const { return S_ISDIR(mode); }
  // Whether it goes when it is closed.
  bool has_no_name() const { return is_directory() ? directory.removed : links == 0; }

  Volume& volume;
  const ino_t number;
  const mode_t mode;
  std::uint64_t links = 0;
  unsigned opens = 0;
  std::time_t changed_at = 0;
  bool linkable = false;   // made by O_TMPFILE and not linked yet
  bool forgotten = false;  // has neither name nor descriptor, and takes no room
  ErrorSequence errors;
  std::uint64_t last_record = 0;  // the log's length after the last record that concerns it
  std::uint64_t visited = 0;      // by which power failure
  std::size_t dirty_place = nowhere;
  std::size_t unflushed_place = nowhere;
  FileState file;
  DirectoryState directory;
};

// Inodes, each of which knows its place, so that it can be taken out at once. Owns none.
template <std::size_t Inode::*Place>
class InodeList {
 public:
  void add(Inode& inode) {
    if (inode.*Place != nowhere) return;
    inode.*Place = inodes_.size();
    inodes_.push_back(&inode);
  }
  void remove(Inode& inode) {
    if (inode.*Place == nowhere) return;
    inodes_.back()->*Place = inode.*Place;
    inodes_[inode.*Place] = inodes_.back();
    inodes_.pop_back();
    inode.*Place = nowhere;
  }
  void clear() {
    while (!inodes_.empty()) remove(*inodes_.back());
  }
  const std::vector<Inode*>& inodes() const { return inodes_; }

 private:
  std::vector<Inode*> inodes_;
};

class Volume {
 public:
  Volume(const MountOptions& options, dev_t device, Random random);
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  MountOptions& options() { return options_; }
  const MountOptions& options() const { return options_; }
  dev_t device() const { return device_; }
  Inode& root() const { return *root_; }
  bool journaled() const { return options_.kind == MountKind::journaled; }
  bool read_only() const { return read_only_; }
  void set_read_only(bool read_only) { read_only_ = read_only; }
  void set_quota(std::optional<std::uint64_t> bytes) { quota_ = bytes; }
  void fail_data(int error, unsigned times) { data_failure_ = {error, times}; }
  void fail_metadata(int error, unsigned times) { metadata_failure_ = {error, times}; }
  const ErrorSequence& errors() const { return errors_; }
  std::uint64_t free_pages() const;
  std::uint64_t free_inodes() const;

  // ---- Names. Null takes the name away.

  InodeRef make_inode(mode_t mode, std::time_t now);
  void set_name(Inode& directory, std::string_view name, const InodeRef& inode);
  void move_name(Inode& from, std::string_view old_name, Inode& to, std::string_view new_name);
  void opened(Inode& inode) { ++inode.opens; }
  void closed(Inode& inode);
  // As if made long ago. For mount points.
  void make_stable(Inode& directory);

  // ---- Data. Errors are errno.

  // How many octets more a file can take; `error` says what is in the way of further ones.
  std::uint64_t room_for(const Inode& inode, int& error) const;
  void append(Inode& inode, std::string_view octets);
  int fsync(Inode& inode, ErrorSequence::Mark& watcher);
  int syncfs(ErrorSequence::Mark& watcher);
  // Pages from `first` to before `end`; flags as in sync_file_range(2).
  int sync_pages(Inode& inode, std::size_t first, std::size_t end, unsigned flags,
                 ErrorSequence::Mark& watcher);
  void background_step(Random& random);

  // ---- Power failure.

  // All must be closed.
  void power_failure(Random& random);
  // Names whose value may be another after a power failure, where the directory does not know.
  using Names = std::set<std::pair<const Inode*, std::string_view>>;
  Names names_in_log() const;
  // The beginning of a file's content that stable storage has. Valid until the file changes.
  static std::string_view certain_content(const Inode& inode);

  // From the inode's destructor.
  void forget_places(Inode& inode);

 private:
  // An operation on names, or what the journal learns of a file: that pages from first_page to
  // before end_page are on the device up to the offset `size`, and that the file is that long.
  struct LogRecord {
    InodeRef inode = {};
    std::string name = {};
    InodeRef value = {};
    std::size_t first_page = 0;
    std::size_t end_page = 0;
    std::uint64_t size = 0;
    bool is_name = false;
    bool joined = false;  // to the next one: both are kept or neither
  };
  struct PlannedFailure {
    int error = 0;
    unsigned times = 0;
  };

  void change_name(Inode& directory, std::string_view name, const InodeRef& inode, bool joined);
  void record_change(Inode& directory, std::string_view name, const InodeRef& inode);
  void log(LogRecord record);
  void log_pages(Inode& inode, std::size_t first, std::size_t end, std::uint64_t size);
  void drop_if_nameless(Inode& inode);

  int take_failure(PlannedFailure& planned, unsigned once_in, int usual_error, bool& entire);
  void submit(Inode& inode, std::size_t first, std::size_t end);
  void complete(Inode& inode);
  void log_written(Inode& inode, const std::vector<std::size_t>& pages);
  void write_back(Inode& inode);
  void write_size(Inode& inode);
  int write_names(Inode& directory);
  void mark_dirty(Inode& inode);
  int write_all();
  void flush_device();
  void flush_inode(Inode& inode);
  int commit(std::uint64_t length);
  int metadata_error();
  void apply_log(std::uint64_t length);
  void apply(const LogRecord& record);

  void restore(Inode& directory, Random& random);
  static void settle_names(Inode& directory, Random& random);
  static void settle_content(Inode& inode, Random& random);
  // With zeros for what is missing.
  static std::string stable_content(const Inode& inode);

  MountOptions options_;
  const dev_t device_;
  Random random_;
  std::optional<std::uint64_t> quota_;
  bool read_only_ = false;
  bool failing_ = true;  // whether errors may happen now
  PlannedFailure data_failure_;
  PlannedFailure metadata_failure_;
  ErrorSequence errors_;
  std::uint64_t used_pages_ = 0;
  std::uint64_t used_inodes_ = 0;
  ino_t next_number_ = 2;
  std::uint64_t power_failures_ = 0;
  // Those with something that the device has not got; and those with something that it has got and
  // may lose, which a journal makes needless to know.
  InodeList<&Inode::dirty_place> dirty_;
  InodeList<&Inode::unflushed_place> unflushed_;
  // What comes after the first committed_ records.
  std::deque<LogRecord> log_;
  std::uint64_t committed_ = 0;
  InodeRef root_;
};

// ---- For the calls of SimulatedDisk.

// Takes the first component off a path, and the slashes around it. Empty at the path's end.
inline std::string_view next_component(std::string_view& path) {
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  const std::string_view component = path.substr(0, path.find('/'));
  path.remove_prefix(component.size());
  return component;
}

// An open file description.
struct Description {
  InodeRef inode;
  std::string name;  // the last part of the path that it was opened by
  int flags = 0;
  std::uint64_t offset = 0;
  ErrorSequence::Mark file_errors;
  ErrorSequence::Mark volume_errors;
};

}  // namespace gatepost::simulation
