// Files that are broken, or hold what is not supported: one clear line, no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "frontend/onnx/model.h"
#include "onnx.pb.h"

namespace {

using sy::onnx::ReadModel;
using sy::onnx::ReadTensor;
using sy::onnx::Unsupported;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Path(const std::string& name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

std::string Written(const std::string& name, const std::string& bytes) {
  std::ofstream(Path(name), std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return Path(name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What reading says; it must say something, in one line that begins with the path.
template <class F>
std::string Message(const std::string& path, F&& read) {
  try {
    read(path);
  } catch (const sy::Error& e) {
    const std::string text = e.what();
    EXPECT_THAT(text, StartsWith(path + ": "));
    EXPECT_THAT(text, Not(HasSubstr("\n")));
    return text;
  }
  return "nothing thrown";
}

std::string TensorMessage(const onnx::TensorProto& t) {
  return Message(Written("tensor.pb", t.SerializeAsString()), ReadTensor);
}

onnx::TensorProto ThreeFloats() {
  onnx::TensorProto t;
  t.set_name("w");
  t.set_data_type(onnx::TensorProto::FLOAT);
  t.add_dims(3);
  for (const float v : {1.0f, 2.0f, 3.0f}) t.add_float_data(v);
  return t;
}

std::string ModelFile() {
  return ReadFile("/usr/share/libonnx-testdata/data/node/test_gemm_alpha/model.onnx");
}

TEST(OnnxReader, ReadsAModel) {
  const sy::onnx::Model model = ReadModel(Written("model.onnx", ModelFile()));
  ASSERT_EQ(model.graph.nodes.size(), 1u);
  EXPECT_EQ(model.graph.nodes[0].op, "Gemm");
  EXPECT_EQ(model.graph.nodes[0].attributes.at("alpha").number, 0.5);
  EXPECT_EQ(model.opsets.at(""), 13);
  ASSERT_EQ(model.graph.inputs.size(), 3u);
  EXPECT_EQ(model.graph.inputs[0].dtype, sy::f32);
}

TEST(OnnxReader, ReadsElementsAsTheirTypeStoresThem) {
  onnx::TensorProto t = ThreeFloats();
  EXPECT_EQ(MakeTensor(ReadTensor(Written("t.pb", t.SerializeAsString())), sy::Device("cpu"))
                .to_vector<float>(),
            (std::vector<float>{1, 2, 3}));
  t.Clear();
  t.set_data_type(onnx::TensorProto::INT8);
  t.add_dims(2);
  t.add_int32_data(-5);
  t.add_int32_data(100);
  EXPECT_EQ(MakeTensor(ReadTensor(Written("t.pb", t.SerializeAsString())), sy::Device("cpu"))
                .to_vector<int>(),
            (std::vector<int>{-5, 100}));
  t.Clear();
  t.set_data_type(onnx::TensorProto::FLOAT16);  // bits; no dims: one number
  t.add_int32_data(0x3c00);
  EXPECT_EQ(MakeTensor(ReadTensor(Written("t.pb", t.SerializeAsString())), sy::Device("cpu"))
                .item<double>(),
            1.0);
}

TEST(OnnxReader, RefusesWhatIsNoModel) {
  EXPECT_THAT(Message("/nowhere/model.onnx", ReadModel), HasSubstr("cannot be read"));
  EXPECT_THAT(Message(std::getenv("TEST_TMPDIR"), ReadModel), HasSubstr("cannot be read"));
  EXPECT_THAT(Message(Written("empty", ""), ReadModel), HasSubstr("is empty"));
  EXPECT_THAT(Message(Written("text", "once upon a time\n"), ReadModel),
              HasSubstr("no model of ONNX, or cut off"));
  EXPECT_THAT(Message(Written("zeros", std::string(100, '\0')), ReadModel),
              HasSubstr("no model of ONNX"));
  EXPECT_THAT(Message(Written("tensor", ThreeFloats().SerializeAsString()), ReadModel),
              HasSubstr("no model of ONNX"));
}

TEST(OnnxReader, SaysAtEveryLengthThatAFileIsCutOff) {
  const std::string bytes = ModelFile();
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(Message(Written("cut", bytes.substr(0, n)), ReadModel), "nothing thrown") << n;
}

TEST(OnnxReader, LivesThroughAnyBytes) {
  std::mt19937 random(1);
  const std::string bytes = ModelFile();
  int read = 0, refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string changed = bytes;
    for (int k = 0; k < 3; ++k) changed[random() % changed.size()] = static_cast<char>(random());
    const std::string path = Written("changed", changed);
    try {
      ReadModel(path);
      ++read;
    } catch (const sy::Error& e) {
      EXPECT_THAT(e.what(), StartsWith(path + ": "));
      ++refused;
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

TEST(OnnxReader, RefusesTensorsThatDoNotAddUp) {
  onnx::TensorProto t = ThreeFloats();
  t.set_dims(0, 4);
  EXPECT_THAT(TensorMessage(t), HasSubstr("tensor \"w\" has 12 bytes; its shape and type want 16"));
  t.set_dims(0, -1);
  EXPECT_THAT(TensorMessage(t), HasSubstr("tensor \"w\" has a size of -1"));
  t.set_dims(0, int64_t{1} << 62);
  EXPECT_THAT(TensorMessage(t), HasSubstr("has a size of 4611686018427387904"));
  t.set_name("a\nb");
  EXPECT_THAT(TensorMessage(t), HasSubstr("tensor \"a?b\""));
}

TEST(OnnxReader, NamesWhatItDoesNotRead) {
  onnx::TensorProto t = ThreeFloats();
  t.clear_float_data();
  t.set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto* entry = t.add_external_data();
  entry->set_key("location");
  entry->set_value("weights.bin");
  EXPECT_THAT(TensorMessage(t), HasSubstr("tensor \"w\" keeps its elements in another file"));

  onnx::ModelProto model;
  model.add_opset_import()->set_version(13);
  *model.mutable_graph()->add_initializer() = t;
  EXPECT_THAT(Message(Written("external.onnx", model.SerializeAsString()), ReadModel),
              HasSubstr("keeps its elements in another file"));

  t = ThreeFloats();
  t.mutable_segment()->set_end(1);
  EXPECT_THAT(TensorMessage(t), HasSubstr("is stored in segments"));

  t.Clear();
  t.set_data_type(onnx::TensorProto::STRING);
  t.add_string_data("text");
  const sy::onnx::TensorValue value = ReadTensor(Written("s.pb", t.SerializeAsString()));
  EXPECT_EQ(value.foreign, "strings");
  EXPECT_THROW(MakeTensor(value, sy::Device("cpu")), Unsupported);

  onnx::ModelProto no_opset;
  no_opset.mutable_graph()->set_name("g");
  EXPECT_THAT(Message(Written("no_opset.onnx", no_opset.SerializeAsString()), ReadModel),
              HasSubstr("does not say its opset"));
}

}  // namespace
