// The calls of the simulated disk.

#include "simulation/simulated_disk.hpp"

#include <gtest/gtest.h>
#include <linux/fs.h>

#include <set>

#include "simulation/simulated_disk_harness.hpp"

namespace gatepost::simulation {
namespace {

TEST(SimulatedDisk, OpenSaysWhatIsWrong) {
  TestDisk disk(MountKind::generic);
  const int file = disk.create(disk.fresh, "a");
  EXPECT_EQ(disk.openat(disk.fresh, "a", O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
  EXPECT_EQ(disk.openat(disk.fresh, "b", O_RDWR), -ENOENT);
  EXPECT_EQ(disk.open("/mail/none/b", O_CREAT | O_RDWR, 0600), -ENOENT);
  EXPECT_EQ(disk.open("/mail/new/a/b", O_CREAT | O_RDWR, 0600), -ENOTDIR);
  EXPECT_EQ(disk.open("/mail/new/a", O_RDONLY | O_DIRECTORY), -ENOTDIR);
  EXPECT_EQ(disk.open("/mail/new", O_RDWR), -EISDIR);
  EXPECT_EQ(disk.openat(disk.tmp, ".", O_TMPFILE | O_RDONLY, 0600), -EINVAL);
  EXPECT_EQ(disk.openat(file, "b", O_CREAT | O_RDWR, 0600), -ENOTDIR);
  EXPECT_EQ(disk.openat(disk.fresh, std::string(256, 'n'), O_CREAT | O_RDWR, 0600), -ENAMETOOLONG);
  EXPECT_EQ(disk.openat(7, "b", O_RDONLY), -EBADF);
  EXPECT_EQ(disk.open("", O_RDONLY), -ENOENT);
}

TEST(SimulatedDisk, DescriptorsBeginAtTheirBaseAndAreLimited) {
  DiskOptions options = TestDisk::options(MountKind::generic, 1);
  options.first_descriptor = 5000;
  options.descriptors_max = 5;
  TestDisk disk(options);
  EXPECT_EQ(disk.open_descriptors(), (std::vector{5000, 5001, 5002}));
  EXPECT_TRUE(disk.owns(5000));
  EXPECT_FALSE(disk.owns(4999));
  EXPECT_EQ(disk.create(disk.fresh, "a"), 5003);
  EXPECT_EQ(disk.create(disk.fresh, "b"), 5004);
  EXPECT_EQ(disk.openat(disk.fresh, "c", O_CREAT | O_RDWR, 0600), -EMFILE);
  EXPECT_EQ(disk.close(5003), 0);
  EXPECT_EQ(disk.close(5001), 0);
  EXPECT_EQ(disk.close(5001), -EBADF);
  EXPECT_EQ(disk.open("/mail/new/b", O_RDONLY), 5001);
}

TEST(SimulatedDisk, DirectoriesAreMadeOneByOne) {
  TestDisk disk(MountKind::journaled);
  EXPECT_EQ(disk.mkdir("/mail/x/new"), -ENOENT);
  EXPECT_EQ(disk.mkdir("/mail/x"), 0);
  EXPECT_EQ(disk.mkdir("/mail/x"), -EEXIST);
  EXPECT_EQ(disk.mkdir("/mail/x/"), -EEXIST);
  EXPECT_EQ(disk.mkdir("/"), -EEXIST);
  disk.create(disk.fresh, "a");
  EXPECT_EQ(disk.mkdir("/mail/new/a/b"), -ENOTDIR);
  struct stat info {};
  EXPECT_EQ(disk.stat("/mail/x/../new/./a", &info), 0);
  EXPECT_EQ(disk.stat("/mail/../mail/x/", &info), 0);
  EXPECT_TRUE(S_ISDIR(info.st_mode));
  EXPECT_EQ(disk.stat("/mail/new/a/", &info), -ENOTDIR);
}

TEST(SimulatedDisk, StatTellsOfSizeLinksAndTime) {
  DiskOptions options = TestDisk::options(MountKind::journaled, 1);
  std::time_t time = 100;
  options.now = [&] { return time; };
  TestDisk disk(options);
  const int fd = disk.create(disk.fresh, "a");
  time = 200;
  EXPECT_EQ(disk.write(fd, some_content(5000)), 5000);
  struct stat info {};
  ASSERT_EQ(disk.fstat(fd, &info), 0);
  EXPECT_EQ(info.st_size, 5000);
  EXPECT_EQ(info.st_nlink, 1u);
  EXPECT_EQ(info.st_ctime, 200);
  EXPECT_EQ(info.st_mode, mode_t{S_IFREG | 0600});
  EXPECT_EQ(disk.linkat(disk.fresh, "a", disk.tmp, "b", 0), 0);
  struct stat other {};
  ASSERT_EQ(disk.fstatat(disk.tmp, "b", &other, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(other.st_nlink, 2u);
  EXPECT_EQ(other.st_ino, info.st_ino);
  EXPECT_EQ(other.st_dev, info.st_dev);
  ASSERT_EQ(disk.stat("/", &other), 0);
  EXPECT_NE(other.st_dev, info.st_dev);
  EXPECT_EQ(disk.fstatat(disk.tmp, "c", &other, 0), -ENOENT);
}

TEST(SimulatedDisk, FilesAreWrittenAndRead) {
  TestDisk disk(MountKind::generic);
  const int fd = disk.create(disk.fresh, "a");
  char one[] = "one ";
  char two[] = "two";
  const iovec vectors[] = {{one, 4}, {two, 3}};
  EXPECT_EQ(disk.writev(fd, vectors, 2), 7);
  disk.shorten_next_write(5);
  EXPECT_EQ(disk.writev(fd, vectors, 2), 5);
  EXPECT_EQ(disk.read(fd), "one twoone t");
  char some[3];
  EXPECT_EQ(disk.pread(fd, some, 3, 4), 3);
  EXPECT_EQ(std::string(some, 3), "two");
  EXPECT_EQ(disk.pread(fd, some, 3, 12), 0);
  EXPECT_EQ(disk.pread(disk.fresh, some, 3, 0), -EISDIR);
  const int reader = disk.open("/mail/new/a", O_RDONLY);
  EXPECT_EQ(disk.writev(reader, vectors, 2), -EBADF);
  EXPECT_EQ(disk.files_below("/mail"), (std::vector<DiskFile>{{"/mail/new/a", "one twoone t"}}));
}

TEST(SimulatedDisk, ChanceMakesWritesShort) {
  MountOptions mount;
  mount.failures.short_write_once_in = 2;
  TestDisk disk(MountKind::generic, 1, mount);
  const int fd = disk.create(disk.fresh, "a");
  std::set<ssize_t> sizes;
  for (int i = 0; i < 100; ++i) sizes.insert(disk.write(fd, "0123456789"));
  EXPECT_GT(sizes.size(), 3u);
  EXPECT_EQ(*sizes.rbegin(), 10);
  EXPECT_GE(*sizes.begin(), 1);
}

TEST(SimulatedDisk, UnnamedFilesAreLinked) {
  TestDisk disk(MountKind::journaled);
  const int fd = disk.create_unnamed();
  disk.write(fd, "text");
  EXPECT_TRUE(disk.files_below("/mail").empty());
  EXPECT_EQ(disk.linkat(fd, "", disk.fresh, "a", 0), -ENOENT);
  EXPECT_EQ(disk.link(fd, disk.fresh, "a"), 0);
  EXPECT_EQ(disk.link(fd, disk.fresh, "a"), -EEXIST);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  EXPECT_EQ(disk.linkat(AT_FDCWD, path, disk.fresh, "b", AT_SYMLINK_FOLLOW), 0);
  EXPECT_EQ(disk.linkat(AT_FDCWD, "/proc/self/fd/7", disk.fresh, "c", AT_SYMLINK_FOLLOW), -ENOENT);
  EXPECT_EQ(disk.files_below("/mail"),
            (std::vector<DiskFile>{{"/mail/new/a", "text"}, {"/mail/new/b", "text"}}));
  // Once it had a name and has none any more, it cannot come back.
  EXPECT_EQ(disk.unlinkat(disk.fresh, "a", 0), 0);
  EXPECT_EQ(disk.unlinkat(disk.fresh, "b", 0), 0);
  EXPECT_EQ(disk.link(fd, disk.fresh, "c"), -ENOENT);
}

TEST(SimulatedDisk, LinksHaveTheirConditions) {
  DiskOptions options = TestDisk::options(MountKind::journaled, 1);
  MountOptions plain;
  plain.path = "/plain";
  plain.kind = MountKind::generic;
  plain.unnamed_files = plain.hard_links = plain.rename_noreplace = false;
  options.mounts.push_back(plain);
  options.link_by_descriptor = false;
  TestDisk disk(options);
  const int fd = disk.create_unnamed();
  EXPECT_EQ(disk.link(fd, disk.fresh, "a"), -ENOENT);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int other = disk.open_directory("/plain");
  EXPECT_EQ(disk.linkat(AT_FDCWD, path, other, "a", AT_SYMLINK_FOLLOW), -EXDEV);
  EXPECT_EQ(disk.openat(other, ".", O_TMPFILE | O_RDWR, 0600), -EOPNOTSUPP);
  disk.create(other, "a");
  EXPECT_EQ(disk.linkat(other, "a", other, "b", 0), -EPERM);
  EXPECT_EQ(disk.linkat(disk.root, "tmp", disk.fresh, "b", 0), -EPERM);
  EXPECT_EQ(disk.renameat2(other, "a", other, "b", RENAME_NOREPLACE), -EINVAL);
  EXPECT_EQ(disk.renameat(other, "a", other, "b"), 0);
  EXPECT_EQ(disk.renameat(other, "b", disk.fresh, "b"), -EXDEV);
  EXPECT_EQ(disk.kind_of(other), MountKind::generic);
  EXPECT_EQ(disk.kind_of(fd), MountKind::journaled);
}

TEST(SimulatedDisk, RenameMovesAndReplaces) {
  TestDisk disk(MountKind::unjournaled);
  disk.write(disk.create(disk.tmp, "a"), "A");
  disk.write(disk.create(disk.fresh, "b"), "B");
  EXPECT_EQ(disk.renameat2(disk.tmp, "a", disk.fresh, "b", RENAME_NOREPLACE), -EEXIST);
  EXPECT_EQ(disk.renameat2(disk.tmp, "none", disk.fresh, "c", 0), -ENOENT);
  EXPECT_EQ(disk.renameat(disk.tmp, "a", disk.fresh, "b"), 0);
  EXPECT_EQ(disk.files_below("/mail/"), (std::vector<DiskFile>{{"/mail/new/b", "A"}}));
  EXPECT_EQ(disk.renameat2(disk.fresh, "b", disk.tmp, "c", RENAME_NOREPLACE), 0);
  EXPECT_EQ(disk.unlinkat(disk.fresh, "b", 0), -ENOENT);
  EXPECT_EQ(disk.unlinkat(disk.root, "tmp", 0), -EISDIR);
}

TEST(SimulatedDisk, ARemovedMaildirTakesNothingMore) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    disk.create(disk.fresh, "a");
    const int unnamed = disk.create_unnamed();
    const int file = disk.create(disk.tmp, "b");
    EXPECT_EQ(disk.rmdir("/mail/new"), -ENOTEMPTY);
    EXPECT_EQ(disk.remove_tree("/mail/new"), 0);
    EXPECT_EQ(disk.remove_tree("/mail/tmp"), 0);
    EXPECT_EQ(disk.remove_tree("/mail"), -EBUSY);
    EXPECT_EQ(disk.link(unnamed, disk.fresh, "a"), -ENOENT);
    EXPECT_EQ(disk.renameat(disk.tmp, "b", disk.fresh, "b"), -ENOENT);
    EXPECT_EQ(disk.openat(disk.tmp, "c", O_CREAT | O_RDWR, 0600), -ENOENT);
    EXPECT_EQ(disk.openat(disk.tmp, ".", O_TMPFILE | O_RDWR, 0600),
              kind == MountKind::generic ? -ENOENT : -EPERM);
    EXPECT_TRUE(disk.list_directory(disk.fresh).empty());
    EXPECT_EQ(disk.write(file, "text"), 4);
    EXPECT_EQ(disk.read(file), "text");
    EXPECT_EQ(disk.fsync(disk.fresh), 0);
    EXPECT_EQ(disk.mkdir("/mail/new"), 0);
    struct stat old_info {
    }, new_info{};
    EXPECT_EQ(disk.fstat(disk.fresh, &old_info), 0);
    EXPECT_EQ(disk.stat("/mail/new", &new_info), 0);
    EXPECT_NE(old_info.st_ino, new_info.st_ino);
    EXPECT_EQ(old_info.st_nlink, 0u);
  }
}

TEST(SimulatedDisk, DirectoriesAreListedInOrder) {
  TestDisk disk(MountKind::generic);
  for (const char* name : {"c", "a", "b"}) disk.create(disk.fresh, name);
  EXPECT_EQ(disk.list_directory(disk.fresh), (std::vector<std::string>{".", "..", "a", "b", "c"}));
  EXPECT_TRUE(disk.list_directory(7).empty());
}

TEST(SimulatedDisk, AFullDiskTakesWhatFitsAndIsRelieved) {
  MountOptions mount;
  mount.capacity_bytes = 4 * 4096;
  mount.inodes = 6;  // three directories and three files
  TestDisk disk(MountKind::journaled, 1, mount);
  const int fd = disk.create(disk.fresh, "a");
  EXPECT_EQ(disk.write(fd, some_content(100)), 100);
  EXPECT_EQ(disk.write(fd, some_content(20'000)), 4 * 4096 - 100);
  EXPECT_EQ(disk.write(fd, "x"), -ENOSPC);
  struct statvfs info {};
  ASSERT_EQ(disk.statvfs("/mail/new", &info), 0);
  EXPECT_EQ(info.f_bavail, 0u);
  EXPECT_EQ(info.f_favail, 2u);
  disk.set_capacity("/mail", 5 * 4096);
  EXPECT_EQ(disk.write(fd, "x"), 1);
  disk.set_quota("/mail", 5 * 4096);
  disk.set_capacity("/mail", 100 * 4096);
  EXPECT_EQ(disk.write(fd, some_content(4096)), 4095);
  EXPECT_EQ(disk.write(fd, "x"), -EDQUOT);
  ASSERT_EQ(disk.fstatvfs(fd, &info), 0);
  EXPECT_EQ(info.f_bavail * info.f_frsize, 95u * 4096);
  disk.create(disk.fresh, "b");
  const int last = disk.create_unnamed();
  EXPECT_EQ(disk.openat(disk.fresh, "d", O_CREAT | O_RDWR, 0600), -ENOSPC);
  EXPECT_EQ(disk.mkdir("/mail/x"), -ENOSPC);
  EXPECT_EQ(disk.close(last), 0);
  EXPECT_EQ(disk.mkdir("/mail/x"), 0);
  // Room comes back with the last of name and descriptor.
  EXPECT_EQ(disk.unlinkat(disk.fresh, "a", 0), 0);
  ASSERT_EQ(disk.fstatvfs(fd, &info), 0);
  EXPECT_EQ(info.f_bavail, 95u);
  EXPECT_EQ(disk.close(fd), 0);
  ASSERT_EQ(disk.statvfs("/mail", &info), 0);
  EXPECT_EQ(info.f_bavail, 100u);
}

TEST(SimulatedDisk, AReadOnlyMountRefusesChanges) {
  TestDisk disk(MountKind::journaled);
  const int fd = disk.create(disk.fresh, "a");
  disk.set_read_only("/mail", true);
  struct statvfs info {};
  ASSERT_EQ(disk.fstatvfs(fd, &info), 0);
  EXPECT_NE(info.f_flag & ST_RDONLY, 0u);
  EXPECT_EQ(disk.write(fd, "x"), -EROFS);
  EXPECT_EQ(disk.openat(disk.fresh, "b", O_CREAT | O_RDWR, 0600), -EROFS);
  EXPECT_EQ(disk.openat(disk.tmp, ".", O_TMPFILE | O_RDWR, 0600), -EROFS);
  EXPECT_EQ(disk.openat(disk.fresh, "a", O_RDWR), -EROFS);
  EXPECT_GE(disk.openat(disk.fresh, "a", O_RDONLY), 0);
  EXPECT_EQ(disk.linkat(disk.fresh, "a", disk.fresh, "b", 0), -EROFS);
  EXPECT_EQ(disk.renameat(disk.fresh, "a", disk.fresh, "b"), -EROFS);
  EXPECT_EQ(disk.unlinkat(disk.fresh, "a", 0), -EROFS);
  EXPECT_EQ(disk.mkdir("/mail/x"), -EROFS);
  EXPECT_EQ(disk.mkdir("/mail/new"), -EEXIST);
  EXPECT_EQ(disk.remove_tree("/mail/new"), -EROFS);
  EXPECT_EQ(disk.fsync(fd), -EROFS);
  EXPECT_EQ(disk.syncfs(fd), 0);
  disk.set_read_only("/mail", false);
  EXPECT_EQ(disk.write(fd, "x"), 1);
}

TEST(SimulatedDisk, AKilledProcessLosesDescriptorsAndUnnamedFilesOnly) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    disk.write(disk.create(disk.fresh, "a"), "text");
    disk.write(disk.create_unnamed(), "text");
    disk.write(disk.create(disk.tmp, "b"), "text");
    EXPECT_EQ(disk.unlinkat(disk.tmp, "b", 0), 0);
    disk.process_killed();
    EXPECT_TRUE(disk.open_descriptors().empty());
    EXPECT_EQ(disk.files_below("/mail"), (std::vector<DiskFile>{{"/mail/new/a", "text"}}));
    struct statvfs info {};
    ASSERT_EQ(disk.statvfs("/mail", &info), 0);
    EXPECT_EQ(info.f_blocks - info.f_bfree, 1u);
    EXPECT_EQ(info.f_files - info.f_ffree, 4u);
  }
}

}  // namespace
}  // namespace gatepost::simulation
