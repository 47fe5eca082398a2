// Compilation: cubins that outlive their program, logs with lines, options, names, the disk cache,
// and how the scanner reads a text.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/soft_cuda/harness.h"
#include "tests/soft_cuda/scan.h"

namespace soft {
namespace {

constexpr char kFill[] = "extern \"C\" __global__ void k(int* p, int v) { p[threadIdx.x] = v; }";

TEST_F(SoftCuda, LoadsACubinAgainAndAgain) {
  const Compiled c = CompileText(kFill);
  ASSERT_EQ(c.result, NVRTC_SUCCESS);
  const std::string copy(c.cubin.data(), c.cubin.size());
  const CUdeviceptr p = Alloc(8);
  for (int round = 0; round < 3; ++round) {
    CUmodule module = nullptr;
    CUfunction f = nullptr;
    ASSERT_EQ(api.cuModuleLoadData(&module, round == 2 ? c.ptx.data() : copy.data()), CUDA_SUCCESS);
    ASSERT_EQ(api.cuModuleGetFunction(&f, module, "k"), CUDA_SUCCESS);
    ASSERT_EQ(RunKernel(f, {1, 2}, p, round), CUDA_SUCCESS);
    EXPECT_EQ(Download<int>(p, 2), (std::vector<int>{round, round}));
    ASSERT_EQ(api.cuModuleUnload(module), CUDA_SUCCESS);
    Recover();
    ASSERT_EQ(api.soft_cuda_get("modules"), 0);
    const_cast<CUdeviceptr&>(p) = Alloc(8);
  }
  CUmodule module = nullptr;
  EXPECT_EQ(api.cuModuleLoadData(&module, "no image at all"), CUDA_ERROR_INVALID_IMAGE);
}

// Two modules that are loaded at once and differ.
TEST_F(SoftCuda, KeepsModulesApart) {
  const char* text =
      "__device__ int g = SEED; extern \"C\" __global__ void k(int* p) { *p = g++; }";
  std::string one = text, two = text;
  one.replace(one.find("SEED"), 4, "100");
  two.replace(two.find("SEED"), 4, "200");
  const CUfunction a = Kernel(one), b = Kernel(two), c = Kernel(one);
  const CUdeviceptr p = Alloc(4);
  const int want[] = {100, 200, 100, 101};
  int i = 0;
  for (const CUfunction f : {a, b, c, c}) {
    ASSERT_EQ(RunKernel(f, {1, 1}, p), CUDA_SUCCESS);
    EXPECT_EQ(Download<int>(p, 1)[0], want[i++]);
  }
}

TEST_F(SoftCuda, SaysWhereATextIsWrong) {
  const Compiled c =
      CompileText("// one\n\nextern \"C\" __global__ void k(int* p) {\n  *p = nobody;\n}\n");
  EXPECT_EQ(c.result, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(c.log.find("test.cu:4:"), c.log.npos) << c.log;
  EXPECT_NE(c.log.find("nobody"), c.log.npos) << c.log;
}

TEST_F(SoftCuda, KeepsLinesWhereItRewrites) {
  const Compiled c = CompileText(
      "extern \"C\" __global__ void k(int* p) {\n  extern __shared__\n    int s[];\n  *p = s[0] + "
      "nobody;\n}\n");
  EXPECT_NE(c.log.find("test.cu:4:"), c.log.npos) << c.log;
}

TEST_F(SoftCuda, TakesOptions) {
  EXPECT_EQ(CompileText(kFill, {"-DX=1", "--fmad=false", "-default-device", "-std=c++17"}).result,
            NVRTC_SUCCESS);
  EXPECT_EQ(CompileText("#if X != 3\n#error no X\n#endif\n", {"-D", "X=3"}).result, NVRTC_SUCCESS);
  const Compiled bad = CompileText(kFill, {"--no-such-option"});
  EXPECT_EQ(bad.result, NVRTC_ERROR_INVALID_OPTION);
  EXPECT_NE(bad.log.find("--no-such-option"), bad.log.npos);
}

// What the real NVRTC does not know must not pass here.
TEST_F(SoftCuda, RefusesWhatNvrtcRefuses) {
  for (const char* word : {"NAN", "INFINITY", "INT_MAX", "sizeof(int32_t)"})
    EXPECT_EQ(
        CompileText("extern \"C\" __global__ void k(float* p) { *p = " + std::string(word) + "; }")
            .result,
        NVRTC_ERROR_COMPILATION)
        << word;
  EXPECT_EQ(CompileText("#include <cstdint>\n").result, NVRTC_ERROR_COMPILATION);
}

// A text for the host's compiler alone: NVIDIA's, which looks at every text, does not know its
// word.
TEST_F(SoftCuda, ShowsEveryTextToNvidiasCompiler) {
  ASSERT_TRUE(std::getenv("SWITCHYARD_DATA")) << "run by ./dev test, which fetches NVRTC";
  const Compiled c = CompileText(
      "extern \"C\" __global__ void k(float* p) { *p = __builtin_ia32_rdpmc(0); }", {"-DX=1"});
  EXPECT_EQ(c.result, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(c.log.find("NVIDIA's NVRTC for sm_"), c.log.npos) << c.log;
  EXPECT_NE(c.log.find("test.cu(1): error"), c.log.npos) << c.log;
}

TEST(SoftCudaDeathTest, DoesNotGoOnWithoutNvidiasCompiler) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto compile = [] {
    setenv("SOFT_CUDA_NVRTC", "/no/such/libnvrtc.so", 1);
    const Compiled c = CompileText(kFill);
    std::fputs(c.log.c_str(), stderr);
    std::exit(c.result);
  };
  EXPECT_EXIT(compile(), testing::ExitedWithCode(NVRTC_ERROR_COMPILATION),
              "does not load: /no/such/libnvrtc.so");
}

// What compile_kept says of the texts in `folder`, and its status in the end.
std::string CompileKept(const std::string& folder) {
  const std::string command = "tests/soft_cuda/compile_kept " + folder + " 2>&1; echo status $?";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string said;
  for (int c; (c = std::fgetc(pipe)) != EOF;) said.push_back(static_cast<char>(c));
  pclose(pipe);
  return said;
}

TEST_F(SoftCuda, KeepsTextsThatAreThenCompiledForEveryArchitecture) {
  const std::string folder = testing::TempDir() + "/kept";
  std::filesystem::remove_all(folder);
  setenv("SOFT_CUDA_KEEP", folder.c_str(), 1);
  // The same names for different things, as the texts of one plugin have them.
  auto text = [](const std::string& type, const std::string& body) {
    return "typedef " + type + " T;\n#define N " + type + "(3)\nstruct S { T x; };\n" +
           "static __device__ T f(T x) { return x + N; }\n" +
           "extern \"C\" __global__ void k(T* p) { S s = {f(*p)}; *p = s.x; " + body + " }\n";
  };
  for (const char* type : {"int", "float", "double", "int"})
    EXPECT_EQ(CompileText(text(type, "")).result, NVRTC_SUCCESS);
  EXPECT_EQ(CompileText(text("int", ""), {"--fmad=false"}).result, NVRTC_SUCCESS);
  EXPECT_EQ(CompileText("#define K __global__\nextern \"C\" K void k() {}").result, NVRTC_SUCCESS);
  EXPECT_EQ(CompileKept(folder), "NVRTC took 5 texts for 5 architectures\nstatus 0\n");

  std::ofstream(folder + "/bad.cu") << "// bad.cu --std=c++17\n"
                                    << text("unsigned", "*p = __builtin_ia32_rdpmc(0);");
  const std::string said = CompileKept(folder);
  EXPECT_NE(said.find("bad.cu(5): error"), said.npos) << said;
  EXPECT_NE(said.find("the text of bad.cu:\ntypedef unsigned T;"), said.npos) << said;
  EXPECT_NE(said.find("status 1"), said.npos) << said;

  EXPECT_NE(CompileKept(folder + "/none").find("status 1"), std::string::npos);
  unsetenv("SOFT_CUDA_KEEP");
}

TEST_F(SoftCuda, FindsKernelsThatMacrosMake) {
  const CUfunction f = Kernel(R"(
#define KERNEL(name, T) extern "C" __global__ void name(T* p) { *p = 5; }
KERNEL(k, int)
KERNEL(l, float)
)");
  const CUdeviceptr p = Alloc(4);
  ASSERT_EQ(RunKernel(f, {1, 1}, p), CUDA_SUCCESS);
  EXPECT_EQ(Download<int>(p, 1)[0], 5);
}

TEST_F(SoftCuda, LowersNamesOfTemplates) {
  const char* text = "template <class T> __global__ void twice(T* p) { *p += *p; }";
  nvrtcProgram program = nullptr;
  const char *of_int = nullptr, *of_double = nullptr;
  size_t bytes = 0;
  api.nvrtcCreateProgram(&program, text, nullptr, 0, nullptr, nullptr);
  EXPECT_EQ(api.nvrtcAddNameExpression(program, "twice<int>"), NVRTC_SUCCESS);
  EXPECT_EQ(api.nvrtcAddNameExpression(program, "&twice<double>"), NVRTC_SUCCESS);
  const char* option = "-arch=sm_80";
  ASSERT_EQ(api.nvrtcCompileProgram(program, 1, &option), NVRTC_SUCCESS);
  ASSERT_EQ(api.nvrtcGetLoweredName(program, "twice<int>", &of_int), NVRTC_SUCCESS);
  ASSERT_EQ(api.nvrtcGetLoweredName(program, "&twice<double>", &of_double), NVRTC_SUCCESS);
  ASSERT_EQ(api.nvrtcGetCUBINSize(program, &bytes), NVRTC_SUCCESS);
  std::string cubin(bytes, '\0');
  ASSERT_EQ(api.nvrtcGetCUBIN(program, cubin.data()), NVRTC_SUCCESS);
  CUmodule module = nullptr;
  CUfunction f = nullptr;
  ASSERT_EQ(api.cuModuleLoadData(&module, cubin.data()), CUDA_SUCCESS);
  EXPECT_EQ(api.cuModuleGetFunction(&f, module, "twice"), CUDA_ERROR_NOT_FOUND);
  ASSERT_EQ(api.cuModuleGetFunction(&f, module, of_double), CUDA_SUCCESS);
  const CUdeviceptr p = Upload(std::vector<double>{1.5});
  ASSERT_EQ(RunKernel(f, {1, 1}, p), CUDA_SUCCESS);
  EXPECT_EQ(Download<double>(p, 1)[0], 3.0);
  EXPECT_EQ(api.cuModuleGetFunction(&f, module, of_int), CUDA_SUCCESS);
  EXPECT_EQ(api.nvrtcDestroyProgram(&program), NVRTC_SUCCESS);
}

TEST_F(SoftCuda, ShowsGlobals) {
  const Compiled c = CompileText(
      "__constant__ float table[4]; extern \"C\" __global__ void k(float* p) { *p = table[2]; }");
  CUmodule module = nullptr;
  CUfunction f = nullptr;
  CUdeviceptr table = 0;
  size_t bytes = 0;
  ASSERT_EQ(api.cuModuleLoadData(&module, c.cubin.data()), CUDA_SUCCESS);
  ASSERT_EQ(api.cuModuleGetGlobal_v2(&table, &bytes, module, "table"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 16u);
  EXPECT_EQ(api.cuModuleGetGlobal_v2(&table, &bytes, module, "nobody"), CUDA_ERROR_NOT_FOUND);
  const float values[] = {1, 2, 3, 4};
  ASSERT_EQ(api.cuMemcpyHtoD_v2(table, values, 16), CUDA_SUCCESS);
  const CUdeviceptr p = Alloc(4);
  ASSERT_EQ(api.cuModuleGetFunction(&f, module, "k"), CUDA_SUCCESS);
  ASSERT_EQ(RunKernel(f, {1, 1}, p), CUDA_SUCCESS);
  EXPECT_EQ(Download<float>(p, 1)[0], 3.f);
}

TEST_F(SoftCuda, CachesOnDisk) {
  const std::string folder = testing::TempDir() + "/soft_cuda_cache";
  std::filesystem::remove_all(folder);
  setenv("SOFT_CUDA_CACHE", folder.c_str(), 1);
  auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder),
                         std::filesystem::directory_iterator());
  };
  const Compiled first = CompileText(kFill);
  EXPECT_EQ(files(), 1);
  setenv("SOFT_CUDA_CXX", "/no/such/compiler", 1);
  EXPECT_NE(CompileText(kFill).result, NVRTC_SUCCESS) << "another compiler, another key";
  unsetenv("SOFT_CUDA_CXX");
  const std::string path = getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const Compiled again = CompileText(kFill), other = CompileText("// changed\n");
  setenv("PATH", path.c_str(), 1);
  unsetenv("SOFT_CUDA_CACHE");
  EXPECT_EQ(again.result, NVRTC_SUCCESS);
  EXPECT_EQ(again.cubin, first.cubin);
  EXPECT_EQ(other.result, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(other.log.find("SOFT_CUDA_CXX"), other.log.npos) << other.log;
}

TEST(Scan, FindsKernelsAndTheirBounds) {
  const Scan s = ScanText(R"(
// __global__ void comment(int) {}
extern "C" __global__ void declared(int);
extern "C" __global__ void __launch_bounds__(N * (2), 3) first(int a[4], void (*f)(int)) { if (a) { } }
extern "C" { __global__ void second() {} }
template <class T> __global__ void third() {}
__global__ void mangled() {}
namespace n { __global__ void inside() {} }
extern "C" void __global__ fourth(const char* s = "__global__ void string() {}") {}
)");
  std::string names;
  for (const Scan::Kernel& k : s.kernels) names += k.name + "(" + k.bound + ") ";
  EXPECT_EQ(names, "first(N * (2), 3) second(0) fourth(0) ");
  EXPECT_FALSE(s.waits);
  EXPECT_FALSE(s.shared);
  EXPECT_FALSE(s.macros);
}

TEST(Scan, SeesWhatNeedsFibers) {
  EXPECT_TRUE(ScanText("f(){__syncthreads();}").waits);
  EXPECT_TRUE(ScanText("f(){__ballot_sync(1,2);}").waits);
  EXPECT_TRUE(ScanText("#define S __shfl_##x").waits);
  EXPECT_FALSE(ScanText("f(){atomicAdd(p, 1);}").waits);
  EXPECT_TRUE(ScanText("f(){__shared__ int x;}").shared);
  EXPECT_FALSE(ScanText("f(){extern __shared__ int x[];}").shared);
  EXPECT_TRUE(ScanText("#define K \\\n __global__ void").macros);
}

}  // namespace
}  // namespace soft
