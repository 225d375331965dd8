#include "load/stored_message.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "load/body.hpp"
#include "load/hash.hpp"

namespace gatepost::load {
namespace {

bool is_trace_field(std::string_view line) {
  return line.starts_with("Return-Path:") || line.starts_with("Received:");
}

// Takes the trace fields off the front.
void skip_trace(std::string_view& content) {
  bool in_trace = false;
  while (!content.empty()) {
    bool folded = content.front() == ' ' || content.front() == '\t';
    if (!(in_trace && folded) && !is_trace_field(content)) return;
    in_trace = true;
    auto end = content.find('\n');
    if (end == std::string_view::npos) return;
    content.remove_prefix(end + 1);
  }
}

}  // namespace

StoredMessage read_stored(std::string_view content) {
  skip_trace(content);
  StoredMessage message;
  if (content.starts_with(id_field)) {
    std::string_view id = content.substr(id_field.size());
    id = id.substr(0, id.find_first_of("\r\n"));
    message.id = id;
  }
  ContentHash hash;
  std::uint64_t lines = 0, crlf_lines = 0, octets = 0;
  std::size_t begin = 0;
  while (begin < content.size()) {
    auto end = content.find('\n', begin);
    if (end == std::string_view::npos) break;
    ++lines;
    bool crlf = end > begin && content[end - 1] == '\r';
    crlf_lines += crlf ? 1 : 0;
    if (crlf) {
      hash.update(content.substr(begin, end - 1 - begin));
      hash.update("\n");
      octets += end - begin;
    } else {
      hash.update(content.substr(begin, end + 1 - begin));
      octets += end + 1 - begin;
    }
    begin = end + 1;
  }
  hash.update(content.substr(begin));
  octets += content.size() - begin;
  message.size = octets + lines;
  message.hash = hash.hex();
  message.mixed_ends = crlf_lines != 0 && crlf_lines != lines;
  return message;
}

Result<std::string> read_file(const std::string& path) {
  auto failed = [&] { return Error{fmt::format("{}: {}", path, std::strerror(errno))}; };
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return failed();
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    Error error = failed();
    close(fd);
    return error;
  }
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < content.size()) {
    ssize_t got = read(fd, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      Error error = failed();
      close(fd);
      return error;
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  close(fd);
  content.resize(have);
  return content;
}

}  // namespace gatepost::load
