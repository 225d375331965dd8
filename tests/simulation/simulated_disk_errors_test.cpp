// The errors of writeback on the simulated disk.

#include <gtest/gtest.h>

#include "simulation/simulated_disk.hpp"
#include "simulation/simulated_disk_harness.hpp"

namespace gatepost::simulation {
namespace {

TEST(SimulatedDisk, AFailedFsyncLosesTheDataThoughTheNextOneSucceeds) {
  for (const MountKind kind : kinds) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      TestDisk disk(kind, seed);
      const std::string content = some_content(10'000);
      const int fd = disk.create(disk.fresh, "a");
      disk.write(fd, content);
      disk.fail_next_writeback("/mail", EIO);
      EXPECT_EQ(disk.fsync(fd), -EIO);
      EXPECT_EQ(disk.fsync(fd), 0);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
      EXPECT_EQ(disk.syncfs(disk.root), -EIO);
      EXPECT_EQ(disk.syncfs(disk.root), 0);
      EXPECT_EQ(disk.read(fd), content);
      Random random(seed);
      disk.power_failure(random);
      const auto left = content_of(disk.files_below("/mail"), "/mail/new/a");
      ASSERT_TRUE(left);
      EXPECT_EQ(left->find_first_not_of('\0'), std::string::npos);
    }
  }
}

TEST(SimulatedDisk, OnlyTheNextSyncOfADirectoryOfThatNameFails) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    disk.create(disk.tmp, "a");
    disk.create(disk.fresh, "a");
    disk.fail_next_sync_of("new", EIO);
    EXPECT_EQ(disk.fsync(disk.tmp), 0);
    EXPECT_EQ(disk.fsync(disk.fresh), -EIO);
    disk.create(disk.fresh, "b");
    EXPECT_EQ(disk.fsync(disk.fresh), 0);
    Random random(1);
    disk.power_failure(random);
    EXPECT_TRUE(content_of(disk.files_below("/mail"), "/mail/new/b"));
    // Without a journal the change that failed is lost; with one it is committed by the next call.
    EXPECT_EQ(content_of(disk.files_below("/mail"), "/mail/new/a").has_value(),
              kind == MountKind::journaled);
  }
}

TEST(SimulatedDisk, APageThatWasLostIsWrittenAgainWhenItChanges) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    const int fd = disk.create(disk.fresh, "a");
    disk.write(fd, "lost ");
    disk.fail_next_writeback("/mail", EIO);
    EXPECT_EQ(disk.fsync(fd), -EIO);
    disk.write(fd, "found");
    EXPECT_EQ(disk.fsync(fd), 0);
    EXPECT_EQ(disk.fsync(disk.fresh), 0);
    Random random(1);
    disk.power_failure(random);
    EXPECT_EQ(disk.files_below("/mail"), (std::vector<DiskFile>{{"/mail/new/a", "lost found"}}));
  }
}

TEST(SimulatedDisk, EachDescriptionIsToldOnceOfAnError) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    const int first = disk.create(disk.fresh, "a");
    const int second = disk.open("/mail/new/a", O_RDONLY);
    disk.write(first, "text");
    disk.fail_next_writeback("/mail", ENOSPC);
    EXPECT_EQ(disk.syncfs(disk.root), -ENOSPC);
    EXPECT_EQ(disk.syncfs(disk.root), 0);
    EXPECT_EQ(disk.syncfs(disk.tmp), -ENOSPC);
    EXPECT_EQ(disk.fsync(first), -ENOSPC);
    EXPECT_EQ(disk.fsync(first), 0);
    EXPECT_EQ(disk.sync_file_range(second, 0, 0, write_and_wait), -ENOSPC);
    EXPECT_EQ(disk.fsync(second), 0);
    // Who comes when it has been seen is not told, in contrast to who comes before.
    EXPECT_EQ(disk.fsync(disk.open("/mail/new/a", O_RDONLY)), 0);
    disk.write(first, "more");
    disk.fail_next_writeback("/mail", EDQUOT);
    EXPECT_EQ(disk.sync_file_range(first, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    Random random(1);
    for (int i = 0; i < 100; ++i) disk.background_step(random);
    const int third = disk.open("/mail/new/a", O_RDONLY);
    EXPECT_EQ(disk.fsync(third), -EDQUOT);
    EXPECT_EQ(disk.fsync(second), -EDQUOT);
    EXPECT_EQ(disk.fsync(first), -EDQUOT);
    EXPECT_EQ(disk.syncfs(disk.fresh), -EDQUOT);  // the latest of both
    EXPECT_EQ(disk.syncfs(disk.fresh), 0);
    // The same error again is another one to all of them.
    disk.write(first, "more");
    disk.fail_next_writeback("/mail", EDQUOT);
    for (const int fd : {first, second, third}) {
      EXPECT_EQ(disk.fsync(fd), -EDQUOT);
      EXPECT_EQ(disk.fsync(fd), 0);
    }
  }
}

