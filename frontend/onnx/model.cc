#include "frontend/onnx/model.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

// Written by protoc from the .proto that the system's package of ONNX brings.
#include "onnx.pb.h"

namespace sy::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::TensorProto;

// A name out of a file, fit for one line of text.
std::string Plain(const std::string& name) {
  std::string text;
  for (const char c : name.substr(0, 80)) text += c < ' ' || c == 127 ? '?' : c;
  return name.size() > 80 ? text + "..." : text;
}

[[noreturn]] void Bad(const std::string& path, const std::string& what) {
  throw Error(SY_DATA_LOSS, path + ": " + what);
}

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  if (!in || !std::filesystem::is_regular_file(path, error))
    throw Error(SY_NOT_FOUND, path + ": cannot be read");
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (bytes.empty()) Bad(path, "is empty");
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    Bad(path, "has " + std::to_string(bytes.size()) + " bytes; protobuf reads at most 2 GiB");
  return bytes;
}

template <class Message>
Message Parse(const std::string& path, const char* kind) {
  const std::string bytes = ReadBytes(path);
  Message message;
  if (!message.ParseFromString(bytes))
    Bad(path, "no " + std::string(kind) + " of ONNX, or cut off: its " +
                  std::to_string(bytes.size()) + " bytes do not parse");
  return message;
}

std::string TypeName(int64_t type) {
  if (type == TensorProto::STRING) return "strings";
  if (type == TensorProto::COMPLEX64 || type == TensorProto::COMPLEX128) return "complex numbers";
  return "elements of type " + std::to_string(type);
}

int64_t BytesOf(Dtype dtype) { return (SY_DTYPE_BITS(dtype.code) + 7) / 8; }

// Elements that stand in a field of a wider type, in the dtype's own width.
template <class Element, class Field>
void Append(std::string* bytes, const Field& field) {
  bytes->reserve(static_cast<size_t>(field.size()) * sizeof(Element));
  for (const auto v : field) {
    const auto element = static_cast<Element>(v);
    bytes->append(reinterpret_cast<const char*>(&element), sizeof element);
  }
}

std::string TypedBytes(const TensorProto& t, Dtype dtype) {
  std::string bytes;
  switch (dtype.code) {
    case SY_F32:
      Append<float>(&bytes, t.float_data());
      break;
    case SY_F64:
      Append<double>(&bytes, t.double_data());
      break;
    case SY_I64:
      Append<int64_t>(&bytes, t.int64_data());
      break;
    case SY_U64:
      Append<uint64_t>(&bytes, t.uint64_data());
      break;
    case SY_U32:
      Append<uint32_t>(&bytes, t.uint64_data());
      break;
    case SY_I32:
      Append<int32_t>(&bytes, t.int32_data());
      break;
    default:  // halves as their bits
      if (BytesOf(dtype) == 2)
        Append<uint16_t>(&bytes, t.int32_data());
      else
        Append<uint8_t>(&bytes, t.int32_data());
  }
  return bytes;
}

TensorValue Value(const std::string& path, const TensorProto& t) {
  TensorValue v;
  v.name = t.name();
  const std::string who = "tensor \"" + Plain(t.name()) + "\"";
  if (t.data_location() == TensorProto::EXTERNAL || t.external_data_size() > 0)
    throw Unsupported(path + ": " + who + " keeps its elements in another file");
  if (t.has_segment()) throw Unsupported(path + ": " + who + " is stored in segments");
  v.dtype = DtypeOf(t.data_type());
  v.shape.assign(t.dims().begin(), t.dims().end());
  if (!v.dtype.code) {
    v.foreign = TypeName(t.data_type());
    return v;
  }
  int64_t bytes = BytesOf(v.dtype);
  for (const int64_t size : v.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes))
      Bad(path, who + " has a size of " + std::to_string(size));
  v.bytes = t.has_raw_data() ? t.raw_data() : TypedBytes(t, v.dtype);
  if (v.bytes.size() != static_cast<size_t>(bytes))
    Bad(path, who + " has " + std::to_string(v.bytes.size()) + " bytes; its shape and type want " +
                  std::to_string(bytes));
  return v;
}

