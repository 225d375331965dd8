#include "simulation/simulated_disk.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/check.hpp"
#include "simulation/simulated_disk_volume.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::size_t name_max = 255;
constexpr std::size_t path_max = 4095;
constexpr unsigned first_minor = 16;

bool writable(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

}  // namespace

SimulatedDisk::SimulatedDisk(DiskOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  std::vector<MountOptions>& mounts = options_.mounts;
  const auto is_root = [](const MountOptions& each) { return each.path == "/"; };
  if (std::ranges::none_of(mounts, is_root)) {
    mounts.push_back({.path = "/", .kind = MountKind::generic});
  }
  // The shorter path first, as nothing can be mounted below a directory that is not there.
  std::ranges::stable_sort(mounts, std::ranges::less{},
                           [](const MountOptions& each) { return each.path.size(); });
  for (std::size_t i = 0; i < mounts.size(); ++i) mount(mounts[i], i);
}

SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::mount(const MountOptions& options, std::uint64_t index) {
  const dev_t device = makedev(259, first_minor + static_cast<unsigned>(index));
  auto volume = std::make_unique<Volume>(options, device, random_.fork(index));
  if (index > 0) {
    Inode* covered = &volumes_.front()->root();
    std::string_view rest = options.path;
    for (auto name = next_component(rest); !name.empty(); name = next_component(rest)) {
      Inode* below = child_of(*covered, name);
      if (below == nullptr) {
        const InodeRef made = covered->volume.make_inode(S_IFDIR | 0755, now());
        covered->volume.set_name(*covered, name, made);
        covered->volume.make_stable(*covered);
        below = made.get();
      }
      covered = below;
    }
    GP_CHECK(covered->directory.parent != nullptr && &covered->volume.root() != covered);
    covered->directory.mounted = volume.get();
    volume->root().directory.parent = covered->directory.parent;
  }
  volumes_.push_back(std::move(volume));
}

Volume& SimulatedDisk::volume_of(std::string_view mount) const {
  const auto found = std::ranges::find_if(
      volumes_, [&](const auto& volume) { return volume->options().path == mount; });
  GP_CHECK(found != volumes_.end());
  return **found;
}

// ---- Descriptors

Description* SimulatedDisk::description_of(int fd) const {
  if (fd < options_.first_descriptor) return nullptr;
  const auto place = static_cast<std::size_t>(fd - options_.first_descriptor);
  return place < descriptors_.size() ? descriptors_[place].get() : nullptr;
}

int SimulatedDisk::add_descriptor(Inode& inode, int flags) {
  std::size_t place = descriptors_.size();
  if (!unused_descriptors_.empty()) {
    std::ranges::pop_heap(unused_descriptors_, std::ranges::greater{});
    place = unused_descriptors_.back();
    unused_descriptors_.pop_back();
  } else {
    descriptors_.emplace_back();
  }
  auto description = std::make_unique<Description>();
  description->inode = inode.shared_from_this();
  description->flags = flags;
  description->file_errors = inode.errors.sample();
  description->volume_errors = inode.volume.errors().sample();
  descriptors_[place] = std::move(description);
  inode.volume.opened(inode);
  return options_.first_descriptor + static_cast<int>(place);
}

int SimulatedDisk::close(int fd) {
  if (description_of(fd) == nullptr) return -EBADF;
  const auto place = static_cast<std::size_t>(fd - options_.first_descriptor);
  const auto description = std::move(descriptors_[place]);
  unused_descriptors_.push_back(place);
  std::ranges::push_heap(unused_descriptors_, std::ranges::greater{});
  description->inode->volume.closed(*description->inode);
  return 0;
}

bool SimulatedDisk::out_of_descriptors() const {
  return descriptors_.size() - unused_descriptors_.size() >= options_.descriptors_max;
}

std::vector<int> SimulatedDisk::open_descriptors() const {
  std::vector<int> open;
  for (std::size_t i = 0; i < descriptors_.size(); ++i) {
    if (descriptors_[i]) open.push_back(options_.first_descriptor + static_cast<int>(i));
  }
  return open;
}

std::optional<MountKind> SimulatedDisk::kind_of(int fd) const {
  const Description* const description = description_of(fd);
  if (description == nullptr) return std::nullopt;
  return description->inode->volume.options().kind;
}

