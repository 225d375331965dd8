// What a power failure leaves on the simulated disk.

#include <gtest/gtest.h>
#include <linux/fs.h>

#include <functional>
#include <set>

#include "simulation/simulated_disk.hpp"
#include "simulation/simulated_disk_harness.hpp"

namespace gatepost::simulation {
namespace {

constexpr const char* name_in_new = "/mail/new/a";

// How often /mail/new/a came back, over all seeds, after something was done.
struct Outcome {
  std::uint64_t whole = 0;
  std::uint64_t absent = 0;
  std::uint64_t empty = 0;
  std::uint64_t cut = 0;    // the beginning of its content
  std::uint64_t zeros = 0;  // some octets are zero
  std::uint64_t named() const { return whole + empty + cut + zeros; }
};

Outcome after_power_failures(MountKind kind, const std::string& content,
                             const std::function<void(TestDisk&)>& act) {
  Outcome outcome;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    TestDisk disk(kind, seed);
    EXPECT_EQ(disk.fsync(disk.root), 0);
    act(disk);
    const auto durable = content_of(disk.durable_files_below("/mail"), name_in_new);
    Random random(seed);
    disk.power_failure(random);
    EXPECT_TRUE(disk.open_descriptors().empty());
    EXPECT_EQ(disk.files_below("/"), disk.durable_files_below("/"));
    const auto left = content_of(disk.files_below("/mail"), name_in_new);
    if (durable) {
      EXPECT_TRUE(left && left->starts_with(*durable));
    }
    if (!left) {
      ++outcome.absent;
    } else if (*left == content) {
      ++outcome.whole;
    } else if (left->empty()) {
      ++outcome.empty;
    } else if (content.starts_with(*left)) {
      ++outcome.cut;
    } else {
      EXPECT_NE(left->find('\0'), std::string::npos);
      EXPECT_LE(left->size(), content.size());
      ++outcome.zeros;
    }
  }
  return outcome;
}

TEST(SimulatedDiskCrash, AnUnsyncedNameMaySurviveAndASyncedOneDoes) {
  for (const MountKind kind : kinds) {
    const Outcome unsynced = after_power_failures(kind, "text", [](TestDisk& disk) {
      const int fd = disk.create(disk.fresh, "a");
      disk.write(fd, "text");
      if (disk.kind_of(fd) != MountKind::journaled) {
        EXPECT_EQ(disk.fsync(fd), 0);
      }
      EXPECT_TRUE(disk.durable_files_below("/mail").empty());
    });
    EXPECT_GT(unsynced.named(), 20u);
    EXPECT_GT(unsynced.absent, 20u);
    const Outcome synced = after_power_failures(kind, "text", [](TestDisk& disk) {
      const int fd = disk.create(disk.fresh, "a");
      disk.write(fd, "text");
      EXPECT_EQ(disk.fsync(fd), 0);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
      EXPECT_EQ(disk.durable_files_below("/mail"), (std::vector<DiskFile>{{name_in_new, "text"}}));
    });
    EXPECT_EQ(synced.whole, seeds);
  }
}

TEST(SimulatedDiskCrash, UnsyncedContentIsTorn) {
  const std::string content = some_content(5 * 4096 + 100);
  for (const MountKind kind : {MountKind::generic, MountKind::unjournaled}) {
    const Outcome outcome = after_power_failures(kind, content, [&](TestDisk& disk) {
      disk.write(disk.create(disk.fresh, "a"), content);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
    });
    EXPECT_EQ(outcome.absent, 0u);
    EXPECT_GT(outcome.whole, 0u);
    EXPECT_GT(outcome.empty, 10u);
    EXPECT_GT(outcome.cut, 0u);
    EXPECT_GT(outcome.zeros, 30u);
  }
}

TEST(SimulatedDiskCrash, WhatWasSyncedStaysWhenMoreIsWritten) {
  for (const MountKind kind : kinds) {
    const std::string content = some_content(3 * 4096);
    const std::string synced = content.substr(0, 5000);
    after_power_failures(kind, content, [&](TestDisk& disk) {
      const int fd = disk.create(disk.fresh, "a");
      disk.write(fd, synced);
      EXPECT_EQ(disk.fsync(fd), 0);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
      disk.write(fd, content.substr(synced.size()));
      EXPECT_EQ(content_of(disk.durable_files_below("/mail/new"), name_in_new), synced);
    });
  }
}

TEST(SimulatedDiskCrash, ARemovedNameMayComeBackUntilItIsSynced) {
  for (const MountKind kind : kinds) {
    const auto write_and_remove = [](TestDisk& disk) {
      const int fd = disk.create(disk.fresh, "a");
      disk.write(fd, "text");
      EXPECT_EQ(disk.fsync(fd), 0);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
      EXPECT_EQ(disk.close(fd), 0);
      EXPECT_EQ(disk.unlinkat(disk.fresh, "a", 0), 0);
      EXPECT_TRUE(disk.durable_files_below("/mail").empty());
    };
    const Outcome unsynced = after_power_failures(kind, "text", write_and_remove);
    EXPECT_GT(unsynced.whole, 20u);
    EXPECT_GT(unsynced.absent, 20u);
    EXPECT_EQ(unsynced.whole + unsynced.absent, seeds);
    const Outcome synced = after_power_failures(kind, "text", [&](TestDisk& disk) {
      write_and_remove(disk);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
    });
    EXPECT_EQ(synced.absent, seeds);
  }
}

TEST(SimulatedDiskCrash, FsyncOfAFileCommitsTheRemovalOfItsNameInAJournal) {
  const Outcome outcome = after_power_failures(MountKind::journaled, "text", [](TestDisk& disk) {
    const int fd = disk.create(disk.fresh, "a");
    disk.write(fd, "text");
    EXPECT_EQ(disk.fsync(fd), 0);
    EXPECT_EQ(disk.unlinkat(disk.fresh, "a", 0), 0);
    EXPECT_EQ(disk.fsync(fd), 0);
  });
  EXPECT_EQ(outcome.absent, seeds);
}

TEST(SimulatedDiskCrash, ARemovedMaildirComesBackWholeOrInPart) {
  for (const MountKind kind : kinds) {
    std::set<std::size_t> counts;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      TestDisk disk(kind, seed);
      for (const char* name : {"a", "b", "c"})
        EXPECT_EQ(disk.fsync(disk.create(disk.fresh, name)), 0);
      EXPECT_EQ(disk.fsync(disk.fresh), 0);
      EXPECT_EQ(disk.remove_tree("/mail/new"), 0);
      Random random(seed);
      disk.power_failure(random);
      counts.insert(disk.files_below("/mail").size());
      struct stat info {};
      const bool there = disk.stat("/mail/new", &info) == 0;
      if (there) {
        EXPECT_GE(disk.open("/mail/new/x", O_CREAT | O_EXCL | O_RDWR, 0600), 0);
      }
      EXPECT_EQ(disk.mkdir("/mail/new"), there ? -EEXIST : 0);
    }
    EXPECT_EQ(counts, (std::set<std::size_t>{0, 1, 2, 3}));
  }
}

