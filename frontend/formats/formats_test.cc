#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "switchyard/front_end_testing.h"
#include "switchyard/switchyard.h"

namespace {

using sy::Tensor;
namespace formats = sy::formats;
namespace nn = sy::nn;

// A path that is gone after the test.
class Scratch {
 public:
  explicit Scratch(const std::string& name) : path_(Folder() + "/" + name) {}
  ~Scratch() { std::filesystem::remove(path_); }
  operator const std::string&() const { return path_; }  // NOLINT(google-explicit-constructor)
  const std::string& path() const { return path_; }

 private:
  static std::string Folder() {
    const char* given = std::getenv("TEST_TMPDIR");
    return given ? given : std::filesystem::temp_directory_path().string();
  }
  std::string path_;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
std::string Little(uint64_t n, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(n >> (8 * i) & 0xff);
  return text;
}

// ---- safetensors

std::string File(const std::string& header, const std::string& data) {
  return Little(header.size(), 8) + header + data;
}

const sy::Dtype kDtypes[] = {sy::f64, sy::f32, sy::f16, sy::bf16, sy::i64, sy::i32,  sy::i16,
                             sy::i8,  sy::u64, sy::u32, sy::u16,  sy::u8,  sy::bool_};

TEST(Safetensors, GoRoundInEveryDtype) {
  const Scratch file("round.safetensors");
  nn::StateDict dict;
  for (const sy::Dtype dtype :
       kDtypes) {  // three elements each: odd sizes, so that order of size matters
    const Tensor value = sy::from({0., 1., 3.}).to(dtype);
    dict.set(std::string("x.") + name(dtype), value);
  }
  dict.set("scalar", sy::full({}, 2.5));
  dict.set("empty", sy::zeros({2, 0}));
  dict.set("turned", sy::from({{1., 2., 3.}, {4., 5., 6.}}).t());
  formats::save_safetensors(file, dict);
  const nn::StateDict back = formats::load_safetensors(file);
  ASSERT_EQ(back.size(), dict.size());
  auto want = dict.begin();
  for (const auto& [name, tensor] : back) {
    EXPECT_EQ(name, want->first);
    EXPECT_EQ(tensor.dtype(), want->second.dtype()) << name;
    EXPECT_EQ(tensor.shape(), want->second.shape()) << name;
    EXPECT_EQ(tensor.to_vector<double>(), want->second.to_vector<double>()) << name;
    ++want;
  }
  const std::string bytes = ReadFile(file);
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);  // so that the data are aligned
  EXPECT_FALSE(std::filesystem::exists(file.path() + ".part" + std::to_string(getpid())));
}

TEST(Safetensors, ReadsWhatTheReferenceWrites) {
  // Header and data as the reference library's documentation lays them out.
  const Scratch file("reference.safetensors");
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
      R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}   )";
  WriteFile(file, File(header, Little(0x3fc00000, 4) + Little(0xc0000000, 4) + Little(0x3f80, 2) +
                                   Little(0x4040, 2)));
  const nn::StateDict dict = formats::load_safetensors(file);
  EXPECT_EQ(dict["a"].to_vector<double>(), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(dict["b"].to_vector<double>(), (std::vector<double>{1, 3}));
  EXPECT_EQ(dict["b"].dtype(), sy::bf16);
  EXPECT_FAILS(dict["c"], "state dict: no tensor 'c' among 2");
  SyfFile* opened = nullptr;
  ASSERT_EQ(syf_safetensors_open(file.path().c_str(), &opened), SY_OK);
  EXPECT_STREQ(syf_file_metadata(opened, "format"), "pt");
  EXPECT_EQ(syf_file_metadata(opened, "nothing"), nullptr);
  EXPECT_EQ(syf_file_name(opened, 2), nullptr);
  SyTensor* none = nullptr;
  EXPECT_EQ(syf_file_tensor(opened, 2, &none), SY_OUT_OF_RANGE);
  syf_file_release(opened);
}