void SimulatedDisk::process_killed() {
  for (const int fd : open_descriptors()) close(fd);
  descriptors_.clear();
  unused_descriptors_.clear();
}

void SimulatedDisk::power_failure(Random& random) {
  process_killed();
  for (const auto& volume : volumes_) volume->power_failure(random);
  shortened_to_.reset();
}

void SimulatedDisk::background_step(Random& random) {
  for (const auto& volume : volumes_) volume->background_step(random);
}

// ---- Paths

Inode* SimulatedDisk::child_of(Inode& directory, std::string_view name) const {
  Inode* found = &directory;
  if (name == "..") {
    found = directory.directory.parent;
    if (found == nullptr) return directory.directory.removed ? nullptr : &directory;
  } else if (name != ".") {
    const auto place = directory.directory.names.find(name);
    if (place == directory.directory.names.end()) return nullptr;
    found = place->second.get();
  }
  return found->directory.mounted != nullptr ? &found->directory.mounted->root() : found;
}

// Where a path begins.
int SimulatedDisk::directory_of(int fd, std::string_view path, Inode*& directory) const {
  if (path.empty()) return -ENOENT;
  if (path.size() > path_max) return -ENAMETOOLONG;
  directory = &volumes_.front()->root();
  if (path.front() == '/' || fd == AT_FDCWD) return 0;
  const Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  directory = description->inode.get();
  return directory->is_directory() ? 0 : -ENOTDIR;
}

int SimulatedDisk::find_inode(int fd, std::string_view path, Inode*& inode) const {
  if (const int error = directory_of(fd, path, inode)) return error;
  const bool must_be_directory = path.back() == '/';
  for (auto name = next_component(path); !name.empty(); name = next_component(path)) {
    if (!inode->is_directory()) return -ENOTDIR;
    if (name.size() > name_max) return -ENAMETOOLONG;
    inode = child_of(*inode, name);
    if (inode == nullptr) return -ENOENT;
  }
  return must_be_directory && !inode->is_directory() ? -ENOTDIR : 0;
}

int SimulatedDisk::find_place(int fd, std::string_view path, Place& place) const {
  if (const int error = directory_of(fd, path, place.directory)) return error;
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) {
    if (const int error = find_inode(fd, path.substr(0, slash + 1), place.directory)) return error;
    path.remove_prefix(slash + 1);
  }
  if (path.size() > name_max) return -ENAMETOOLONG;
  place.name = path.empty() ? "." : path;
  place.inode = child_of(*place.directory, place.name);
  return 0;
}

int SimulatedDisk::may_create(const Place& place) {
  if (place.directory->directory.removed) return -ENOENT;
  if (place.inode != nullptr) return -EEXIST;
  return place.directory->volume.read_only() ? -EROFS : 0;
}

int SimulatedDisk::make_inode(Inode& directory, mode_t mode, std::shared_ptr<Inode>& inode) const {
  Volume& volume = directory.volume;
  if (volume.read_only()) return -EROFS;
  if (volume.free_inodes() == 0) return -ENOSPC;
  inode = volume.make_inode(mode, now());
  return 0;
}

// ---- Opening

int SimulatedDisk::open(std::string_view path, int flags, mode_t mode) {
  return openat(AT_FDCWD, path, flags, mode);
}

int SimulatedDisk::openat(int directory, std::string_view path, int flags, mode_t mode) {
  if (out_of_descriptors()) return -EMFILE;
  if ((flags & O_TMPFILE) == O_TMPFILE) return open_unnamed(directory, path, flags, mode);
  GP_CHECK((flags & O_TRUNC) == 0);
  if ((flags & O_CREAT) != 0) {
    Place place;
    if (const int error = find_place(directory, path, place)) return error;
    if (place.inode == nullptr) {
      if (const int error = may_create(place)) return error;
      std::shared_ptr<Inode> inode;
      if (const int error = make_inode(*place.directory, S_IFREG | (mode & 07777), inode)) {
        return error;
      }
      set_name(place, inode);
      return add_descriptor(*inode, flags);
    }
    if ((flags & O_EXCL) != 0) return -EEXIST;
  }
  Inode* inode = nullptr;
  if (const int error = find_inode(directory, path, inode)) return error;
  if (inode->is_directory() && (writable(flags) || (flags & O_CREAT) != 0)) return -EISDIR;
  if (!inode->is_directory() && (flags & O_DIRECTORY) != 0) return -ENOTDIR;
  if (writable(flags) && inode->volume.read_only()) return -EROFS;
  const int fd = add_descriptor(*inode, flags);
  description_of(fd)->name = path.substr(path.rfind('/') + 1);
  return fd;
}

