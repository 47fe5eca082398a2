// NumPy's .npy (numpy.lib.format): magic, version, a Python literal that describes the array, then
// its elements.
#include <algorithm>
#include <cstring>

#include "frontend/formats/file.h"

namespace sy::formats {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct TypeName {
  const char* name;  // as NumPy writes it
  SyDtype dtype;
};
constexpr TypeName kTypes[] = {{"<f8", SY_F64}, {"<f4", SY_F32}, {"<f2", SY_F16}, {"<i8", SY_I64},
                               {"<i4", SY_I32}, {"<i2", SY_I16}, {"|i1", SY_I8},  {"<u8", SY_U64},
                               {"<u4", SY_U32}, {"<u2", SY_U16}, {"|u1", SY_U8},  {"|b1", SY_BOOL}};

struct Description {
  SyDtype dtype = 0;
  std::string dtype_name;
  bool fortran = false;
  std::vector<int64_t> shape;
};

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Literal {
 public:
  explicit Literal(std::string_view text) : rest_(text) {}

  bool Parse(Description* d) {
    bool descr = false, order = false, shape = false;
    if (!Eat("{")) return false;
    while (!Eat("}")) {
      std::string_view key;
      if (!Text(&key) || !Eat(":")) return false;
      std::string_view type;
      if (key == "descr" && !descr)
        descr = Text(&type);
      else if (key == "fortran_order" && !order)
        order = Eat("False") || (d->fortran = Eat("True"));
      else if (key == "shape" && !shape)
        shape = Shape(&d->shape);
      else
        return false;
      if (!type.empty()) d->dtype_name = type;
      if (!Eat(",") && (Skip(), rest_.substr(0, 1) != "}")) return false;
    }
    Skip();
    return descr && order && shape && rest_.empty();
  }

 private:
  void Skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }
  bool Eat(std::string_view token) {
    Skip();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool Text(std::string_view* out) {
    const bool single = Eat("'");
    if (!single && !Eat("\"")) return false;
    const size_t end = rest_.find(single ? '\'' : '"');
    if (end == std::string_view::npos) return false;
    *out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool Shape(std::vector<int64_t>* shape) {
    if (!Eat("(")) return false;
    while (!Eat(")")) {
      Skip();
      size_t digits = 0;
      uint64_t n = 0;
      for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
        if (digits > 18) return false;
        n = n * 10 + static_cast<uint64_t>(rest_[digits] - '0');
      }
      if (!digits || n > INT64_MAX) return false;
      rest_.remove_prefix(digits);
      shape->push_back(static_cast<int64_t>(n));
      if (!Eat(",") && (Skip(), rest_.substr(0, 1) != ")")) return false;
    }
    return true;
  }

  std::string_view rest_;
};

// Elements with the first index fastest become elements with the last index fastest.
void ToCOrder(const char* from, const std::vector<int64_t>& shape, size_t width, char* to) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t total = 1;
  for (const int64_t n : shape) total *= n;
  for (int64_t done = 0; done < total; ++done) {
    int64_t place = 0;
    for (size_t d = shape.size(); d-- > 0;) place = place * shape[d] + index[d];
    std::memcpy(to + static_cast<size_t>(done) * width, from + static_cast<size_t>(place) * width,
                width);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

SyStatus Load(const char* path, SyTensor** out_tensor) {
  std::shared_ptr<Mapping> file;
  if (const SyStatus s = Mapping::Open(path, &file); s != SY_OK) return s;
  const auto damaged = [&](const std::string& what) { return Fail(SY_DATA_LOSS, path, what); };
  const uint64_t size = file->size();
  const auto byte = [&](uint64_t i) {
    return static_cast<uint64_t>(static_cast<unsigned char>(file->data()[i]));
  };
  if (size < 10 || std::memcmp(file->data(), kMagic.data(), kMagic.size()) != 0)
    return damaged("not an .npy file");
  const uint64_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0)
    return Fail(SY_UNIMPLEMENTED, path,
                ".npy version " + std::to_string(version) + "." + std::to_string(byte(7)) +
                    "; 1.0 to 3.0 are read");
  const uint64_t start = version == 1 ? 10 : 12;
  if (size < start) return damaged("the header is cut off");
  uint64_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > size - start)
    return damaged("header of " + std::to_string(length) + " bytes in a file of " +
                   std::to_string(size));
  Description d;
  if (!Literal({file->data() + start, length}).Parse(&d))
    return damaged("the header is not {'descr': ..., 'fortran_order': ..., 'shape': ...}");
  for (const TypeName& t : kTypes)
    if (d.dtype_name == t.name) d.dtype = t.dtype;
  if (!d.dtype)
    return Fail(
        SY_UNIMPLEMENTED, path,
        "dtype " + d.dtype_name.substr(0, 40) + "; little-endian numbers and bools are read");
  if (d.shape.size() > SY_MAX_RANK)
    return Fail(SY_UNIMPLEMENTED, path,
                "rank " + std::to_string(d.shape.size()) + ", at most 12 are read");
  uint64_t bytes = 0;
  if (!Bytes(d.shape, d.dtype, &bytes)) return damaged("a shape with too many elements");
  if (bytes != size - start - length)
    return damaged(std::to_string(size - start - length) +
                   " bytes of data for a shape that takes " + std::to_string(bytes));
  char* data = file->data() + start + length;
  if (d.dtype == SY_BOOL)
    for (uint64_t i = 0; i < bytes; ++i)
      if (static_cast<unsigned char>(data[i]) > 1) return damaged("a bool that is neither 0 nor 1");
  if (!d.fortran || d.shape.size() < 2) return TensorOver(file, data, d.shape, d.dtype, out_tensor);
  const auto turned = std::make_shared<std::vector<uint64_t>>((bytes + 7) / 8);
  ToCOrder(data, d.shape, static_cast<size_t>(SY_DTYPE_BYTES(d.dtype)),
           reinterpret_cast<char*>(turned->data()));
  return TensorOver(turned, turned->data(), d.shape, d.dtype, out_tensor);
}