TEST(Safetensors, TensorsOutliveTheFileAndWritesStayInMemory) {
  const Scratch file("life.safetensors");
  formats::save_safetensors(file, {{"a", sy::from({1., 2.})}});
  Tensor a;
  {
    const nn::StateDict dict = formats::load_safetensors(file);
    a = dict["a"];
  }
  formats::save_safetensors(
      file, {{"a", sy::from({5., 6.})}});  // replaces the file; the old one is still mapped
  EXPECT_EQ(a.to_vector<float>(), (std::vector<float>{1, 2}));
  a += 1;
  EXPECT_EQ(a.to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(formats::load_safetensors(file)["a"].to_vector<float>(), (std::vector<float>{5, 6}));
}

struct Bad {
  const char* name;
  std::string bytes;
  std::string message;
};

std::vector<Bad> BadFiles() {
  const std::string f32 = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", eight(8, '\0');
  const auto one = [&](const std::string& body, const std::string& data) {
    return File(R"({"a":{)" + body + "}}", data);
  };
  const std::string good = one(f32, eight);
  return {
      {"empty file", "", "0 bytes, want 8"},
      {"seven bytes", "1234567", "7 bytes, want 8"},
      {"header longer than the file", Little(1000, 8) + "{}",
       "header of 1000 bytes in a file of 10"},
      {"header longer than any", Little(uint64_t{1} << 63, 8) + "{}",
       "header of 9223372036854775808 bytes; at most"},
      {"no header", Little(0, 8), "does not begin with '{'"},
      {"header is a list", File("[1,2]", ""), "does not begin with '{'"},
      {"header begins with a blank", File(" {}", ""), "does not begin with '{'"},
      {"JSON is cut", File(R"({"a":{"dtype":"F32")", ""), "not valid JSON"},
      {"JSON goes on", File("{}{}", ""), "not valid JSON"},
      {"JSON is not UTF-8", File("{\"\xff\":1}", ""), "not valid JSON"},
      {"nested deep",
       File("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", ""),
       "nests too deep"},
      {"key twice", File("{\"a\":{" + f32 + "},\"a\":{" + f32 + "}}", eight), "'a' comes twice"},
      {"inner key twice", one(R"("dtype":"F32",)" + f32, eight), "'dtype' comes twice"},
      {"tensor is a number", File(R"({"a":1})", ""), "'a': not an object"},
      {"unknown inner key", one(f32 + R"(,"strides":[1])", eight), "unknown key 'strides'"},
      {"no dtype", one(R"("shape":[2],"data_offsets":[0,8])", eight), "no dtype"},
      {"dtype is a number", one(R"("dtype":32,"shape":[2],"data_offsets":[0,8])", eight),
       "no dtype"},
      {"unknown dtype", one(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])", eight),
       "unknown dtype 'F8_E4M3'"},
      {"no shape", one(R"("dtype":"F32","data_offsets":[0,8])", eight), "no shape"},
      {"shape is negative", one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])", eight),
       "not whole numbers"},
      {"shape is a fraction", one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])", eight),
       "not whole numbers"},
      {"shape is beyond 63 bits",
       one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8])", eight),
       "not whole numbers"},
      {"shape overflows",
       one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])", eight),
       "too many elements"},
      {"rank 13",
       one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])", eight),
       "rank 13"},
      {"no offsets", one(R"("dtype":"F32","shape":[2])", eight), "data_offsets are not two"},
      {"three offsets", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])", eight),
       "data_offsets are not two"},
      {"negative offset", one(R"("dtype":"F32","shape":[2],"data_offsets":[-1,7])", eight),
       "data_offsets are not two"},
      {"offsets turned round", one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])", eight),
       "bytes 8 to 0 of 8"},
      {"beyond the data", one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])", eight),
       "bytes 0 to 16 of 8"},
      {"data cut", good.substr(0, good.size() - 1), "bytes 0 to 8 of 7"},
      {"data too long", good + "x", "1 bytes behind the last tensor"},
      {"shape does not take the bytes",
       one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])", eight),
       "for a shape that takes 12"},
      {"gap at the start", one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", eight),
       "after a gap from 0"},
      {"overlap",
       File("{\"a\":{" + f32 + R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight),
       "inside the tensor before it"},
      {"two tensors over one", File("{\"a\":{" + f32 + "},\"b\":{" + f32 + "}}", eight),
       "inside the tensor before it"},
      {"no tensors, but data", File("{}", eight), "8 bytes behind the last tensor"},
      {"bool of 2", one(R"("dtype":"BOOL","shape":[2],"data_offsets":[0,2])", std::string("\1\2")),
       "neither 0 nor 1"},
      {"metadata is a list", File(R"({"__metadata__":[]})", ""), "__metadata__ is not an object"},
      {"metadata holds a number", File(R"({"__metadata__":{"a":1}})", ""),
       "__metadata__ 'a' is not a text"},
      {"zero byte in a name", File(R"({"a\u0000b":{)" + f32 + "}}", eight),
       "a name with a zero byte"},
  };
}

