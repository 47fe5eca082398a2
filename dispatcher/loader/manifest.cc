#include <dirent.h>
#include <dlfcn.h>
#include <mbedtls/sha256.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/loader/loader.h"

namespace sy {
namespace {

constexpr int64_t kMaxManifest = 64 << 10;
constexpr int kMaxDepth = 16;

std::string Folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string Base(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string Resolve(const std::string& path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) ? buffer : path;
}

int Depth(const std::string& text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

absl::Status Bad(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(Base(path), ": ", absl::string_view(what.data(), what.size())));
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  mbedtls_sha256_context context;
  mbedtls_sha256_init(&context);
  mbedtls_sha256_starts_ret(&context, 0);
  char buffer[1 << 16];
  while (in.read(buffer, sizeof buffer), in.gcount() > 0)
    mbedtls_sha256_update_ret(&context, reinterpret_cast<unsigned char*>(buffer),
                              static_cast<size_t>(in.gcount()));
  unsigned char sum[32];
  mbedtls_sha256_finish_ret(&context, sum);
  std::string hex;
  for (unsigned char c : sum) absl::StrAppendFormat(&hex, "%02x", c);
  return hex;
}

}  // namespace

absl::Status CheckTrust(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0)
    return errno == ENOENT ? absl::NotFoundError(absl::StrCat(path, ": no such file"))
                           : absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  if (S_ISDIR(st.st_mode))
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a folder; want a library or a manifest"));
  if (!S_ISREG(st.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  if (st.st_mode & S_IWOTH)
    return absl::PermissionDeniedError(absl::StrFormat(
        "%s is writable by everyone (mode %04o); chmod o-w it", path, st.st_mode & 07777));
  const std::string folder = Folder(Resolve(path));
  if (stat(folder.c_str(), &st) == 0 && (st.st_mode & S_IWOTH))
    return absl::PermissionDeniedError(absl::StrFormat(
        "%s is writable by everyone (mode %04o); chmod o-w it", folder, st.st_mode & 07777));
  return absl::OkStatus();
}

absl::Status CheckCpuFeatures(const std::vector<std::string>& features) {
  for (const std::string& f : features) {
    bool has = true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (f == "sse4.2")
      has = __builtin_cpu_supports("sse4.2");
    else if (f == "avx")
      has = __builtin_cpu_supports("avx");
    else if (f == "avx2")
      has = __builtin_cpu_supports("avx2");
    else if (f == "fma")
      has = __builtin_cpu_supports("fma");
    else if (f == "avx512f")
      has = __builtin_cpu_supports("avx512f");
    else
      has = false;
#else
    has = f == "neon";
#endif
    if (!has)
      return absl::FailedPreconditionError(
          absl::StrCat("needs the CPU feature ", f, ", which this machine lacks"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Manifest> ReadManifest(const std::string& path) {
  if (absl::Status s = CheckTrust(path); !s.ok()) return s;
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  std::string text(kMaxManifest + 1, 0);
  in.read(text.data(), kMaxManifest + 1);
  if (in.gcount() > kMaxManifest)
    return Bad(path, absl::StrFormat("larger than %d bytes", kMaxManifest));
  text.resize(static_cast<size_t>(in.gcount()));
  if (Depth(text) > kMaxDepth)
    return Bad(path, absl::StrFormat("nested deeper than %d", kMaxDepth));
  const nlohmann::json j = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (j.is_discarded() || !j.is_object()) return Bad(path, "is not a JSON object");

  auto string_of = [&](const char* key, bool required, std::string* out) -> absl::Status {
    auto it = j.find(key);
    if (it == j.end())
      return required ? Bad(path, absl::StrFormat("\"%s\" is missing", key)) : absl::OkStatus();
    if (!it->is_string()) return Bad(path, absl::StrFormat("\"%s\" is not a text", key));
    *out = it->get_ref<const std::string&>();
    return absl::OkStatus();
  };
  auto version = j.find("manifest");
  if (version == j.end() || !version->is_number_integer() || version->get<int64_t>() != 1)
    return Bad(path, "\"manifest\" must be 1");
  Manifest m;
  m.file = path;
  std::string abi, library;
  if (absl::Status s = string_of("name", true, &m.name); !s.ok()) return s;
  if (absl::Status s = string_of("library", true, &library); !s.ok()) return s;
  if (absl::Status s = string_of("abi", true, &abi); !s.ok()) return s;
  if (absl::Status s = string_of("sha256", false, &m.sha256); !s.ok()) return s;
  const std::vector<std::string> parts = absl::StrSplit(abi, '.');
  uint32_t major = 0, minor = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &major) ||
      !absl::SimpleAtoi(parts[1], &minor) || major > 0xffff || minor > 0xffff)
    return Bad(path, absl::StrFormat("\"abi\" is \"%s\"; want \"major.minor\"", abi));
  m.abi = major << 16 | minor;
  if (library.empty() || library[0] == '/' || absl::StrContains(library, ".."))
    return Bad(path,
               absl::StrFormat("\"library\" is \"%s\"; want a path inside the manifest's folder",
                               library));
  m.library = Folder(path) + "/" + library;
  if (auto needs = j.find("needs"); needs != j.end()) {
    if (!needs->is_object()) return Bad(path, "\"needs\" is not an object");
    if (auto cpu = needs->find("cpu"); cpu != needs->end()) {
      if (!cpu->is_array()) return Bad(path, "\"needs.cpu\" is not a list");
      for (const auto& f : *cpu) {
        if (!f.is_string()) return Bad(path, "\"needs.cpu\" holds something that is not a text");
        m.cpu_features.push_back(f.get<std::string>());
      }
    }
  }
  if (auto kinds = j.find("kinds"); kinds != j.end()) {
    if (!kinds->is_array()) return Bad(path, "\"kinds\" is not a list");
    for (const auto& k : *kinds) {
      if (!k.is_string()) return Bad(path, "\"kinds\" holds something that is not a text");
      m.kinds.push_back(k.get<std::string>());
    }
  }
  if (auto lazy = j.find("on_demand"); lazy != j.end()) {
    if (!lazy->is_boolean()) return Bad(path, "\"on_demand\" is not true or false");
    m.on_demand = lazy->get<bool>();
    if (m.on_demand && m.kinds.empty())
      return Bad(path, "\"on_demand\" without \"kinds\": nothing would ever ask for it");
  }
  if (!m.sha256.empty()) {
    absl::StatusOr<std::string> sum = Sha256OfFile(m.library);
    if (!sum.ok()) return sum.status();
    if (*sum != m.sha256)
      return absl::PermissionDeniedError(absl::StrFormat(
          "%s: SHA-256 of %s is %s; the manifest pins %s", Base(path), library, *sum, m.sha256));
  }
  return m;
}

std::vector<std::string> ManifestsIn(const std::string& folder) {
  std::vector<std::string> files;
  if (DIR* dir = opendir(folder.c_str())) {
    while (const dirent* e = readdir(dir))
      if (absl::EndsWith(e->d_name, ".sy.json")) files.push_back(folder + "/" + e->d_name);
    closedir(dir);
  } else if (errno != ENOENT) {
    Log(SY_LOG_WARNING,
        absl::StrCat(folder, " cannot be searched for plugins: ", std::strerror(errno)));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> FindPlugins() {
  std::vector<std::string> found;
  std::string path;
  GetOption("plugin_path", &path);
  for (absl::string_view part : absl::StrSplit(path, ':', absl::SkipEmpty())) {
    const std::string entry(part);
    struct stat st;
    if (stat(entry.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
      for (std::string& f : ManifestsIn(entry)) found.push_back(std::move(f));
    } else {
      found.push_back(entry);
    }
  }
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&GetApi), &info) && info.dli_fname)
    for (std::string& f : ManifestsIn(Folder(Resolve(info.dli_fname)) + "/switchyard"))
      found.push_back(std::move(f));
  return found;
}

}  // namespace sy
