// Calls on names, what can be asked of files, and what an operator does.

#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.hpp"
#include "simulation/simulated_disk_volume.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::uint64_t links_max = 65000;  // ext4
constexpr unsigned long name_max = 255;
constexpr std::string_view descriptor_links = "/proc/self/fd/";

bool is_mount_root(const Inode& inode) {
  return &inode.volume.root() == &inode;
}

void fill(const Inode& inode, struct stat* info) {
  *info = {};
  info->st_dev = inode.volume.device();
  info->st_ino = inode.number;
  info->st_mode = inode.mode;
  info->st_nlink = inode.is_directory() && inode.directory.removed ? 0 : inode.links;
  info->st_size = static_cast<off_t>(inode.file.content.size());
  info->st_blksize = static_cast<blksize_t>(page_size);
  info->st_blocks = static_cast<blkcnt_t>(inode.file.pages.size() * page_size / 512);
  info->st_ctim.tv_sec = inode.changed_at;
  info->st_mtim.tv_sec = inode.changed_at;
}

void fill(const Volume& volume, struct statvfs* info) {
  *info = {};
  info->f_bsize = page_size;
  info->f_frsize = page_size;
  info->f_blocks = volume.options().capacity_bytes / page_size;
  info->f_bfree = info->f_bavail = volume.free_pages();
  info->f_files = volume.options().inodes;
  info->f_ffree = info->f_favail = volume.free_inodes();
  info->f_fsid = volume.device();
  info->f_flag = volume.read_only() ? ST_RDONLY : 0;
  info->f_namemax = name_max;
}

using Files = std::vector<DiskFile>;

Inode& below_mount(Inode& inode) {
  return inode.directory.mounted != nullptr ? inode.directory.mounted->root() : inode;
}

std::string joined(const std::string& path, std::string_view name) {
  std::string result = path;
  if (result.back() != '/') result += '/';
  return result += name;
}

void collect(Inode& directory, const std::string& path, Files& files) {
  for (const auto& [name, child] : directory.directory.names) {
    const std::string full = joined(path, name);
    if (child->is_directory()) {
      collect(below_mount(*child), full, files);
    } else {
      files.push_back({full, child->file.content});
    }
  }
}

// The part of the tree that no power failure takes away.
class CertainTree {
 public:
  Inode* child_of(const Inode& directory, std::string_view name) {
    const auto found = directory.directory.stable_names.find(name);
    if (found == directory.directory.stable_names.end()) return nullptr;
    return certain(directory, name) ? &below_mount(*found->second) : nullptr;
  }

  void collect(Inode& directory, const std::string& path, Files& files) {
    for (const auto& [name, child] : directory.directory.stable_names) {
      if (!certain(directory, name)) continue;
      const std::string full = joined(path, name);
      if (child->is_directory()) {
        collect(below_mount(*child), full, files);
      } else {
        files.push_back({full, std::string(Volume::certain_content(*child))});
      }
    }
  }

 private:
  bool certain(const Inode& directory, std::string_view name) {
    if (directory.directory.changes.contains(name)) return false;
    const auto [place, added] = in_log_.try_emplace(&directory.volume);
    if (added) place->second = directory.volume.names_in_log();
    return !place->second.contains({&directory, name});
  }

  std::map<const Volume*, Volume::Names> in_log_;
};

void sort_by_path(Files& files) {
  std::ranges::sort(files, [](const DiskFile& a, const DiskFile& b) { return a.path < b.path; });
}