TEST(SimulatedDiskCrash, ARenameIsWholeWithAJournalOnly) {
  for (const MountKind kind : kinds) {
    std::set<std::size_t> counts;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      TestDisk disk(kind, seed);
      EXPECT_EQ(disk.fsync(disk.create(disk.tmp, "a")), 0);
      EXPECT_EQ(disk.fsync(disk.tmp), 0);
      EXPECT_EQ(disk.renameat2(disk.tmp, "a", disk.fresh, "a", RENAME_NOREPLACE), 0);
      Random random(seed);
      disk.power_failure(random);
      const auto files = disk.files_below("/mail");
      counts.insert(files.size());
      if (files.size() == 2) {
        struct stat info {};
        EXPECT_EQ(disk.stat("/mail/new/a", &info), 0);
        EXPECT_EQ(info.st_nlink, 2u);
      }
    }
    const std::set<std::size_t> any{0, 1, 2};
    EXPECT_EQ(counts, kind == MountKind::journaled ? std::set<std::size_t>{1} : any);
  }
}

TEST(SimulatedDiskCrash, UnnamedFilesAreGone) {
  for (const MountKind kind : kinds) {
    TestDisk disk(kind);
    const int fd = disk.create_unnamed();
    disk.write(fd, "text");
    EXPECT_EQ(disk.fsync(fd), 0);
    Random random(1);
    disk.power_failure(random);
    EXPECT_TRUE(disk.files_below("/").empty());
    struct statvfs info {};
    ASSERT_EQ(disk.statvfs("/mail", &info), 0);
    EXPECT_EQ(info.f_blocks, info.f_bfree);
    EXPECT_EQ(info.f_files - info.f_ffree, 3u);
  }
}

