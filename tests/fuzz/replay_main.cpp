// Runs a fuzz target over committed inputs without libFuzzer, so that each finding stays fixed in
// every build, whatever the compiler: PROGRAM FOLDER... feeds every file of the folders, and the
// empty input.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Returns how many inputs the folder held.
std::size_t replay_folder(const std::filesystem::path& folder) {
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> input{std::istreambuf_iterator<char>(file), {}};
    // A copy of exactly the input's size, so that AddressSanitizer sees a read past its end.
    const std::vector<std::uint8_t> octets(input.begin(), input.end());
    LLVMFuzzerTestOneInput(octets.data(), octets.size());
    ++inputs;
  }
  return inputs;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t inputs = 0;
  try {
    LLVMFuzzerTestOneInput(nullptr, 0);
    for (int i = 1; i < argc; ++i) inputs += replay_folder(argv[i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "replay: %s\n", error.what());
    return 1;
  }
  std::printf("%zu inputs\n", inputs);
  // A corpus that is not found would make this test pass for nothing.
  return inputs == 0 ? 1 : 0;
}