TEST(Safetensors, RefusesWhatIsMalformedInOneLine) {
  const std::vector<Bad> bad = BadFiles();
  EXPECT_GE(bad.size(), 20u);
  for (const Bad& b : bad) {
    const Scratch file("bad.safetensors");
    WriteFile(file, b.bytes);
    const std::string text = sy::testing::Failure([&] { formats::load_safetensors(file); });
    EXPECT_EQ(text.rfind(file.path() + ": ", 0), 0u) << b.name << ": " << text;
    EXPECT_NE(text.find(b.message), std::string::npos) << b.name << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << b.name;
    EXPECT_LT(text.size() - file.path().size(), 200u) << b.name;
  }
}

// Every prefix and every one-byte change of a good file is read or refused, and never crashes.
TEST(Safetensors, SurvivesEveryCutAndEveryChangedByte) {
  const Scratch file("fuzz.safetensors");
  formats::save_safetensors(file,
                            {{"a", sy::from({1., 2.})}, {"b", sy::from({true, false, true})}});
  const std::string good = ReadFile(file);
  const auto survives = [&](const std::string& bytes) {
    WriteFile(file, bytes);
    try {
      for (const auto& [name, tensor] : formats::load_safetensors(file))
        (void)tensor.to_vector<double>();
      return true;
    } catch (const sy::Error&) {
      return false;
    }
  };
  EXPECT_TRUE(survives(good));
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(survives(good.substr(0, n))) << n;
  for (size_t i = 0; i < good.size(); ++i)
    for (const int flip : {1, 0x20, 0x80}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      survives(bytes);
    }
}

TEST(Safetensors, SaysWhatItCannotOpenOrWrite) {
  EXPECT_FAILS(formats::load_safetensors("/nowhere/x.safetensors"),
               "/nowhere/x.safetensors: cannot open: No such file");
  EXPECT_FAILS(formats::load_safetensors("/"), "/: not a regular file");
  EXPECT_FAILS(formats::save_safetensors("/nowhere/x.safetensors", {}),
               "/nowhere/x.safetensors: cannot write");
  const Scratch file("names.safetensors");
  EXPECT_FAILS(formats::save_safetensors(file, {{"__metadata__", sy::zeros({1})}}),
               "'__metadata__' is reserved");
  EXPECT_FAILS(formats::save_safetensors(file, {{"a", sy::zeros({1})}, {"a", sy::zeros({1})}}),
               "'a' comes twice");
  EXPECT_FAILS(formats::save_safetensors(file, {{"\xff", sy::zeros({1})}}), "UTF-8");
  EXPECT_FAILS(formats::save_safetensors(file, {{"a", Tensor()}}), "tensor 0 is NULL");
  EXPECT_FALSE(std::filesystem::exists(file.path()));
  EXPECT_EQ(syf_safetensors_open(nullptr, nullptr), SY_INVALID_ARGUMENT);
}

TEST(Module, SavesAndLoads) {
  sy::manual_seed(1);
  const Scratch file("net.safetensors");
  nn::Sequential one(nn::Linear(3, 4), nn::BatchNorm1d(4)),
      two(nn::Linear(3, 4), nn::BatchNorm1d(4));
  const Tensor x = sy::randn({5, 3});
  one(x);
  one.save(file);
  const Tensor weight = two.parameters()[0];
  two.load(file);
  one.eval();
  two.eval();
  EXPECT_EQ(one(x).to_vector<float>(), two(x).to_vector<float>());
  EXPECT_TRUE(weight.is_same(two.parameters()[0]));
  nn::Linear other(3, 5);
  EXPECT_FAILS(other.load(file),
               "load_state_dict: Linear does not fit:\n  missing     weight [5,3]\n  missing     "
               "bias [5]\n  unexpected  0.weight");
}

// ---- NPY

std::string Npy(const std::string& header, const std::string& data, int major = 1) {
  return std::string("\x93NUMPY") + Little(static_cast<uint64_t>(major), 2) +
         Little(header.size(), major == 1 ? 2 : 4) + header + data;
}

