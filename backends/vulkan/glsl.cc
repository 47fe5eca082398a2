// GLSL to SPIR-V by glslang.
#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <glslang/build_info.h>

#include "device.h"

namespace sy::vulkan {

std::string CompilerVersion() {
  return "glslang " + std::to_string(GLSLANG_VERSION_MAJOR) + "." +
         std::to_string(GLSLANG_VERSION_MINOR) + "." + std::to_string(GLSLANG_VERSION_PATCH);
}

std::vector<uint32_t> CompileGlsl(const char* text, const char* name, std::string* error) {
  static const bool kReady = glslang_initialize_process() != 0;
  std::vector<uint32_t> words;
  if (!kReady) {
    *error = "glslang does not start";
    return words;
  }
  glslang_input_t input = {};
  input.language = GLSLANG_SOURCE_GLSL;
  input.stage = GLSLANG_STAGE_COMPUTE;
  input.client = GLSLANG_CLIENT_VULKAN;
  input.client_version = GLSLANG_TARGET_VULKAN_1_1;
  input.target_language = GLSLANG_TARGET_SPV;
  input.target_language_version = GLSLANG_TARGET_SPV_1_3;
  input.code = text;
  input.default_version = 450;
  input.default_profile = GLSLANG_NO_PROFILE;
  input.messages = GLSLANG_MSG_DEFAULT_BIT;
  input.resource = glslang_default_resource();
  glslang_shader_t* shader = glslang_shader_create(&input);
  glslang_program_t* program = glslang_program_create();
  if (!glslang_shader_preprocess(shader, &input) || !glslang_shader_parse(shader, &input)) {
    *error = glslang_shader_get_info_log(shader);
  } else {
    glslang_program_add_shader(program, shader);
    if (!glslang_program_link(program, GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT)) {
      *error = glslang_program_get_info_log(program);
    } else {
      glslang_program_SPIRV_generate(program, GLSLANG_STAGE_COMPUTE);
      words.resize(glslang_program_SPIRV_get_size(program));
      glslang_program_SPIRV_get(program, words.data());
    }
  }
  (void)name;
  glslang_program_delete(program);
  glslang_shader_delete(shader);
  return words;
}

}  // namespace sy::vulkan
