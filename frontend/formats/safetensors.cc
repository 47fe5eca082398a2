// safetensors: eight bytes of header length, a JSON header, then the data. The rules are those of
// the reference reader (huggingface/safetensors): offsets in order cover the data exactly.
#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "frontend/formats/file.h"

namespace sy::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference reader's limit

struct TypeName {
  const char* name;
  SyDtype dtype;
};
constexpr TypeName kTypes[] = {
    {"F64", SY_F64}, {"F32", SY_F32}, {"F16", SY_F16},  {"BF16", SY_BF16}, {"I64", SY_I64},
    {"I32", SY_I32}, {"I16", SY_I16}, {"I8", SY_I8},    {"U64", SY_U64},   {"U32", SY_U32},
    {"U16", SY_U16}, {"U8", SY_U8},   {"BOOL", SY_BOOL}};

SyDtype FindType(const std::string& name) {
  for (const TypeName& t : kTypes)
    if (name == t.name) return t.dtype;
  return 0;
}

struct Entry {
  std::string name;
  SyDtype dtype = 0;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // in the data
};

}  // namespace
}  // namespace sy::formats

struct SyfFile {
  std::shared_ptr<sy::formats::Mapping> mapping;
  char* data = nullptr;  // behind the header
  std::vector<sy::formats::Entry> entries;
  std::map<std::string, std::string> metadata;
};

namespace sy::formats {
namespace {

// A name from the file in a message: short, printable.
std::string Quoted(const std::string& name) {
  std::string text = "'";
  for (const char c : name.substr(0, 80))
    text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text + (name.size() > 80 ? "...'" : "'");
}

class Header {
 public:
  explicit Header(SyfFile* file) : file_(*file), path_(file->mapping->path()) {}

  SyStatus Parse() {
    const uint64_t size = file_.mapping->size();
    if (size < 8)
      return Damaged("not a safetensors file: " + std::to_string(size) + " bytes, want 8 at least");
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i)
      length = length << 8 | static_cast<unsigned char>(file_.mapping->data()[i]);
    if (length > kMaxHeader)
      return Damaged("header of " + std::to_string(length) + " bytes; at most 100000000 are read");
    if (length > size - 8)
      return Damaged("header of " + std::to_string(length) + " bytes in a file of " +
                     std::to_string(size));
    const char* begin = file_.mapping->data() + 8;
    if (!length || *begin != '{') return Damaged("the header does not begin with '{'");
    file_.data = file_.mapping->data() + 8 + length;
    data_size_ = size - 8 - length;

    const Json json = Json::parse(
        begin, begin + length,
        [&](int depth, Json::parse_event_t event, Json& value) {
          return Watch(depth, event, value);
        },
        /*allow_exceptions=*/false);
    if (!problem_.empty()) return Damaged(problem_);
    if (json.is_discarded() || !json.is_object()) return Damaged("the header is not valid JSON");
    for (const auto& [name, value] : json.items())
      if (const SyStatus s = name == "__metadata__" ? Metadata(value) : Tensor(name, value);
          s != SY_OK)
        return s;
    return Cover();
  }

 private:
  SyStatus Damaged(const std::string& what) const { return Fail(SY_DATA_LOSS, path_, what); }

  // JSON readers differ on what repeated keys mean, and nothing here nests deeper than a list in an
  // object.
  bool Watch(int depth, Json::parse_event_t event, const Json& value) {
    if (depth > 3) problem_ = "the header nests too deep";
    if (event == Json::parse_event_t::object_start)
      keys_.insert_or_assign(depth + 1, std::set<std::string>());
    if (event == Json::parse_event_t::key && problem_.empty()) {
      const auto name = value.get<std::string>();
      if (!keys_[depth].insert(name).second)
        problem_ = "the key " + Quoted(name) + " comes twice in the header";
    }
    return problem_.empty();
  }

