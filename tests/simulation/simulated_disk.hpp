// A disk that loses what was not made durable: one or several mounted POSIX file systems in memory,
// with a page cache, writeback, the errors of writeback and power failure.
//
// The calls are those that src/sink makes. They do their work at once, on the caller's thread, and
// return what the system call would return, or a NEGATED errno where it would return -1 and set
// errno. All chance comes from the seed and from the generators that are handed in, so that the
// same calls with the same seed end in the same tree. What each kind of file system promises is
// said at MountKind; simulated_disk_volume.hpp has how that is kept.
//
// Not modelled: permissions and owners, symbolic links, overwriting and truncation (a write goes to
// the end of its file, which is checked), renamed directories (checked as well), time that a call
// takes, errors of reading.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/random.hpp"

namespace gatepost::simulation {

struct Inode;
struct Description;
class Volume;

// The calls, for those who wrap them: to count them, delay them or have them fail.
enum class DiskCall : std::uint8_t {
  open,
  openat,
  close,
  mkdir,
  writev,
  pread,
  fsync,
  fdatasync,
  syncfs,
  sync_file_range,
  linkat,
  renameat,
  renameat2,
  unlinkat,
  stat,
  fstat,
  fstatat,
  statvfs,
  fstatvfs,
  list_directory,
};

enum class MountKind : std::uint8_t {
  // No more than POSIX has. fsync of a file makes its data and size durable, fsync of a directory
  // its names. Anything else survives a power failure or not: each name, each size and each page
  // of 4096 octets by a chance of its own, so that a file may come back cut or with pages of zeros.
  // syncfs hands everything to the device and does not flush the device's cache.
  generic,
  // ext4 with data=ordered, and xfs. Operations on names and sizes form one log, of which a power
  // failure keeps a prefix that has at least all that was committed. Sizes and extents enter the
  // log when the data has been written back. A commit flushes the device's cache first.
  journaled,
  // ext4 without a journal. As generic, but syncfs flushes the device's cache once the data is
  // written, and writes names and sizes after that: they are durable with the next fsync of
  // whatever descriptor, which flushes the cache again.
  unjournaled,
};

// What an error in writing the journal, or a directory where there is no journal, does to a mount.
enum class AfterMetadataError : std::uint8_t {
  // The call says so. The journal is written by the next one; changes of a directory without a
  // journal are lost.
  goes_on,
  // Moreover the mount is read-only until the next power failure or set_read_only(): ST_RDONLY,
  // EROFS, and syncfs that does nothing and succeeds.
  read_only,
  // As read_only, and even the syncfs that met the error succeeds, as older kernels have it.
  read_only_unreported,
};

// Each rate: fails once in so many times, never when 0.
struct FailureChances {
  unsigned data_once_in = 0;  // writebacks of one file's dirty pages
  int data_error = EIO;       // or ENOSPC, EDQUOT: delayed allocation
  unsigned metadata_once_in = 0;
  unsigned short_write_once_in = 0;
};

struct MountOptions {
  std::string path;  // absolute, without a slash at the end
  MountKind kind = MountKind::journaled;
  std::uint64_t capacity_bytes = 1 << 30;
  std::uint64_t inodes = 1 << 20;
  AfterMetadataError after_metadata_error = AfterMetadataError::goes_on;
  FailureChances failures = {};
  bool unnamed_files = true;     // else O_TMPFILE gives EOPNOTSUPP
  bool rename_noreplace = true;  // else EINVAL
  bool hard_links = true;        // else EPERM
};

struct DiskOptions {
  // Whatever lies outside of all these paths is on a generic file system of its own, where the
  // directories that lead to them exist from the start.
  std::vector<MountOptions> mounts;
  std::uint64_t seed = 0;
  // Seconds since the epoch; zero always when there is none.
  std::function<std::time_t()> now;
  int first_descriptor = 1'000'000;
  std::size_t descriptors_max = 1024;
  // Whether linkat takes AT_EMPTY_PATH, as with CAP_DAC_READ_SEARCH or Linux 6.10. Else ENOENT.
  bool link_by_descriptor = true;
};

struct DiskFile {
  std::string path;  // absolute
  std::string content;
  friend bool operator==(const DiskFile&, const DiskFile&) = default;
};

class SimulatedDisk {
 public:
  explicit SimulatedDisk(DiskOptions options);
  ~SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  // ---- System calls. Relative paths begin at "/" where no directory is given.