std::string without_last_slash(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

void SimulatedDisk::set_name(const Place& place, const std::shared_ptr<Inode>& inode) {
  const std::time_t time = now();
  place.directory->changed_at = time;
  if (place.inode != nullptr) place.inode->changed_at = time;
  if (inode != nullptr) inode->changed_at = time;
  place.directory->volume.set_name(*place.directory, place.name, inode);
}

int SimulatedDisk::mkdir(std::string_view path, mode_t mode) {
  Place place;
  if (const int error = find_place(AT_FDCWD, path, place)) return error;
  if (const int error = may_create(place)) return error;
  std::shared_ptr<Inode> inode;
  if (const int error = make_inode(*place.directory, S_IFDIR | (mode & 07777), inode)) return error;
  set_name(place, inode);
  return 0;
}

// The file that linkat is to give another name.
int SimulatedDisk::find_linked(int from, std::string_view path, int flags, Inode*& inode) const {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_FOLLOW)) != 0) return -EINVAL;
  if (path.empty()) {
    if ((flags & AT_EMPTY_PATH) == 0) return -ENOENT;
    const Description* const description = description_of(from);
    if (description == nullptr) return -EBADF;
    if (!options_.link_by_descriptor) return -ENOENT;
    inode = description->inode.get();
    return 0;
  }
  if ((flags & AT_SYMLINK_FOLLOW) != 0 && path.starts_with(descriptor_links)) {
    path.remove_prefix(descriptor_links.size());
    int fd = -1;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), fd);
    if (error != std::errc{} || end != path.data() + path.size()) return -ENOENT;
    const Description* const description = description_of(fd);
    if (description == nullptr) return -ENOENT;
    inode = description->inode.get();
    return 0;
  }
  return find_inode(from, path, inode);
}

int SimulatedDisk::linkat(int from, std::string_view old_path, int to, std::string_view new_path,
                          int flags) {
  Inode* inode = nullptr;
  if (const int error = find_linked(from, old_path, flags, inode)) return error;
  Place place;
  if (const int error = find_place(to, new_path, place)) return error;
  if (const int error = may_create(place)) return error;
  if (&inode->volume != &place.directory->volume) return -EXDEV;
  if (inode->is_directory() || !inode->volume.options().hard_links) return -EPERM;
  if (inode->links == 0 && !inode->linkable) return -ENOENT;
  if (inode->links >= links_max) return -EMLINK;
  set_name(place, inode->shared_from_this());
  return 0;
}

int SimulatedDisk::renameat2(int from, std::string_view old_path, int to, std::string_view new_path,
                             unsigned flags) {
  Place old_place;
  Place new_place;
  if (const int error = find_place(from, old_path, old_place)) return error;
  if (const int error = find_place(to, new_path, new_place)) return error;
  Volume& volume = old_place.directory->volume;
  if (&volume != &new_place.directory->volume) return -EXDEV;
  if (volume.read_only()) return -EROFS;
  if (old_place.inode == nullptr || new_place.directory->directory.removed) return -ENOENT;
  if (new_place.inode != nullptr && (flags & RENAME_NOREPLACE) != 0) return -EEXIST;
  if ((flags & ~unsigned{RENAME_NOREPLACE}) != 0) return -EINVAL;
  if (flags != 0 && !volume.options().rename_noreplace) return -EINVAL;
  GP_CHECK(!old_place.inode->is_directory());  // renamed directories are not modelled
  if (new_place.inode == old_place.inode) return 0;
  if (new_place.inode != nullptr && new_place.inode->is_directory()) return -EISDIR;
  const std::time_t time = now();
  for (Inode* inode : {old_place.directory, new_place.directory, old_place.inode}) {
    inode->changed_at = time;
  }
  volume.move_name(*old_place.directory, old_place.name, *new_place.directory, new_place.name);
  return 0;
}

int SimulatedDisk::unlinkat(int directory, std::string_view path, int flags) {
  if ((flags & ~AT_REMOVEDIR) != 0) return -EINVAL;
  Place place;
  if (const int error = find_place(directory, path, place)) return error;
  if ((flags & AT_REMOVEDIR) != 0) return remove_directory(place);
  if (place.inode == nullptr) return -ENOENT;
  if (place.inode->is_directory()) return -EISDIR;
  if (place.directory->volume.read_only()) return -EROFS;
  set_name(place, nullptr);
  return 0;
}