  SyStatus Metadata(const Json& value) {
    if (!value.is_object()) return Damaged("__metadata__ is not an object of texts");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) return Damaged("__metadata__ " + Quoted(key) + " is not a text");
      file_.metadata[key] = text.get<std::string>();
    }
    return SY_OK;
  }

  SyStatus Tensor(const std::string& name, const Json& value) {
    const std::string who = "tensor " + Quoted(name) + ": ";
    if (name.find('\0') != std::string::npos) return Damaged(who + "a name with a zero byte");
    if (!value.is_object()) return Damaged(who + "not an object");
    for (const auto& [key, ignored] : value.items())
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        return Damaged(who + "unknown key " + Quoted(key));
    if (!value.contains("dtype") || !value["dtype"].is_string()) return Damaged(who + "no dtype");
    Entry entry;
    entry.name = name;
    const auto type = value["dtype"].get<std::string>();
    entry.dtype = FindType(type);
    if (!entry.dtype) return Fail(SY_UNIMPLEMENTED, path_, who + "unknown dtype " + Quoted(type));
    if (!value.contains("shape") || !value["shape"].is_array()) return Damaged(who + "no shape");
    for (const Json& n : value["shape"]) {
      if (!n.is_number_unsigned() || n.get<uint64_t>() > INT64_MAX)
        return Damaged(who + "a shape that is not whole numbers from 0");
      entry.shape.push_back(static_cast<int64_t>(n.get<uint64_t>()));
    }
    if (entry.shape.size() > SY_MAX_RANK)
      return Fail(SY_UNIMPLEMENTED, path_,
                  who + "rank " + std::to_string(entry.shape.size()) + ", at most 12 are read");
    const bool given = value.contains("data_offsets") && value["data_offsets"].is_array() &&
                       value["data_offsets"].size() == 2 &&
                       value["data_offsets"][0].is_number_unsigned() &&
                       value["data_offsets"][1].is_number_unsigned();
    if (!given) return Damaged(who + "data_offsets are not two whole numbers from 0");
    entry.begin = value["data_offsets"][0].get<uint64_t>();
    entry.end = value["data_offsets"][1].get<uint64_t>();
    const std::string range = std::to_string(entry.begin) + " to " + std::to_string(entry.end);
    if (entry.begin > entry.end || entry.end > data_size_)
      return Damaged(who + "bytes " + range + " of " + std::to_string(data_size_) +
                     " bytes of data");
    uint64_t bytes = 0;
    if (!Bytes(entry.shape, entry.dtype, &bytes))
      return Damaged(who + "a shape with too many elements");
    if (bytes != entry.end - entry.begin)
      return Damaged(who + "bytes " + range + " for a shape that takes " + std::to_string(bytes));
    if (entry.dtype == SY_BOOL)
      for (uint64_t i = entry.begin; i < entry.end; ++i)
        if (static_cast<unsigned char>(file_.data[i]) > 1)
          return Damaged(who + "a bool that is neither 0 nor 1");
    file_.entries.push_back(std::move(entry));
    return SY_OK;
  }

  SyStatus Cover() const {
    std::vector<const Entry*> sorted;
    for (const Entry& e : file_.entries) sorted.push_back(&e);
    std::ranges::sort(sorted, [](const Entry* a, const Entry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    uint64_t at = 0;
    for (const Entry* e : sorted) {
      if (e->begin != at)
        return Damaged("tensor " + Quoted(e->name) + ": begins at byte " +
                       std::to_string(e->begin) +
                       (e->begin < at ? ", inside the tensor before it, which ends at "
                                      : ", after a gap from ") +
                       std::to_string(at));
      at = e->end;
    }
    if (at != data_size_)
      return Damaged(std::to_string(data_size_ - at) +
                     " bytes behind the last tensor, which ends at " + std::to_string(at));
    return SY_OK;
  }

  SyfFile& file_;
  const std::string& path_;
  uint64_t data_size_ = 0;
  std::map<int, std::set<std::string>> keys_;  // seen so far, by depth
  std::string problem_;
};

SyStatus Save(const char* path, const char* const* names, SyTensor* const* tensors, int64_t count,
              const char* const* keys, const char* const* values, int64_t metadata_count) {
  Json json = Json::object();
  for (int64_t i = 0; i < metadata_count; ++i) json["__metadata__"][keys[i]] = values[i];
  // Large elements first keeps every tensor aligned without gaps; the header keeps the caller's
  // order.
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) order.push_back(i);
  const auto width = [&](int64_t i) { return SY_DTYPE_BYTES(sy_tensor_dtype(tensors[i])); };
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return width(a) > width(b); });
  std::vector<uint64_t> begin(static_cast<size_t>(count));
  uint64_t at = 0;
  for (const int64_t i : order) {
    begin[static_cast<size_t>(i)] = at;
    at += static_cast<uint64_t>(sy_tensor_count(tensors[i]) * width(i));
  }
  for (int64_t i = 0; i < count; ++i) {
    if (!names[i] || !tensors[i])
      return Fail(SY_INVALID_ARGUMENT, path,
                  "tensor " + std::to_string(i) + " is NULL or has no name");
    const std::string name = names[i];
    const TypeName* type = std::ranges::find_if(
        kTypes, [&](const TypeName& t) { return t.dtype == sy_tensor_dtype(tensors[i]); });
    if (type == std::end(kTypes))
      return Fail(SY_UNIMPLEMENTED, path,
                  "tensor " + Quoted(name) + " has a dtype without a name here");
    if (name == "__metadata__" || json.contains(name))
      return Fail(
          SY_INVALID_ARGUMENT, path,
          "the name " + Quoted(name) + (name == "__metadata__" ? " is reserved" : " comes twice"));
    const int64_t* shape = sy_tensor_shape(tensors[i]);
    const uint64_t first = begin[static_cast<size_t>(i)];
    json[name] = {{"dtype", type->name},
                  {"shape", std::vector<int64_t>(shape, shape + sy_tensor_rank(tensors[i]))},
                  {"data_offsets",
                   {first, first + static_cast<uint64_t>(sy_tensor_count(tensors[i]) * width(i))}}};
  }
  std::string header =
      json.dump();  // throws where a name is not UTF-8; Guard() turns that into a status
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > kMaxHeader)
    return Fail(SY_INVALID_ARGUMENT, path, "a header of more than 100000000 bytes");
  char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);

  Replacement file(path);
  if (const SyStatus s = file.Open(); s != SY_OK) return s;
  if (const SyStatus s = file.Write(length, 8); s != SY_OK) return s;
  if (const SyStatus s = file.Write(header.data(), header.size()); s != SY_OK) return s;
  std::vector<char> bytes;
  for (const int64_t i : order) {
    if (const SyStatus s = Read(tensors[i], &bytes); s != SY_OK) return s;
    if (const SyStatus s = file.Write(bytes.data(), bytes.size()); s != SY_OK) return s;
  }
  return file.Commit();
}

}  // namespace
}  // namespace sy::formats