SyStatus Save(const char* path, SyTensor* tensor) {
  const char* type = nullptr;
  for (const TypeName& t : kTypes)
    if (t.dtype == sy_tensor_dtype(tensor)) type = t.name;
  if (!type)
    return Fail(SY_UNIMPLEMENTED, path, "NumPy has no dtype for this tensor; cast it to f32");
  std::string header = std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (";
  const int32_t rank = sy_tensor_rank(tensor);
  for (int32_t d = 0; d < rank; ++d)
    header += std::to_string(sy_tensor_shape(tensor)[d]) + (d + 1 < rank ? ", "
                                                            : rank == 1  ? ","
                                                                         : "");
  header += "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1,
                ' ');  // the data begins at a multiple of 64
  header += '\n';
  std::string start(kMagic);
  start += {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  std::vector<char> bytes;
  if (const SyStatus s = Read(tensor, &bytes); s != SY_OK) return s;
  Replacement file(path);
  if (const SyStatus s = file.Open(); s != SY_OK) return s;
  if (const SyStatus s = file.Write(start.data(), start.size()); s != SY_OK) return s;
  if (const SyStatus s = file.Write(header.data(), header.size()); s != SY_OK) return s;
  if (const SyStatus s = file.Write(bytes.data(), bytes.size()); s != SY_OK) return s;
  return file.Commit();
}

}  // namespace
}  // namespace sy::formats

SyStatus syf_npy_load(const char* path, SyTensor** out_tensor) {
  if (!out_tensor) return sy_fail(SY_INVALID_ARGUMENT, "syf_npy_load: out_tensor is NULL");
  *out_tensor = nullptr;
  return sy::formats::Guard(path, [&] { return sy::formats::Load(path, out_tensor); });
}

SyStatus syf_npy_save(const char* path, SyTensor* tensor) {
  if (!tensor) return sy_fail(SY_INVALID_ARGUMENT, "syf_npy_save: tensor is NULL");
  return sy::formats::Guard(path, [&] { return sy::formats::Save(path, tensor); });
}
