// Many calls by chance on the simulated disk, and the orders of src/sink/file_order.hpp on it.

#include <gtest/gtest.h>
#include <linux/fs.h>

#include <map>

#include "simulation/simulated_disk.hpp"
#include "simulation/simulated_disk_harness.hpp"

namespace gatepost::simulation {
namespace {

// Calls that may well be refused.
class RandomCalls {
 public:
  RandomCalls(TestDisk& disk, Random& random) : disk_(disk), random_(random) {}

  void make(int count) {
    for (int i = 0; i < count; ++i) make_one();
  }
  void close_all() {
    for (const int fd : files_) disk_.close(fd);
    files_.clear();
  }

 private:
  std::string name() { return std::string(1, static_cast<char>('a' + random_.below(8))); }
  int directory() { return random_.percent(50) ? disk_.tmp : disk_.fresh; }
  int file() { return files_.empty() ? disk_.root : files_[random_.below(files_.size())]; }
  void keep(int fd) {
    if (fd < 0) return;
    files_.push_back(fd);
    if (files_.size() <= 10) return;
    EXPECT_EQ(disk_.close(files_.front()), 0);
    files_.erase(files_.begin());
  }

  void make_one() {
    switch (random_.below(14)) {
      case 0:
        return keep(disk_.openat(directory(), name(), O_CREAT | O_APPEND | O_RDWR, 0600));
      case 1:
        return keep(disk_.openat(directory(), ".", O_TMPFILE | O_APPEND | O_RDWR, 0600));
      case 2:
      case 3:
      case 4:
        disk_.write(file(), some_content(random_.below(9000)));
        return;
      case 5:
        disk_.link(file(), directory(), name());
        return;
      case 6:
        disk_.linkat(directory(), name(), directory(), name(), 0);
        return;
      case 7:
        disk_.renameat(directory(), name(), directory(), name());
        return;
      case 8:
      case 9:
        disk_.unlinkat(directory(), name(), 0);
        return;
      case 10:
        disk_.fsync(random_.percent(50) ? file() : directory());
        return;
      case 11:
        disk_.sync_file_range(file(), static_cast<off_t>(random_.below(9000)), 0,
                              static_cast<unsigned>(random_.below(8)));
        return;
      case 12:
        if (random_.percent(20)) disk_.syncfs(disk_.root);
        if (random_.percent(5)) rebuild();
        return;
      default:
        return disk_.background_step(random_);
    }
  }

  // A maildir is taken away and made anew.
  void rebuild() {
    if (disk_.remove_tree("/mail/new") != 0 || disk_.mkdir("/mail/new") != 0) return;
    disk_.close(disk_.fresh);
    disk_.fresh = disk_.open_directory("/mail/new");
  }

  TestDisk& disk_;
  Random& random_;
  std::vector<int> files_;
};

// Two of three seeds have errors, one of these with a mount that becomes read-only.
MountOptions mount_of(std::uint64_t seed) {
  MountOptions mount;
  if (seed % 3 == 1) mount.after_metadata_error = AfterMetadataError::read_only;
  return mount;
}

void begin_failing(TestDisk& disk, std::uint64_t seed) {
  FailureChances failures;
  failures.data_once_in = 10;
  failures.metadata_once_in = 20;
  failures.short_write_once_in = 10;
  if (seed % 3 != 0) disk.set_failures("/mail", failures);
}

TEST(SimulatedDiskRandom, WhatIsCertainSurvives) {
  for (const MountKind kind : kinds) {
    std::size_t certain = 0;
    for (std::uint64_t seed = 0; seed < 3 * seeds; ++seed) {
      TestDisk disk(kind, seed, mount_of(seed));
      begin_failing(disk, seed);
      Random random(seed);
      RandomCalls(disk, random).make(300);
      const auto durable = disk.durable_files_below("/");
      certain += durable.size();
      disk.power_failure(random);
      const auto left = disk.files_below("/");
      for (const DiskFile& file : durable) {
        const auto content = content_of(left, file.path);
        ASSERT_TRUE(content) << file.path << " of seed " << seed;
        EXPECT_TRUE(content->starts_with(file.content)) << file.path << " of seed " << seed;
      }
      EXPECT_EQ(left, disk.durable_files_below("/"));
    }
    EXPECT_GT(certain, 500u);
  }
}

TEST(SimulatedDiskRandom, NoRoomIsLostForGood) {
  for (const MountKind kind : kinds) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      TestDisk disk(kind, seed);
      struct statvfs before {
      }, after{};
      ASSERT_EQ(disk.statvfs("/mail", &before), 0);
      Random random(seed);
      RandomCalls calls(disk, random);
      calls.make(200);
      if (seed % 2 == 0) {
        calls.close_all();
      } else {
        disk.power_failure(random);
      }
      for (const char* path : {"/mail/tmp", "/mail/new"}) {
        const int result = disk.remove_tree(path);
        EXPECT_TRUE(result == 0 || result == -ENOENT) << result;
      }
      disk.process_killed();
      ASSERT_EQ(disk.statvfs("/mail", &after), 0);
      EXPECT_EQ(after.f_bfree, before.f_bfree) << seed;
      EXPECT_EQ(after.f_files - after.f_ffree, 1u) << seed;  // /mail itself
    }
  }
}

TEST(SimulatedDiskRandom, ASeedDecidesAll) {
  const auto end_of = [](MountKind kind, std::uint64_t seed) {
    TestDisk disk(kind, seed, mount_of(seed));
    begin_failing(disk, seed);
    Random random(seed);
    RandomCalls(disk, random).make(200);
    disk.power_failure(random);
    return disk.files_below("/");
  };
  for (const MountKind kind : kinds) {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      EXPECT_EQ(end_of(kind, seed), end_of(kind, seed));
    }
  }
}