Attribute ReadAttribute(const std::string& path, const AttributeProto& a) {
  using Kind = Attribute::Kind;
  Attribute out;
  switch (a.type()) {
    case AttributeProto::FLOAT:
      out.kind = Kind::kFloat;
      out.number = a.f();
      break;
    case AttributeProto::INT:
      out.kind = Kind::kInt;
      out.integer = a.i();
      break;
    case AttributeProto::STRING:
      out.kind = Kind::kText;
      out.text = a.s();
      break;
    case AttributeProto::TENSOR:
      out.kind = Kind::kTensor;
      out.tensor = Value(path, a.t());
      break;
    case AttributeProto::FLOATS:
      out.kind = Kind::kFloats;
      out.numbers.assign(a.floats().begin(), a.floats().end());
      break;
    case AttributeProto::INTS:
      out.kind = Kind::kInts;
      out.integers.assign(a.ints().begin(), a.ints().end());
      break;
    case AttributeProto::STRINGS:
      out.kind = Kind::kTexts;
      out.texts.assign(a.strings().begin(), a.strings().end());
      break;
    case AttributeProto::GRAPH:
    case AttributeProto::GRAPHS:
      out.text = "a subgraph";
      break;
    default:
      out.text = "of kind " + std::to_string(a.type());
  }
  return out;
}

Port ReadPort(const ::onnx::ValueInfoProto& info) {
  Port port;
  port.name = info.name();
  const ::onnx::TypeProto& type = info.type();
  if (type.has_sequence_type())
    port.foreign = "a sequence";
  else if (type.has_optional_type())
    port.foreign = "an optional";
  else if (!type.has_tensor_type())
    port.foreign = "no tensor";
  else if (port.dtype = DtypeOf(type.tensor_type().elem_type()); !port.dtype.code)
    port.foreign = TypeName(type.tensor_type().elem_type());
  return port;
}

Node ReadNode(const std::string& path, const ::onnx::NodeProto& n) {
  Node node;
  node.op = Plain(n.op_type());
  node.domain = n.domain() == "ai.onnx" ? "" : Plain(n.domain());
  node.name = n.name();
  node.inputs.assign(n.input().begin(), n.input().end());
  node.outputs.assign(n.output().begin(), n.output().end());
  for (const AttributeProto& a : n.attribute()) node.attributes[a.name()] = ReadAttribute(path, a);
  return node;
}

}  // namespace

Dtype DtypeOf(int64_t onnx_type) {
  switch (onnx_type) {
    case TensorProto::FLOAT:
      return f32;
    case TensorProto::UINT8:
      return u8;
    case TensorProto::INT8:
      return i8;
    case TensorProto::UINT16:
      return u16;
    case TensorProto::INT16:
      return i16;
    case TensorProto::INT32:
      return i32;
    case TensorProto::INT64:
      return i64;
    case TensorProto::BOOL:
      return bool_;
    case TensorProto::FLOAT16:
      return f16;
    case TensorProto::DOUBLE:
      return f64;
    case TensorProto::UINT32:
      return u32;
    case TensorProto::UINT64:
      return u64;
    case TensorProto::BFLOAT16:
      return bf16;
    default:
      return {};
  }
}

Model ReadModel(const std::string& path) {
  const auto proto = Parse<::onnx::ModelProto>(path, "model");
  if (!proto.has_graph()) Bad(path, "no model of ONNX: it has no graph");
  if (proto.opset_import_size() == 0) Bad(path, "does not say its opset; is it cut off?");
  Model model;
  model.file = path;
  for (const auto& set : proto.opset_import())
    model.opsets[set.domain() == "ai.onnx" ? "" : set.domain()] = set.version();
  const ::onnx::GraphProto& g = proto.graph();
  if (g.sparse_initializer_size() > 0) throw Unsupported(path + ": has sparse initializers");
  for (const TensorProto& t : g.initializer()) model.graph.initializers.push_back(Value(path, t));
  for (const auto& n : g.node()) model.graph.nodes.push_back(ReadNode(path, n));
  for (const auto& p : g.input()) model.graph.inputs.push_back(ReadPort(p));
  for (const auto& p : g.output()) model.graph.outputs.push_back(ReadPort(p));
  return model;
}

TensorValue ReadTensor(const std::string& path) {
  return Value(path, Parse<TensorProto>(path, "tensor"));
}

Tensor MakeTensor(const TensorValue& value, const Device& device) {
  if (!value.foreign.empty()) throw Unsupported(value.foreign);
  SyTensor* out = nullptr;
  detail::Check(sy_tensor_from_host(value.bytes.data(), value.shape.data(),
                                    static_cast<int32_t>(value.shape.size()), value.dtype.code,
                                    device.name().c_str(), &out));
  return Tensor::take(out);
}

}  // namespace sy::onnx