TEST(Npy, GoesRoundInEveryDtype) {
  const Scratch file("round.npy");
  for (const sy::Dtype dtype : kDtypes) {
    const Tensor x = sy::from({{0., 1., 3.}, {4., 5., 6.}}).to(dtype);
    if (dtype == sy::bf16) {
      EXPECT_FAILS(formats::save_npy(file, x), "NumPy has no dtype");
      continue;
    }
    formats::save_npy(file, x);
    const Tensor y = formats::load_npy(file);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>());
  }
  for (const Tensor& x : {sy::full({}, 3.0), sy::from({1., 2.}), sy::zeros({0, 3}),
                          sy::from({{1., 2.}, {3., 4.}}).t()}) {
    formats::save_npy(file, x);
    EXPECT_EQ(formats::load_npy(file).shape(), x.shape());
    EXPECT_EQ(formats::load_npy(file).to_vector<double>(), x.to_vector<double>());
    EXPECT_EQ(ReadFile(file).size() % 64, static_cast<size_t>(x.numel() * 4) % 64);
  }
}

// The header is byte for byte what NumPy 1.24 writes for np.arange(3, dtype='<i2').
TEST(Npy, WritesWhatNumpyWrites) {
  const Scratch file("numpy.npy");
  formats::save_npy(file, sy::arange(3, {.dtype = sy::i16}));
  std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }";
  header.resize(117, ' ');
  header += '\n';
  EXPECT_EQ(ReadFile(file), Npy(header, Little(0x000200010000, 6)));
}

TEST(Npy, ReadsFortranOrderAndLaterVersions) {
  const Scratch file("fortran.npy");
  std::string data;
  for (int i = 0; i < 24; ++i) data += Little(static_cast<uint64_t>(i), 2);
  WriteFile(file, Npy("{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3, 4), }\n", data));
  std::vector<int64_t> want;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) want.push_back(i + 2 * j + 6 * k);
  EXPECT_EQ(formats::load_npy(file).to_vector<int64_t>(), want);
  for (const int major : {2, 3}) {  // and data that are not aligned
    WriteFile(file,
              Npy("{\"descr\":\"<u2\",\"fortran_order\":False,\"shape\":(24,)}", data, major));
    EXPECT_EQ(formats::load_npy(file).to_vector<int64_t>()[23], 23);
  }
}

TEST(Npy, RefusesWhatIsMalformed) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
                    eight(8, '\0');
  const std::vector<Bad> bad = {
      {"empty", "", "not an .npy file"},
      {"other magic", "\x93NUMPZ" + Npy(good, eight).substr(6), "not an .npy file"},
      {"version 4", Npy(good, eight, 4), "version 4.0"},
      {"header cut", Npy(good, eight).substr(0, 40), "header of 58 bytes in a file of 40"},
      {"version 2 cut", Npy(good, eight, 2).substr(0, 11), "the header is cut off"},
      {"data cut", Npy(good, "1234567"), "7 bytes of data for a shape that takes 8"},
      {"data too long", Npy(good, "123456789"), "9 bytes of data"},
      {"big-endian", Npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", eight),
       "dtype >f4"},
      {"objects", Npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", eight),
       "dtype |O"},
      {"record", Npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", eight),
       "the header is not"},
      {"negative", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", eight),
       "the header is not"},
      {"overflow",
       Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", eight),
       "too many elements"},
      {"huge number",
       Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", eight),
       "the header is not"},
      {"key missing", Npy("{'descr': '<f4', 'shape': (2,), }", eight), "the header is not"},
      {"key twice",
       Npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", eight),
       "the header is not"},
      {"open brace", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", eight),
       "the header is not"},
      {"more behind", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", eight),
       "the header is not"},
      {"rank 13",
       Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,2)}", eight),
       "rank 13"},
      {"bool of 7", Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", "\7"),
       "neither 0 nor 1"},
  };
  for (const Bad& b : bad) {
    const Scratch file("bad.npy");
    WriteFile(file, b.bytes);
    EXPECT_NE(sy::testing::Failure([&] { formats::load_npy(file); }).find(b.message),
              std::string::npos)
        << b.name << ": " << sy::testing::Failure([&] { formats::load_npy(file); });
  }
}

// ---- tables and digits

TEST(Csv, ReadsNumbersAndNamesTheBadLine) {
  const Scratch file("table.csv");
  WriteFile(file, "1,2.5,-3e2\r\n 4 , 5,6\n\n");
  const Tensor table = formats::load_csv(file);
  EXPECT_EQ(table.shape(), (sy::Shape{2, 3}));
  EXPECT_EQ(table.to_vector<float>(), (std::vector<float>{1, 2.5, -300, 4, 5, 6}));
  for (const auto& [text, message] : {std::pair("1,2\n3\n", "line 2: 1 columns, want 2"),
                                      {"1,2\n3,x\n", "line 2, column 2: not a number"},
                                      {"1,\n", "line 1, column 2: not a number"},
                                      {"1;2\n", "line 1, column 1: not a number"},
                                      {"", "no rows"}}) {
    WriteFile(file, text);
    EXPECT_FAILS(formats::load_csv(file), message);
  }
  EXPECT_FAILS(formats::load_csv("/nowhere.csv"), "/nowhere.csv: cannot open");
}

