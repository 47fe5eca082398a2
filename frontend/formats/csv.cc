// Tables of numbers: one row a line, commas between, plain or through gzip (zlib tells by itself).
#include <zlib.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "frontend/formats/file.h"

namespace sy::formats {
namespace {

constexpr size_t kMaxText = size_t{4} << 30;  // a small file can unpack to any size

SyStatus ReadText(const char* path, std::string* out) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path, "rbe"), &gzclose);
  if (!file)
    return Fail(errno == EACCES ? SY_PERMISSION_DENIED : SY_NOT_FOUND, path,
                std::string("cannot open: ") + std::strerror(errno));
  std::vector<char> chunk(size_t{1} << 16);
  for (;;) {
    const int n = gzread(file.get(), chunk.data(), static_cast<unsigned>(chunk.size()));
    int error = Z_OK;
    const char* what = gzerror(file.get(), &error);
    if (n < 0 || (error != Z_OK && error != Z_STREAM_END))
      return Fail(
          SY_DATA_LOSS, path,
          std::string("cannot unpack: ") + (error == Z_BUF_ERROR ? "the file is cut off" : what));
    if (n == 0) return SY_OK;
    if (out->size() + static_cast<size_t>(n) > kMaxText)
      return Fail(SY_RESOURCE_EXHAUSTED, path, "unpacks to more than 4 GiB");
    out->append(chunk.data(), static_cast<size_t>(n));
  }
}

SyStatus Load(const char* path, SyTensor** out_tensor) {
  std::string text;
  if (const SyStatus s = ReadText(path, &text); s != SY_OK) return s;
  const auto values = std::make_shared<std::vector<float>>();
  int64_t rows = 0, columns = 0, line = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view row = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line;
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    if (row.empty()) continue;
    int64_t in_row = 0;
    for (const char *p = row.data(), *stop = p + row.size();; ++p) {
      while (p < stop && *p == ' ') ++p;
      double value = 0;
      const auto [next, error] = std::from_chars(p, stop, value);
      p = next;
      while (p < stop && *p == ' ') ++p;
      ++in_row;
      if (error != std::errc() || (p < stop && *p != ','))
        return Fail(SY_DATA_LOSS, path,
                    "line " + std::to_string(line) + ", column " + std::to_string(in_row) +
                        ": not a number");
      values->push_back(static_cast<float>(value));
      if (p == stop) break;
    }
    if (rows == 0) columns = in_row;
    if (in_row != columns)
      return Fail(SY_DATA_LOSS, path,
                  "line " + std::to_string(line) + ": " + std::to_string(in_row) +
                      " columns, want " + std::to_string(columns));
    ++rows;
  }
  if (!rows) return Fail(SY_DATA_LOSS, path, "no rows");
  return TensorOver(values, values->data(), {rows, columns}, SY_F32, out_tensor);
}

}  // namespace
}  // namespace sy::formats

SyStatus syf_csv_load(const char* path, SyTensor** out_tensor) {
  if (!out_tensor) return sy_fail(SY_INVALID_ARGUMENT, "syf_csv_load: out_tensor is NULL");
  *out_tensor = nullptr;
  return sy::formats::Guard(path, [&] { return sy::formats::Load(path, out_tensor); });
}
