// Runs tests/configs/bad.table.
#include <gtest/gtest.h>

#include <fstream>

#include "command_line_for_test.hpp"

namespace gatepost::config {
namespace {

struct Case {
  std::string arguments;
  std::string message;
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// Blank lines and lines with "#" in front divide the cases.
std::vector<Case> read_table() {
  std::ifstream in(configs_folder + "/bad.table");
  std::vector<Case> cases;
  bool within = false;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with('#')) {
      within = false;
    } else if (!within) {
      cases.push_back({line, ""});
      within = true;
    } else {
      line.erase(0, line.find_first_not_of(' '));
      cases.back().message = line;
    }
  }
  return cases;
}

// Spaces divide, single quotes keep; \n and \xHH are octets.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words;
  bool quoted = false;
  bool begun = false;
  std::string word;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\'') {
      quoted = !quoted;
      begun = true;
    } else if (line[i] == ' ' && !quoted) {
      if (begun) words.push_back(word);
      word.clear();
      begun = false;
    } else if (line[i] == '\\' && line[i + 1] == 'n') {
      word += '\n';
      ++i;
    } else if (line[i] == '\\' && line[i + 1] == 'x') {
      word += static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      word += line[i];
      begun = true;
    }
  }
  if (begun) words.push_back(word);
  return words;
}

TEST(BadConfiguration, is_refused_with_the_one_line_of_the_table) {
  std::vector<Case> cases = read_table();
  ASSERT_GT(cases.size(), 100u);
  for (Case& each : cases) {
    SCOPED_TRACE(each.arguments);
    replace_all(each.arguments, "{here}", configs_folder);
    replace_all(each.message, "{here}", configs_folder);
    Parsed parsed = parse(split(each.arguments));
    EXPECT_FALSE(parsed.run);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_EQ(parsed.out, "");
    EXPECT_EQ(parsed.err, each.message + "\n");
  }
}

TEST(BadConfiguration, is_one_line_whatever_is_in_it) {
  for (const char* flag : {"--listen", "--hostname", "--sink", "--accept-domain", "--recipients",
                           "--config", "--log-level", "--timeout"}) {
    Parsed parsed = parse({flag, "a\nb\r\x1b[2J\xff"});
    EXPECT_EQ(parsed.exit_code, 2) << flag;
    EXPECT_EQ(parsed.err.find('\n'), parsed.err.size() - 1) << flag;
    EXPECT_EQ(parsed.err.find_first_of("\r\x1b\xff"), std::string::npos) << flag;
  }
}

}  // namespace
}  // namespace gatepost::config