enum class Order { portable, flushed, journaled };

// Messages as the sink stores them, in batches, until the power fails.
class Storing {
 public:
  Storing(Order order, std::uint64_t seed, TestDisk& disk)
      : order_(order), random_(seed), disk_(disk) {}

  // Acknowledged messages by path.
  std::map<std::string, std::string> store() {
    const std::uint64_t stop_at = random_.between(20, 150);
    for (int batch = 0; batch < 100; ++batch) {
      if (!store_batch(stop_at)) break;
    }
    return acknowledged_;
  }

 private:
  struct Message {
    int fd = -1;
    std::string name;
    std::string content;
    bool failed = false;
  };

  // Before each call something of the kernel's may happen, or the power fail: then it is false.
  bool goes_on(std::uint64_t stop_at) {
    if (random_.once_in(4)) disk_.background_step(random_);
    return ++calls_ < stop_at;
  }

  int flush() {
    if (const int error = disk_.syncfs(disk_.root)) return error;
    struct statvfs info {};
    if (disk_.fstatvfs(disk_.root, &info) != 0 || (info.f_flag & ST_RDONLY) != 0) return -EROFS;
    return order_ == Order::flushed ? disk_.fsync(disk_.root) : 0;
  }

  void write(Message& message) {
    message.fd = order_ == Order::portable
                     ? disk_.openat(disk_.tmp, message.name, O_CREAT | O_EXCL | O_RDWR, 0600)
                     : disk_.openat(disk_.tmp, ".", O_TMPFILE | O_RDWR, 0600);
    const auto size = static_cast<ssize_t>(message.content.size());
    message.failed = message.fd < 0 || disk_.write(message.fd, message.content) != size;
    if (message.failed) return;
    if (order_ == Order::portable) message.failed = disk_.fsync(message.fd) != 0;
    if (order_ != Order::journaled) return;
    disk_.sync_file_range(message.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    disk_.background_step(random_);
    message.failed = disk_.sync_file_range(message.fd, 0, 0, write_and_wait) != 0;
  }

  int put_name(Message& message) {
    if (order_ != Order::portable) return disk_.link(message.fd, disk_.fresh, message.name);
    return disk_.renameat2(disk_.tmp, message.name, disk_.fresh, message.name, RENAME_NOREPLACE);
  }

  bool store_batch(std::uint64_t stop_at) {
    std::vector<Message> batch(random_.between(1, 5));
    for (Message& message : batch) {
      if (!goes_on(stop_at)) return false;
      message.name = "m" + std::to_string(next_++);
      message.content = some_content(random_.between(1, 9000));
      write(message);
    }
    if (!goes_on(stop_at)) return false;
    const bool lost = order_ == Order::flushed && flush() != 0;
    for (Message& message : batch) {
      if (!goes_on(stop_at)) return false;
      message.failed = message.failed || lost || put_name(message) != 0;
    }
    if (!goes_on(stop_at)) return false;
    const int error = order_ == Order::portable ? disk_.fsync(disk_.fresh) : flush();
    for (Message& message : batch) {
      if (error == 0 && !message.failed)
        acknowledged_["/mail/new/" + message.name] = message.content;
      disk_.close(message.fd);
    }
    return true;
  }

  const Order order_;
  Random random_;
  TestDisk& disk_;
  std::uint64_t calls_ = 0;
  std::uint64_t next_ = 0;
  std::map<std::string, std::string> acknowledged_;
};

struct OrderResult {
  std::size_t acknowledged = 0;
  std::size_t lost = 0;
  std::size_t torn = 0;  // names in new/ whose content is not a message
};

OrderResult store(Order order, MountKind kind, bool failing) {
  OrderResult result;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    TestDisk disk(kind, seed, mount_of(seed));
    if (failing) begin_failing(disk, seed);
    const auto acknowledged = Storing(order, seed, disk).store();
    result.acknowledged += acknowledged.size();
    Random random(seed + 1);
    disk.power_failure(random);
    const auto left = disk.files_below("/mail/new");
    for (const auto& [path, content] : acknowledged)
      result.lost += content_of(left, path) != content;
    for (const DiskFile& file : left) {
      result.torn += file.content.empty() || file.content != some_content(file.content.size());
    }
  }
  return result;
}

TEST(SimulatedDiskRandom, TheOrdersOfTheSinkHoldWhereTheyAreUsed) {
  for (const bool failing : {false, true}) {
    const std::pair<Order, MountKind> used[] = {
        {Order::portable, MountKind::generic},     {Order::portable, MountKind::journaled},
        {Order::portable, MountKind::unjournaled}, {Order::flushed, MountKind::generic},
        {Order::flushed, MountKind::unjournaled},  {Order::journaled, MountKind::journaled}};
    for (const auto& [order, kind] : used) {
      const OrderResult result = store(order, kind, failing);
      EXPECT_GT(result.acknowledged, 1000u);
      EXPECT_EQ(result.lost, 0u);
      EXPECT_EQ(result.torn, 0u);
    }
  }
}

TEST(SimulatedDiskRandom, TheOrderOfTheJournalFailsWhereThereIsNone) {
  for (const MountKind kind : {MountKind::generic, MountKind::unjournaled}) {
    const OrderResult result = store(Order::journaled, kind, false);
    EXPECT_GT(result.lost, 0u);
    EXPECT_GT(result.torn, 0u);
  }
}

}  // namespace
}  // namespace gatepost::simulation