int SimulatedDisk::open_unnamed(int directory, std::string_view path, int flags, mode_t mode) {
  if (!writable(flags)) return -EINVAL;
  Inode* where = nullptr;
  if (const int error = find_inode(directory, path, where)) return error;
  if (!where->is_directory()) return -ENOTDIR;
  const MountOptions& options = where->volume.options();
  if (!options.unnamed_files) return -EOPNOTSUPP;
  // ext4 has it that way.
  if (where->directory.removed) return options.kind == MountKind::generic ? -ENOENT : -EPERM;
  std::shared_ptr<Inode> inode;
  if (const int error = make_inode(*where, S_IFREG | (mode & 07777), inode)) return error;
  inode->linkable = true;
  return add_descriptor(*inode, flags);
}

// ---- Data

ssize_t SimulatedDisk::writev(int fd, const iovec* vectors, int count) {
  Description* const description = description_of(fd);
  if (description == nullptr || !writable(description->flags)) return -EBADF;
  if (count < 0) return -EINVAL;
  Inode& inode = *description->inode;
  Volume& volume = inode.volume;
  if (volume.read_only()) return -EROFS;
  if ((description->flags & O_APPEND) != 0) description->offset = inode.file.content.size();
  GP_CHECK(description->offset == inode.file.content.size());  // overwriting is not modelled

  std::uint64_t wanted = 0;
  for (int i = 0; i < count; ++i) wanted += vectors[i].iov_len;
  if (wanted == 0) return 0;
  int error = 0;
  std::uint64_t left = std::min(wanted, volume.room_for(inode, error));
  if (left == 0) return -error;
  if (shortened_to_) left = std::min<std::uint64_t>(left, *shortened_to_);
  shortened_to_.reset();
  if (left > 1 && random_.once_in(volume.options().failures.short_write_once_in)) {
    left = random_.between(1, left - 1);
  }
  const std::uint64_t written = left;
  for (int i = 0; i < count && left > 0; ++i) {
    const std::size_t some = std::min<std::uint64_t>(left, vectors[i].iov_len);
    volume.append(inode, {static_cast<const char*>(vectors[i].iov_base), some});
    left -= some;
  }
  description->offset += written;
  inode.changed_at = now();
  return static_cast<ssize_t>(written);
}

ssize_t SimulatedDisk::pread(int fd, void* buffer, std::size_t size, off_t offset) {
  const Description* const description = description_of(fd);
  if (description == nullptr || (description->flags & O_ACCMODE) == O_WRONLY) return -EBADF;
  if (description->inode->is_directory()) return -EISDIR;
  if (offset < 0) return -EINVAL;
  const std::string& content = description->inode->file.content;
  const auto start = std::min(static_cast<std::size_t>(offset), content.size());
  const std::size_t some = std::min(size, content.size() - start);
  if (some > 0) std::memcpy(buffer, content.data() + start, some);
  return static_cast<ssize_t>(some);
}

int SimulatedDisk::fsync(int fd) {
  Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  Inode& inode = *description->inode;
  const bool fails = !failing_name_.empty() && description->name == failing_name_;
  if (fails) {
    failing_name_.clear();
    inode.volume.fail_metadata(failing_error_, 1);
  }
  const int result = -inode.volume.fsync(inode, description->file_errors);
  if (fails) inode.volume.fail_metadata(failing_error_, 0);
  return result;
}

int SimulatedDisk::syncfs(int fd) {
  Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  return -description->inode->volume.syncfs(description->volume_errors);
}

int SimulatedDisk::sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  constexpr unsigned known =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  if (offset < 0 || size < 0 || (flags & ~known) != 0) return -EINVAL;
  const auto first = static_cast<std::size_t>(offset) / page_size;
  const std::size_t end =
      size == 0 ? SIZE_MAX
                : pages_of(static_cast<std::uint64_t>(offset) + static_cast<std::uint64_t>(size));
  Inode& inode = *description->inode;
  return -inode.volume.sync_pages(inode, first, end, flags, description->file_errors);
}

}  // namespace gatepost::simulation