int SimulatedDisk::rmdir(std::string_view path) {
  return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int SimulatedDisk::remove_directory(const Place& place) {
  if (place.inode == nullptr) return -ENOENT;
  if (!place.inode->is_directory()) return -ENOTDIR;
  if (place.name == ".") return -EINVAL;
  if (place.name == "..") return -ENOTEMPTY;
  if (is_mount_root(*place.inode)) return -EBUSY;
  if (place.directory->volume.read_only()) return -EROFS;
  if (!place.inode->directory.names.empty()) return -ENOTEMPTY;
  set_name(place, nullptr);
  return 0;
}

int SimulatedDisk::remove_tree(std::string_view path) {
  Place place;
  if (const int error = find_place(AT_FDCWD, path, place)) return error;
  if (place.inode == nullptr) return -ENOENT;
  if (!place.inode->is_directory()) return -ENOTDIR;
  if (const int error = remove_below(*place.inode)) return error;
  return remove_directory(place);
}

int SimulatedDisk::remove_below(Inode& directory) {
  if (directory.volume.read_only()) return -EROFS;
  auto& names = directory.directory.names;
  while (!names.empty()) {
    const std::string name = names.begin()->first;
    const Place place{&directory, name, child_of(directory, name)};
    if (!place.inode->is_directory()) {
      set_name(place, nullptr);
      continue;
    }
    if (is_mount_root(*place.inode)) return -EBUSY;
    if (const int error = remove_below(*place.inode)) return error;
    if (const int error = remove_directory(place)) return error;
  }
  return 0;
}

int SimulatedDisk::stat(std::string_view path, struct stat* info) const {
  return fstatat(AT_FDCWD, path, info, 0);
}

int SimulatedDisk::fstat(int fd, struct stat* info) const {
  const Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  fill(*description->inode, info);
  return 0;
}

int SimulatedDisk::fstatat(int directory, std::string_view path, struct stat* info,
                           int flags) const {
  if (path.empty() && (flags & AT_EMPTY_PATH) != 0) return fstat(directory, info);
  Inode* inode = nullptr;
  if (const int error = find_inode(directory, path, inode)) return error;
  fill(*inode, info);
  return 0;
}

int SimulatedDisk::statvfs(std::string_view path, struct statvfs* info) const {
  Inode* inode = nullptr;
  if (const int error = find_inode(AT_FDCWD, path, inode)) return error;
  fill(inode->volume, info);
  return 0;
}

int SimulatedDisk::fstatvfs(int fd, struct statvfs* info) const {
  const Description* const description = description_of(fd);
  if (description == nullptr) return -EBADF;
  fill(description->inode->volume, info);
  return 0;
}

std::vector<std::string> SimulatedDisk::list_directory(int fd) const {
  const Description* const description = description_of(fd);
  if (description == nullptr || !description->inode->is_directory()) return {};
  const DirectoryState& directory = description->inode->directory;
  if (directory.removed) return {};
  std::vector<std::string> names{".", ".."};
  names.reserve(directory.names.size() + names.size());
  for (const auto& [name, inode] : directory.names) names.push_back(name);
  return names;
}

std::vector<DiskFile> SimulatedDisk::files_below(std::string_view path) const {
  std::vector<DiskFile> files;
  Inode* inode = nullptr;
  if (find_inode(AT_FDCWD, path, inode) != 0 || !inode->is_directory()) return files;
  collect(*inode, without_last_slash(path), files);
  sort_by_path(files);
  return files;
}

std::vector<DiskFile> SimulatedDisk::durable_files_below(std::string_view path) const {
  std::vector<DiskFile> files;
  CertainTree tree;
  Inode* inode = &volumes_.front()->root();
  std::string_view rest = path;
  for (auto name = next_component(rest); !name.empty(); name = next_component(rest)) {
    inode = tree.child_of(*inode, name);
    if (inode == nullptr) return files;
  }
  if (!inode->is_directory()) return files;
  tree.collect(*inode, without_last_slash(path), files);
  sort_by_path(files);
  return files;
}

void SimulatedDisk::set_capacity(std::string_view mount, std::uint64_t bytes) {
  volume_of(mount).options().capacity_bytes = bytes;
}

void SimulatedDisk::set_quota(std::string_view mount, std::optional<std::uint64_t> bytes) {
  volume_of(mount).set_quota(bytes);
}

void SimulatedDisk::set_read_only(std::string_view mount, bool read_only) {
  volume_of(mount).set_read_only(read_only);
}

void SimulatedDisk::set_failures(std::string_view mount, const FailureChances& failures) {
  volume_of(mount).options().failures = failures;
}

void SimulatedDisk::fail_next_writeback(std::string_view mount, int error, unsigned times) {
  volume_of(mount).fail_data(error, times);
}

void SimulatedDisk::fail_next_sync_of(std::string name, int error) {
  failing_name_ = std::move(name);
  failing_error_ = error;
}

void SimulatedDisk::fail_next_metadata(std::string_view mount, int error, unsigned times) {
  volume_of(mount).fail_metadata(error, times);
}

}  // namespace gatepost::simulation