TEST(SimulatedDisk, WritebackThatIsBegunOnlyFailsWhereItIsWaitedFor) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    const int fd = disk.create_unnamed();
    disk.write(fd, some_content(9000));
    EXPECT_EQ(disk.sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    disk.fail_next_writeback("/mail", EIO);
    EXPECT_EQ(disk.sync_file_range(fd, 0, 0, write_and_wait), -EIO);
    EXPECT_EQ(disk.sync_file_range(fd, 0, 0, write_and_wait), 0);
    EXPECT_EQ(disk.sync_file_range(fd, -1, 0, write_and_wait), -EINVAL);
    EXPECT_EQ(disk.sync_file_range(fd, 0, 0, 8), -EINVAL);
  }
}

TEST(SimulatedDisk, AFailedDirectoryIsLostWithoutAJournalThoughTheNextFsyncSucceeds) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    TestDisk disk(seed % 2 == 0 ? MountKind::generic : MountKind::unjournaled, seed);
    EXPECT_EQ(disk.fsync(disk.create(disk.fresh, "a")), 0);
    disk.fail_next_metadata("/mail", EIO);
    EXPECT_EQ(disk.fsync(disk.fresh), -EIO);
    EXPECT_EQ(disk.fsync(disk.fresh), 0);
    EXPECT_EQ(disk.files_below("/mail").size(), 1u);
    Random random(seed);
    disk.power_failure(random);
    EXPECT_TRUE(disk.files_below("/mail").empty());
  }
}

TEST(SimulatedDisk, AJournalThatFailsMayMakeTheMountReadOnly) {
  for (const AfterMetadataError after : {AfterMetadataError::goes_on, AfterMetadataError::read_only,
                                         AfterMetadataError::read_only_unreported}) {
    MountOptions mount;
    mount.after_metadata_error = after;
    TestDisk disk(MountKind::journaled, 1, mount);
    disk.create(disk.fresh, "a");
    disk.fail_next_metadata("/mail", EIO);
    EXPECT_EQ(disk.syncfs(disk.root), after == AfterMetadataError::read_only_unreported ? 0 : -EIO);
    EXPECT_EQ(disk.syncfs(disk.root), 0);
    struct statvfs info {};
    ASSERT_EQ(disk.fstatvfs(disk.root, &info), 0);
    const bool goes_on = after == AfterMetadataError::goes_on;
    EXPECT_EQ((info.f_flag & ST_RDONLY) == 0, goes_on);
    EXPECT_EQ(disk.fsync(disk.fresh), goes_on ? 0 : -EROFS);
    EXPECT_EQ(disk.durable_files_below("/mail").size(), goes_on ? 1u : 0u);
    Random random(1);
    disk.power_failure(random);
    EXPECT_EQ(disk.mkdir("/mail/again"), 0);
  }
}

TEST(SimulatedDisk, ChanceFailsWritebackAndLosesSomePages) {
  MountOptions mount;
  mount.failures.data_once_in = 3;
  int failed = 0;
  int partly = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    TestDisk disk(MountKind::journaled, seed, mount);
    const std::string content = some_content(16 * 4096);
    const int fd = disk.create(disk.fresh, "a");
    disk.write(fd, content);
    if (disk.fsync(fd) == 0) continue;
    ++failed;
    EXPECT_EQ(disk.fsync(fd), 0);
    EXPECT_EQ(disk.fsync(disk.fresh), 0);
    Random random(seed);
    disk.power_failure(random);
    const std::string left = content_of(disk.files_below("/mail"), "/mail/new/a").value();
    EXPECT_NE(left, content);
    partly += left.find('b') != std::string::npos;
  }
  EXPECT_GT(failed, 20);
  EXPECT_LT(failed, 150);
  EXPECT_GT(partly, 20);
}

}  // namespace
}  // namespace gatepost::simulation
