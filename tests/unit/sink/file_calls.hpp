// Stands between the sink and the C library for the calls that order and durability hang on: writes
// down their order, and lets a test have them fail or wait. The definitions in file_calls.cpp take
// the place of the library's in the whole test program.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace gatepost::test {

// Active while it lives; one at a time.
class FileCalls {
 public:
  FileCalls();
  ~FileCalls();
  FileCalls(const FileCalls&) = delete;
  FileCalls& operator=(const FileCalls&) = delete;

  // The next calls of this name, until told otherwise, return -1 with this errno; 0: they work.
  // "read-only": file systems say that they are (fstatvfs).
  void fail(const std::string& name, int error);
  // The next calls of this name wait until release(). Calls of another name that wait go on.
  void hold(const std::string& name);
  void release();
  // Whether a call waits now.
  bool holding();
  // "fsync file", "fsync directory", "syncfs", "wait data", "linkat", "renameat2", in order.
  std::vector<std::string> log();
  void clear_log();

  // For file_calls.cpp. An empty `logged` is not written down. Returns errno to fail with, or 0.
  int before(const std::string& name, const std::string& logged);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> log_;
  std::string failing_;
  int error_ = 0;
  std::string held_;
  int waiting_ = 0;
};

}  // namespace gatepost::test