  // O_CREAT, O_EXCL, O_DIRECTORY, O_TMPFILE, O_APPEND and the access modes; others do nothing.
  // The lowest free number from first_descriptor on, or EMFILE.
  int open(std::string_view path, int flags, mode_t mode = 0);
  int openat(int directory, std::string_view path, int flags, mode_t mode = 0);
  int close(int fd);
  int mkdir(std::string_view path, mode_t mode = 0700);
  // Shorter than asked for when the disk fills up, by chance or by shorten_next_write().
  ssize_t writev(int fd, const iovec* vectors, int count);
  ssize_t pread(int fd, void* buffer, std::size_t size, off_t offset);
  int fsync(int fd);
  int fdatasync(int fd) { return fsync(fd); }
  int syncfs(int fd);
  // Without one of the flags to wait the writeback is begun only: it ends by chance in
  // background_step(), or when somebody waits for it.
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
  int linkat(int from, std::string_view old_path, int to, std::string_view new_path, int flags);
  int renameat(int from, std::string_view old_path, int to, std::string_view new_path) {
    return renameat2(from, old_path, to, new_path, 0);
  }
  int renameat2(int from, std::string_view old_path, int to, std::string_view new_path,
                unsigned flags);
  int unlinkat(int directory, std::string_view path, int flags);
  int stat(std::string_view path, struct stat* info) const;
  int fstat(int fd, struct stat* info) const;
  int fstatat(int directory, std::string_view path, struct stat* info, int flags) const;
  int statvfs(std::string_view path, struct statvfs* info) const;
  int fstatvfs(int fd, struct statvfs* info) const;
  // Sorted, with "." and ".."; empty when `fd` is no directory or one that was removed.
  std::vector<std::string> list_directory(int fd) const;

  // ---- What an operator does, by other processes than the one that is simulated.

  int rmdir(std::string_view path);
  // The directory and all below it. Open descriptors stay valid.
  int remove_tree(std::string_view path);
  // Mounts are named by the path of MountOptions, here and below.
  void set_capacity(std::string_view mount, std::uint64_t bytes);
  // Writes beyond it get EDQUOT, and statvfs does not show it.
  void set_quota(std::string_view mount, std::optional<std::uint64_t> bytes);
  void set_read_only(std::string_view mount, bool read_only);

  // ---- What goes wrong.

  void set_failures(std::string_view mount, const FailureChances& failures);
  // The next `times` writebacks of a file's dirty pages fail entirely, whoever starts them. The
  // pages are clean then, though the device never got them: they can be read until the power
  // fails, and a second fsync succeeds. Each open file description is told once.
  void fail_next_writeback(std::string_view mount, int error, unsigned times = 1);
  // The same for the next commits of the journal, or writebacks of a directory's changes.
  void fail_next_metadata(std::string_view mount, int error, unsigned times = 1);
  // The next fsync of a directory that was opened by a path ending in `name` fails, and its changes
  // are lost (without a journal) or not committed.
  void fail_next_sync_of(std::string name, int error);
  // At most so many octets by the next write to any file.
  void shorten_next_write(std::size_t octets) { shortened_to_ = octets; }
  // Writeback of the kernel's own choice: by chance a file's pages, a directory's names, a commit.
  void background_step(Random& random);
  // Descriptors are closed, and what has no name is gone. The page cache stays.
  void process_killed();
  // Descriptors are closed and what is not durable is lost, as far as chance wills. The tree is
  // then what is on the disk, all of it durable; mounts are writable, and know of no old errors.
  void power_failure(Random& random);

  // ---- For checks.

  bool owns(int fd) const { return fd >= options_.first_descriptor; }
  std::optional<MountKind> kind_of(int fd) const;
  // In ascending order.
  std::vector<int> open_descriptors() const;
  // All files below a directory, sorted by path. Empty when there is no such directory.
  std::vector<DiskFile> files_below(std::string_view path) const;
  // What no power failure could take away now: names that are certain to survive, each with its
  // content up to the first octet that is not certain to.
  std::vector<DiskFile> durable_files_below(std::string_view path) const;

 private:
  // Where a name is or would be. Owns nothing; for the length of a call.
  struct Place {
    Inode* directory = nullptr;
    std::string_view name;   // in the caller's path
    Inode* inode = nullptr;  // null: no such name
  };

  std::time_t now() const { return options_.now ? options_.now() : 0; }
  void mount(const MountOptions& options, std::uint64_t index);
  Volume& volume_of(std::string_view mount) const;

  Description* description_of(int fd) const;
  bool out_of_descriptors() const;
  int add_descriptor(Inode& inode, int flags);

  // Null: no such name.
  Inode* child_of(Inode& directory, std::string_view name) const;
  int directory_of(int fd, std::string_view path, Inode*& directory) const;
  int find_inode(int fd, std::string_view path, Inode*& inode) const;
  int find_place(int fd, std::string_view path, Place& place) const;
  int find_linked(int from, std::string_view path, int flags, Inode*& inode) const;
  // Returns what forbids a new name there.
  static int may_create(const Place& place);
  int make_inode(Inode& directory, mode_t mode, std::shared_ptr<Inode>& inode) const;
  int open_unnamed(int directory, std::string_view path, int flags, mode_t mode);
  void set_name(const Place& place, const std::shared_ptr<Inode>& inode);
  int remove_directory(const Place& place);
  int remove_below(Inode& directory);

  DiskOptions options_;
  Random random_;
  std::vector<std::unique_ptr<Volume>> volumes_;  // the first one is mounted at "/"
  // By number less first_descriptor.
  std::vector<std::unique_ptr<Description>> descriptors_;
  std::vector<std::size_t> unused_descriptors_;  // a heap, the least place on top
  std::optional<std::size_t> shortened_to_;
  std::string failing_name_;  // empty: none
  int failing_error_ = 0;
};

}  // namespace gatepost::simulation