TEST(SimulatedDiskCrash, ANewDirectoryIsAsUncertainAsItsName) {
  for (const MountKind kind : kinds) {
    int there = 0;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      TestDisk disk(kind, seed);
      EXPECT_EQ(disk.mkdir("/mail/x"), 0);
      const int directory = disk.open_directory("/mail/x");
      EXPECT_EQ(disk.fsync(disk.create(directory, "a")), 0);
      if (kind != MountKind::journaled) {
        EXPECT_EQ(disk.fsync(directory), 0);
        EXPECT_TRUE(disk.durable_files_below("/mail").empty());
      }
      if (seed % 2 == 0) {
        EXPECT_EQ(disk.fsync(disk.root), 0);
        EXPECT_EQ(disk.durable_files_below("/mail/x").size(), 1u);
      }
      Random random(seed);
      disk.power_failure(random);
      const bool survived = disk.files_below("/mail/x").size() == 1;
      EXPECT_TRUE(survived || seed % 2 == 1);
      there += survived && seed % 2 == 1;
    }
    // The journal has the directory's name before that of the file, which was synced.
    EXPECT_EQ(there == seeds / 2, kind == MountKind::journaled);
    EXPECT_GT(there, 20);
  }
}

TEST(SimulatedDiskCrash, AJournalKeepsAPrefixThatHasAllThatWasCommitted) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    TestDisk disk(MountKind::journaled, seed);
    for (int i = 0; i < 20; ++i) {
      disk.close(disk.create(i % 2 == 0 ? disk.fresh : disk.tmp, std::string(1, char('a' + i))));
      if (i != 6) continue;
      EXPECT_EQ(disk.syncfs(disk.root), 0);
    }
    EXPECT_EQ(disk.durable_files_below("/mail").size(), 7u);
    Random random(seed);
    disk.power_failure(random);
    std::set<char> left;
    for (const DiskFile& file : disk.files_below("/mail")) left.insert(file.path.back());
    EXPECT_GE(left.size(), 7u);
    EXPECT_EQ(*left.rbegin(), char('a' + left.size() - 1));
  }
}

