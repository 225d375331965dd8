// What the code under test calls in place of the system: the headers in kernel/, and the few
// functions of src/ that ask the machine about itself.

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/wakeup.hpp"
#include "base/worker_thread.hpp"
#include "fmt/format.h"
#include "simulation/simulated_kernel.hpp"
#include "sink/file_system_facts.hpp"
#include "sink/files.hpp"
#include "sink/maildir_name.hpp"

namespace gatepost {

using simulation::DiskCall;
using simulation::Fault;
using simulation::Fiber;
using simulation::HeapScope;
using simulation::kernel;
using simulation::SimulatedKernel;

// --- Invariants ----------------------------------------------------------------------------------

// The thread that broke one is not gone on with, and the run ends with it.
void check_failed(const char* condition, const char* file, int line) noexcept {
  const std::string text = fmt::format("invariant broken: {} ({}:{})", condition, file, line);
  if (Fiber::current() == nullptr) {
    std::fprintf(stderr, "%s\n%s", text.c_str(), kernel().record().last_events().c_str());
    std::abort();
  }
  kernel().record().violation(simulation::checks::invariant, text);
  for (;;) Fiber::give_up_turn();
}

// --- Time, wake-ups, threads ---------------------------------------------------------------------

MonotonicNs SimulatedClock::monotonic_ns() noexcept {
  return kernel().now() + 1'000 * simulation::second;
}

WallUs SimulatedClock::wall_us() noexcept {
  return kernel().wall_us();
}

Wakeup::Wakeup() : fd_(kernel().open_wakeup()) {}

Wakeup::~Wakeup() {
  kernel().close(fd_);
}

void Wakeup::signal() {
  kernel().signal(fd_);
}

std::uint64_t Wakeup::reset() {
  return kernel().reset_wakeup(fd_);
}

void Mutex::lock() {
  GP_CHECK(!locked_);
  locked_ = true;
}

void Mutex::unlock() {
  GP_CHECK(locked_);
  locked_ = false;
}

void ConditionVariable::wait(std::unique_lock<Mutex>& lock) {
  lock.unlock();
  waiting_.push_back(SimulatedKernel::current_fiber());
  kernel().park();
  std::erase(waiting_, SimulatedKernel::current_fiber());
  lock.lock();
}

void ConditionVariable::notify_one() {
  if (waiting_.empty()) return;
  const auto chosen =
      waiting_.begin() + static_cast<std::ptrdiff_t>(kernel().random().below(waiting_.size()));
  const std::uint64_t fiber = *chosen;
  waiting_.erase(chosen);
  kernel().wake(fiber, kernel().random().below(100 * simulation::us));
}

void ConditionVariable::notify_all() {
  while (!waiting_.empty()) notify_one();
}

WorkerThread::WorkerThread(const char* name, std::function<void()> work)
    : fiber_(kernel().start_thread(name, std::move(work))) {}

void WorkerThread::join() {
  kernel().join(fiber_);
}

// --- Files ---------------------------------------------------------------------------------------

namespace files {
namespace {

constexpr simulation::SimulatedNs short_call_ns = 60 * simulation::us;
constexpr simulation::SimulatedNs flush_ns = 8 * simulation::ms;

bool flushes(DiskCall call) {
  return call == DiskCall::fsync || call == DiskCall::fdatasync || call == DiskCall::syncfs ||
         call == DiskCall::sync_file_range;
}

// What a call that does not lose data may fail with, by chance.
int error_of(DiskCall call, simulation::Random& random) {
  switch (call) {
    case DiskCall::open:
    case DiskCall::openat: {
      constexpr int errors[] = {EACCES, EMFILE, ENFILE, EIO, ENOSPC, EDQUOT, ENOMEM};
      return errors[random.below(std::size(errors))];
    }
    case DiskCall::mkdir:
    case DiskCall::linkat:
    case DiskCall::renameat:
    case DiskCall::renameat2: {
      constexpr int errors[] = {EACCES, EIO, ENOSPC, EDQUOT, EMLINK, EROFS};
      return errors[random.below(std::size(errors))];
    }
    case DiskCall::writev: {
      constexpr int errors[] = {EIO, ENOSPC, EDQUOT, EFBIG, EINTR};
      return errors[random.below(std::size(errors))];
    }
    case DiskCall::unlinkat:
    case DiskCall::pread:
    case DiskCall::fstat:
    case DiskCall::stat:
    case DiskCall::fstatat:
    case DiskCall::statvfs:
      return EIO;
    default:
      return 0;
  }
}

// Runs one call: it takes its time, and may fail.
template <class Work>
auto call(DiskCall which, Work&& work) {
  const HeapScope scope(nullptr);
  const int before = errno;
  SimulatedKernel& k = kernel();
  simulation::Faults& faults = k.faults();
  using Result = decltype(work(k.disk()));
  if (k.may_block()) {
    simulation::SimulatedNs time = k.random().below(flushes(which) ? flush_ns : short_call_ns);
    if (faults.strikes(Fault::slow_disk))
      time += faults.random(Fault::slow_disk).below(20 * simulation::second);
    k.sleep(time);
  } else if (which != DiskCall::close) {
    k.record().violation(simulation::checks::progress, "a shard's thread called the file system");
  }
  int error = 0;
  if (faults.strikes(Fault::call_fails)) error = error_of(which, faults.random(Fault::call_fails));
  if (which == DiskCall::writev && faults.strikes(Fault::short_write))
    k.disk().shorten_next_write(faults.random(Fault::short_write).between(1, 3000));
  Result result = error != 0 ? static_cast<Result>(-error) : work(k.disk());
  k.record().trace("file call", static_cast<std::uint64_t>(which),
                   static_cast<std::uint64_t>(result));
  if (result < 0) {
    errno = static_cast<int>(-result);
    return static_cast<Result>(-1);
  }
  errno = before;
  return result;
}

}  // namespace

using Disk = simulation::SimulatedDisk;

int open(const char* path, int flags, mode_t mode) {
  return call(DiskCall::open, [&](Disk& disk) { return disk.open(path, flags, mode); });
}
int openat(int directory, const char* path, int flags, mode_t mode) {
  return call(DiskCall::openat,
              [&](Disk& disk) { return disk.openat(directory, path, flags, mode); });
}
int close(int fd) {
  return call(DiskCall::close, [&](Disk& disk) { return disk.close(fd); });
}
int mkdir(const char* path, mode_t mode) {
  return call(DiskCall::mkdir, [&](Disk& disk) { return disk.mkdir(path, mode); });
}
ssize_t writev(int fd, const iovec* vectors, int count) {
  return call(DiskCall::writev, [&](Disk& disk) { return disk.writev(fd, vectors, count); });
}
ssize_t pread(int fd, void* buffer, std::size_t size, off_t offset) {
  return call(DiskCall::pread, [&](Disk& disk) { return disk.pread(fd, buffer, size, offset); });
}
int fsync(int fd) {
  return call(DiskCall::fsync, [&](Disk& disk) { return disk.fsync(fd); });
}
int fdatasync(int fd) {
  return call(DiskCall::fdatasync, [&](Disk& disk) { return disk.fdatasync(fd); });
}
int syncfs(int fd) {
  return call(DiskCall::syncfs, [&](Disk& disk) { return disk.syncfs(fd); });
}
int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  return call(DiskCall::sync_file_range,
              [&](Disk& disk) { return disk.sync_file_range(fd, offset, size, flags); });
}
int linkat(int from, const char* old_path, int to, const char* new_path, int flags) {
  return call(DiskCall::linkat,
              [&](Disk& disk) { return disk.linkat(from, old_path, to, new_path, flags); });
}
int renameat(int from, const char* old_path, int to, const char* new_path) {
  return call(DiskCall::renameat,
              [&](Disk& disk) { return disk.renameat(from, old_path, to, new_path); });
}
int renameat2(int from, const char* old_path, int to, const char* new_path, unsigned flags) {
  return call(DiskCall::renameat2,
              [&](Disk& disk) { return disk.renameat2(from, old_path, to, new_path, flags); });
}
int unlinkat(int directory, const char* path, int flags) {
  return call(DiskCall::unlinkat,
              [&](Disk& disk) { return disk.unlinkat(directory, path, flags); });
}
int stat(const char* path, struct stat* info) {
  return call(DiskCall::stat, [&](Disk& disk) { return disk.stat(path, info); });
}
int fstat(int fd, struct stat* info) {
  return call(DiskCall::fstat, [&](Disk& disk) { return disk.fstat(fd, info); });
}
int fstatat(int directory, const char* path, struct stat* info, int flags) {
  return call(DiskCall::fstatat,
              [&](Disk& disk) { return disk.fstatat(directory, path, info, flags); });
}
int statvfs(const char* path, struct statvfs* info) {
  return call(DiskCall::statvfs, [&](Disk& disk) { return disk.statvfs(path, info); });
}
int fstatvfs(int fd, struct statvfs* info) {
  return call(DiskCall::fstatvfs, [&](Disk& disk) { return disk.fstatvfs(fd, info); });
}

DirectoryReader::DirectoryReader(int descriptor) : descriptor_(descriptor) {
  if (descriptor < 0) return;
  std::vector<std::string> names;
  call(DiskCall::list_directory, [&](Disk& disk) {
    names = disk.list_directory(descriptor);
    return 0;
  });
  names_ = names;  // in the process's memory
}

DirectoryReader::~DirectoryReader() {
  if (descriptor_ >= 0) close(descriptor_);
}

const char* DirectoryReader::next() {
  return next_ < names_.size() ? names_[next_++].c_str() : nullptr;
}

bool process_alive(std::uint32_t pid) {
  return pid == ProcessIdentity::current("").pid;
}

}  // namespace files

