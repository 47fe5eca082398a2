// One process of the compiler driver with -pipe and without the standard libraries: what takes time
// is parsing and linking, hence no system headers and next to nothing to link.
#include "tests/soft_cuda/compile.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "tests/soft_cuda/files.h"

extern char** environ;

namespace soft {
namespace {

// -O1 is where compiling and running a small kernel together take least.
constexpr const char* kFlags[] = {
    "-x",
    "c++",
    "-O1",
    "-fPIC",
    "-w",
    "-pipe",
    "-nostdinc",
    "-ffp-contract=off",
    "-fno-rtti",
    "-fwrapv",
    "-fno-exceptions",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-fno-stack-protector",
    "-fno-strict-aliasing",
    "-fno-asynchronous-unwind-tables",
};
constexpr const char* kLink[] = {"-shared",         "-nostdlib",
                                 "-Wl,--as-needed", "-Wl,--build-id=none",
                                 "-l:libm.so.6",    "-l:libc.so.6"};

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

class Folder {
 public:
  Folder() : path_(Environment("TMPDIR", "/tmp") + "/soft_cuda.XXXXXX") {
    if (!mkdtemp(path_.data())) path_.clear();
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Two hashes of 64 bits that start apart.
std::string Hash(const std::vector<std::string>& parts) {
  uint64_t h[2] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u};
  for (const std::string& part : parts) {
    for (const char c : part + '\0')
      for (int i = 0; i < 2; ++i)
        h[i] = (h[i] ^ (static_cast<unsigned char>(c) + static_cast<unsigned>(i))) * 0x100000001b3u;
  }
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(h[0]),
                static_cast<unsigned long long>(h[1]));
  return text;
}

std::vector<std::string> Command(const CompileJob& job) {
  std::vector<std::string> words = {Environment("SOFT_CUDA_CXX", "c++")};
  words.insert(words.end(), std::begin(kFlags), std::end(kFlags));
  if (job.checked) words.insert(words.end(), {"-fsanitize=thread", "-g1"});
  words.insert(words.end(), job.options.begin(), job.options.end());
  if (job.preprocess)
    words.insert(words.end(), "-E");
  else
    words.insert(words.end(), std::begin(kLink), std::end(kLink));
  return words;
}

CompileResult RunCompiler(const CompileJob& job, std::vector<std::string> words) {
  CompileResult result;
  const Folder folder;
  const std::string in = folder.path() + "/in.cc", out = folder.path() + "/out",
                    log = folder.path() + "/log";
  if (folder.path().empty() || !WriteFile(in, job.text)) {
    result.log = "soft CUDA: cannot write to a temporary folder\n";
    return result;
  }
  for (const auto& [name, text] : job.headers) {
    const std::filesystem::path path = std::filesystem::path(folder.path()) / name;
    std::error_code ignored;
    std::filesystem::create_directories(path.parent_path(), ignored);
    WriteFile(path, text);
  }
  words.insert(words.begin() + 1, {"-I" + folder.path(), "-o", out});
  // Before the libraries, or --as-needed drops them all.
  size_t last = words.size();
  while (words[last - 1].rfind("-l", 0) == 0) --last;
  words.insert(words.begin() + static_cast<std::ptrdiff_t>(last), in);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  int status = posix_spawnp(&child, arguments[0], &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (status) {
    result.log = "soft CUDA: cannot start " + words[0] + "; set SOFT_CUDA_CXX\n";
    return result;
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  result.log = ReadFile(log);
  result.output = ReadFile(out);
  result.ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !result.output.empty();
  return result;
}

}  // namespace

CompileResult Compile(const CompileJob& job) {
  std::vector<std::string> words = Command(job);
  const std::string cache = Environment("SOFT_CUDA_CACHE", "");
  if (cache.empty()) return RunCompiler(job, words);
  std::vector<std::string> parts = words;
  parts.push_back(job.text);
  for (const auto& [name, text] : job.headers) parts.insert(parts.end(), {name, text});
  const std::string path = cache + "/" + Hash(parts);
  if (CompileResult known{true, ReadFile(path), ""}; !known.output.empty()) return known;
  CompileResult result = RunCompiler(job, words);
  if (!result.ok) return result;
  WriteWhole(path, result.output);  // if not, it is compiled again
  return result;
}

}  // namespace soft
