#include "render.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace {

struct Rendered {
  int32_t count = 0;
  std::string text, error;
  SyGpuSignature signature = {};
};

Rendered Render(int32_t dialect, const std::string& source, bool wide = false) {
  const std::unique_ptr<SyGpuLibrary, void (*)(SyGpuLibrary*)> library(
      sy_gpu_library_create(dialect), sy_gpu_library_free);
  Rendered r;
  SyGpuText text = {}, error = {};
  r.count = sy_gpu_render(library.get(), source.c_str(), nullptr, 0, wide, &text, &r.signature, 1,
                          &error);
  r.text = sy_gpu_text_get(&text);
  r.error = sy_gpu_text_get(&error);
  sy_gpu_text_free(&text);
  sy_gpu_text_free(&error);
  return r;
}

constexpr char kCopy[] =
    "kernel copy(in u16 x, out f32 y, u64 c[2], idx n) group 32 {\n"
    "  idx i = GLOBAL;\n"
    "  if (i < n) y[i] = f32(i32(x[i + 1])) * as_f32(u32(c[1])); // note\n"
    "}\n";

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Render, DescribesWhatADriverMustBind) {
  for (const bool wide : {false, true}) {
    const Rendered r = Render(SY_GPU_OPENCL, kCopy, wide);
    ASSERT_EQ(r.count, 1) << r.error;
    EXPECT_STREQ(r.signature.name, "copy");
    EXPECT_EQ(r.signature.group, 32);
    EXPECT_EQ(r.signature.buffer_count, 2);
    EXPECT_EQ(r.signature.element_bytes[0], 2);
    EXPECT_EQ(r.signature.element_bytes[1], 4);
    EXPECT_FALSE(r.signature.writes[0]);
    EXPECT_TRUE(r.signature.writes[1]);
    EXPECT_EQ(r.signature.param_bytes, 2 * 8 + 2 * 8 + (wide ? 8 : 4));
  }
}

TEST(Render, WritesEachDialectItsWay) {
  const Rendered cl = Render(SY_GPU_OPENCL, kCopy);
  EXPECT_TRUE(Has(cl.text, "global const u16* x")) << cl.text;
  EXPECT_TRUE(Has(cl.text, "y[i] = (f32)((i32)(x[i + 1])) * as_f32((u32)(p.m_c[1]))")) << cl.text;
  const Rendered cuda = Render(SY_GPU_CUDA, kCopy);
  EXPECT_TRUE(Has(cuda.text, "extern \"C\" __global__ __launch_bounds__(32) void copy("));
  EXPECT_TRUE(Has(cuda.text, "y[i] = f32(i32(x[i + 1])) * as_f32(u32(p.m_c[1]))")) << cuda.text;
  const Rendered narrow = Render(SY_GPU_GLSL, kCopy);
  EXPECT_TRUE(Has(narrow.text, "y_1.v[y_at + (i)] = f32(i32(x_1.v[x_at + (i + 1)]))"))
      << narrow.text;
  EXPECT_TRUE(Has(narrow.text, "push_constant"));
  const Rendered wide = Render(SY_GPU_GLSL, kCopy, true);
  EXPECT_TRUE(Has(wide.text,
                  "Ref_f32(y_at + u64(i) * 4ul).v = f32(i32(Ref_u16(x_at + u64(i + 1) * 2ul).v))"))
      << wide.text;
}

TEST(Render, MarksLiteralsOfDoubles) {
  const char* kSource = "kernel k(out f64 y, idx n) group 1 { y[0] = 1.5 + f64(2.5f) + 1.0e-3; }";
  EXPECT_TRUE(Has(Render(SY_GPU_GLSL, kSource).text, "1.5lf + f64(2.5f) + 1.0e-3lf"));
  EXPECT_TRUE(Has(Render(SY_GPU_OPENCL, kSource).text, "1.5 + (f64)(2.5f) + 1.0e-3;"));
}

TEST(Render, BringsInWhatATextUsesAndNothingElse) {
  const Rendered r =
      Render(SY_GPU_GLSL, "kernel k(inout f32 y, idx n) group 1 { y[0] = sin_f32(y[0]); }");
  ASSERT_EQ(r.count, 1) << r.error;
  const size_t table = r.text.find("kTwoOverPi"), reduce = r.text.find("AngleF32 reduce_f32("),
               sine = r.text.find("f32 sine_f32("), sin = r.text.find("f32 sin_f32(");
  EXPECT_LT(table, reduce);
  EXPECT_LT(reduce, sine);
  EXPECT_LT(sine, sin);
  EXPECT_NE(sin, std::string::npos);
  EXPECT_FALSE(Has(r.text, "lgamma"));
}

TEST(Render, RefusesWhatItCannotRender) {
  const std::pair<const char*, const char*> kCases[] = {
      {"kernel k(in f32 x, idx n, u64 c) group 1 { }", "64 bits behind 32"},
      {"kernel k(in f32 x, idx n) { }", "want \"group N\""},
      {"kernel k(in half x, idx n) group 1 { }", "no type of a parameter"},
      {"kernel k(in f32 x, idx n) group 1 { idx i = x; }", "a buffer without an index"},
      {"kernel k(in f32 x, idx n) group 1 { f32x4 v = load4(n, 0); }", "no buffer"},
      {"fn f32 f(f32 a) { return a; }", "functions go to the library"},
      {"int main() { }", "neither kernel nor fn"},
      {"", "no kernel"},
  };
  for (const auto& [source, want] : kCases) {
    const Rendered r = Render(SY_GPU_GLSL, source);
    EXPECT_EQ(r.count, -1) << source;
    EXPECT_TRUE(Has(r.error, want)) << source << ": " << r.error;
  }
}

TEST(Substitute, NamesWhatHasNoValue) {
  const char* pairs[] = {"A", "one", "AB", "two"};
  SyGpuText out = {}, error = {};
  EXPECT_TRUE(sy_gpu_substitute("$A $AB ${A}B", pairs, 2, &out, &error));
  EXPECT_STREQ(sy_gpu_text_get(&out), "one two oneB");
  EXPECT_FALSE(sy_gpu_substitute("$C", pairs, 2, &out, &error));
  EXPECT_STREQ(sy_gpu_text_get(&error), "kernel text: no value for $C");
  sy_gpu_text_free(&out);
  sy_gpu_text_free(&error);
}

}  // namespace