// --- What the machine says of itself -------------------------------------------------------------

FileSystemFacts file_system_facts(int fd) {
  FileSystemFacts facts;
  const std::optional<simulation::MountKind> kind = kernel().disk().kind_of(fd);
  if (!kind) return facts;
  switch (*kind) {
    case simulation::MountKind::generic:
      facts.kind = FileSystemFacts::Kind::other;
      facts.type = "generic";
      break;
    case simulation::MountKind::journaled:
      facts.kind = FileSystemFacts::Kind::ext4;
      facts.type = "ext4";
      facts.ext4_options = "rw\ndata=ordered\n";
      break;
    case simulation::MountKind::unjournaled:
      facts.kind = FileSystemFacts::Kind::ext4;
      facts.type = "ext4";
      facts.ext4_options = "rw\n";
      break;
  }
  return facts;
}

ProcessIdentity ProcessIdentity::current(std::string_view) {
  ProcessIdentity identity;
  identity.host = "mx.example.org";
  // Mostly a new number, now and then that of the predecessor, as in containers.
  identity.pid = 100 + kernel().process_number() / 2;
  identity.system = fmt::format("{:08X}{:08X}{:08X}", 0x1234u, kernel().boot_number(), 1u);
  identity.life = fmt::format("{:08X}", kernel().process_number());
  return identity;
}

}  // namespace gatepost