TEST(SimulatedDiskCrash, AJournalHasNoNameWithoutDataThatWasWaitedFor) {
  const std::string content = some_content(3 * 4096 + 5);
  const auto link_after = [&](unsigned flags, bool flush) {
    return after_power_failures(MountKind::journaled, content, [&, flags, flush](TestDisk& disk) {
      const int fd = disk.create_unnamed();
      disk.write(fd, content.substr(0, 5000));
      EXPECT_EQ(disk.sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
      disk.write(fd, content.substr(5000));
      EXPECT_EQ(disk.sync_file_range(fd, 5000, 0, SYNC_FILE_RANGE_WRITE), 0);
      EXPECT_EQ(disk.sync_file_range(fd, 0, 0, flags), 0);
      EXPECT_EQ(disk.link(fd, disk.fresh, "a"), 0);
      Random random(1);
      for (int i = 0; i < 3; ++i) disk.background_step(random);
      if (flush) {
        EXPECT_EQ(disk.syncfs(disk.root), 0);
        EXPECT_EQ(content_of(disk.durable_files_below("/mail"), name_in_new), content);
      }
    });
  };
  const Outcome waited = link_after(write_and_wait, false);
  EXPECT_EQ(waited.whole + waited.absent, seeds);
  EXPECT_GT(waited.whole, 20u);
  EXPECT_GT(waited.absent, 20u);
  const Outcome flushed = link_after(write_and_wait, true);
  EXPECT_EQ(flushed.whole, seeds);
}

TEST(SimulatedDiskCrash, AJournalMayHaveANameWithoutDataThatWasNotWaitedFor) {
  const std::string content = some_content(3 * 4096 + 5);
  const Outcome begun = after_power_failures(MountKind::journaled, content, [&](TestDisk& disk) {
    const int fd = disk.create_unnamed();
    disk.write(fd, content);
    EXPECT_EQ(disk.sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    EXPECT_EQ(disk.link(fd, disk.fresh, "a"), 0);
  });
  EXPECT_GT(begun.absent, 20u);
  EXPECT_GT(begun.empty, 5u);
  EXPECT_GT(begun.zeros, 5u);  // the size was logged with the blocks, as ext4 does it
  EXPECT_GT(begun.whole, 0u);
}

TEST(SimulatedDiskCrash, WithoutAJournalSyncfsLeavesTheLastWordToAFlush) {
  const std::string content = some_content(3 * 4096 + 5);
  for (const MountKind kind : {MountKind::generic, MountKind::unjournaled}) {
    const auto write = [&](TestDisk& disk) {
      const int fd = disk.create_unnamed();
      disk.write(fd, content);
      EXPECT_EQ(disk.link(fd, disk.fresh, "a"), 0);
      EXPECT_EQ(disk.syncfs(disk.root), 0);
    };
    const Outcome alone = after_power_failures(kind, content, write);
    EXPECT_GT(alone.absent, 10u);
    EXPECT_GT(alone.empty, 5u);
    EXPECT_GT(alone.whole, 10u);
    // Where the first flush was, data is there as far as the size goes.
    EXPECT_EQ(alone.zeros == 0, kind == MountKind::unjournaled);
    const Outcome flushed = after_power_failures(kind, content, [&](TestDisk& disk) {
      write(disk);
      EXPECT_EQ(disk.fsync(disk.tmp), 0);
      EXPECT_EQ(content_of(disk.durable_files_below("/mail"), name_in_new), content);
    });
    EXPECT_EQ(flushed.whole, seeds);
    const Outcome too_late = after_power_failures(kind, content, [&](TestDisk& disk) {
      EXPECT_EQ(disk.syncfs(disk.root), 0);
      const int fd = disk.create_unnamed();
      disk.write(fd, content);
      EXPECT_EQ(disk.link(fd, disk.fresh, "a"), 0);
      EXPECT_EQ(disk.fsync(disk.root), 0);
    });
    EXPECT_GT(too_late.absent, 20u);
  }
}

TEST(SimulatedDiskCrash, TheBackgroundMakesThingsDurableByChance) {
  for (const MountKind kind : kinds) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      TestDisk disk(kind, seed);
      disk.write(disk.create(disk.fresh, "a"), "text");
      Random random(seed);
      disk.background_step(random);
      for (int i = 0; i < 1000; ++i) disk.background_step(random);
      EXPECT_EQ(content_of(disk.durable_files_below("/"), name_in_new), "text");
    }
  }
}

// tmp/ is never synced. Some names that were taken away long ago must not come back, or the disk
// would keep them all.
TEST(SimulatedDiskCrash, FewTemporaryNamesComeBack) {
  std::size_t most = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TestDisk disk(MountKind::generic, seed);
    for (int i = 0; i < 2000; ++i) {
      const std::string name = std::to_string(i);
      disk.close(disk.create(disk.tmp, name));
      EXPECT_EQ(disk.unlinkat(disk.tmp, name, 0), 0);
    }
    Random random(seed);
    disk.power_failure(random);
    most = std::max(most, disk.files_below("/mail").size());
  }
  EXPECT_GT(most, 10u);
  EXPECT_LE(most, 256u);
}

}  // namespace
}  // namespace gatepost::simulation