using sy::formats::Guard;

SyStatus syf_safetensors_open(const char* path, SyfFile** out_file) {
  if (!out_file) return sy_fail(SY_INVALID_ARGUMENT, "syf_safetensors_open: out_file is NULL");
  *out_file = nullptr;
  return Guard(path, [&] {
    auto file = std::make_unique<SyfFile>();
    if (const SyStatus s = sy::formats::Mapping::Open(path, &file->mapping); s != SY_OK) return s;
    if (const SyStatus s = sy::formats::Header(file.get()).Parse(); s != SY_OK) return s;
    *out_file = file.release();
    return SY_OK;
  });
}

void syf_file_release(SyfFile* file) { delete file; }
int64_t syf_file_count(const SyfFile* file) {
  return file ? static_cast<int64_t>(file->entries.size()) : 0;
}

const char* syf_file_name(const SyfFile* file, int64_t index) {
  if (!file || index < 0 || index >= syf_file_count(file)) return nullptr;
  return file->entries[static_cast<size_t>(index)].name.c_str();
}

SyStatus syf_file_tensor(const SyfFile* file, int64_t index, SyTensor** out_tensor) {
  if (!file || !out_tensor)
    return sy_fail(SY_INVALID_ARGUMENT, "syf_file_tensor: file or out_tensor is NULL");
  *out_tensor = nullptr;
  return Guard(file->mapping->path().c_str(), [&] {
    if (index < 0 || index >= syf_file_count(file))
      return sy::formats::Fail(
          SY_OUT_OF_RANGE, file->mapping->path(),
          "tensor " + std::to_string(index) + " of " + std::to_string(syf_file_count(file)));
    const sy::formats::Entry& e = file->entries[static_cast<size_t>(index)];
    return sy::formats::TensorOver(file->mapping, file->data + e.begin, e.shape, e.dtype,
                                   out_tensor);
  });
}

const char* syf_file_metadata(const SyfFile* file, const char* key) {
  if (!file || !key) return nullptr;
  const auto found = file->metadata.find(key);
  return found == file->metadata.end() ? nullptr : found->second.c_str();
}

SyStatus syf_safetensors_save(const char* path, const char* const* names, SyTensor* const* tensors,
                              int64_t count, const char* const* keys, const char* const* values,
                              int64_t metadata_count) {
  return Guard(path, [&] {
    return sy::formats::Save(path, names, tensors, count, keys, values, metadata_count);
  });
}