// "1,2\n3,4\n" as gzip -n packs it.
TEST(Csv, UnpacksGzipAndSeesWhereItIsCut) {
  const std::string packed(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x33\xd4\x31\xe2\x32\xd6\x31\xe1\x02\x00\x47\x93\x6c"
      "\xaf\x08\x00\x00\x00",
      28);
  const Scratch file("table.csv.gz");
  WriteFile(file, packed);
  EXPECT_EQ(formats::load_csv(file).to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  WriteFile(file, packed.substr(0, packed.size() - 3));
  EXPECT_FAILS(formats::load_csv(file), "cannot unpack: the file is cut off");
  std::string wrong = packed;
  wrong[wrong.size() - 6] ^= 1;
  WriteFile(file, wrong);
  EXPECT_FAILS(formats::load_csv(file), "cannot unpack: ");
}

TEST(Digits, SplitKeepsClassesTogether) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 100; ++i) labels.push_back(i % 10 == 0 ? 1 : 0);  // 10 and 90
  const sy::data::Digits all{sy::arange(100), sy::from(labels)};
  const auto [train, held] = sy::data::stratified_split(all, 0.25, 7);
  EXPECT_EQ(held.labels.size(0), 25);
  EXPECT_EQ(train.labels.size(0), 75);
  const int64_t ones = sum(held.labels).item<int64_t>();
  EXPECT_TRUE(ones == 2 || ones == 3) << ones;
  std::vector<int64_t> back = train.images.to_vector<int64_t>(),
                       other = held.images.to_vector<int64_t>();
  EXPECT_TRUE(std::is_sorted(back.begin(), back.end()) &&
              std::is_sorted(other.begin(), other.end()));
  back.insert(back.end(), other.begin(), other.end());
  std::sort(back.begin(), back.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(back[static_cast<size_t>(i)], i);
  EXPECT_EQ(sy::data::stratified_split(all, 0.25, 7).second.images.to_vector<int64_t>(), other);
  EXPECT_NE(sy::data::stratified_split(all, 0.25, 8).second.images.to_vector<int64_t>(), other);
  EXPECT_FAILS(sy::data::stratified_split(all, 1.5), "fraction 1.5");
}

TEST(Digits, AreWhatTheirPagesSay) {
  const char* folder = std::getenv("SWITCHYARD_DATA");
  ASSERT_NE(folder, nullptr)
      << "SWITCHYARD_DATA names no folder; ./dev test sets it and fetches the files";
  const auto digits = sy::data::load_optdigits(std::string(folder) + "/digits.csv.gz");
  EXPECT_EQ(digits.images.shape(), (sy::Shape{1797, 1, 8, 8}));
  EXPECT_EQ(amax(digits.images).item<float>(), 1);
  EXPECT_EQ((16 * digits.images[0][0][0]).to_vector<int64_t>(),
            (std::vector<int64_t>{0, 0, 5, 13, 9, 1, 0, 0}));
  std::vector<int64_t> counts(10);
  for (const int64_t label : digits.labels.to_vector<int64_t>())
    ++counts[static_cast<size_t>(label)];
  EXPECT_EQ(counts, (std::vector<int64_t>{178, 182, 177, 183, 181, 182, 181, 179, 174,
                                          180}));  // scikit-learn's page
  const auto [train, held] = sy::data::stratified_split(digits, 0.2);
  EXPECT_EQ(held.labels.size(0), 360);
  const auto mnist = sy::data::load_mnist5k(std::string(folder) + "/mnist_5k.csv.gz");
  EXPECT_EQ(mnist.images.shape(), (sy::Shape{5000, 1, 28, 28}));
  EXPECT_EQ(sum((mnist.labels == 3).to(sy::i64)).item<int64_t>(), 500);
  EXPECT_FAILS(sy::data::load_mnist5k(std::string(folder) + "/digits.csv.gz"),
               "65 columns, want 784 pixels and a label");
}

}  // namespace
