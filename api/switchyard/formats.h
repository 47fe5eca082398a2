// sy::formats: files for tensors, over syf.h. Programs that call these functions link
// -lswitchyard_formats; others need not.
#ifndef SWITCHYARD_FORMATS_H_
#define SWITCHYARD_FORMATS_H_

#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"
#include "nn/state_dict.h"
#include "syf.h"

namespace sy::formats {

// Tensors by name, in the file's order; they lie over the mapped file.
inline nn::StateDict load_safetensors(const std::string& path) {
  SyfFile* opened = nullptr;
  sy::detail::Check(syf_safetensors_open(path.c_str(), &opened));
  const std::unique_ptr<SyfFile, void (*)(SyfFile*)> file(opened, &syf_file_release);
  std::vector<nn::StateDict::Entry> entries;
  for (int64_t i = 0; i < syf_file_count(file.get()); ++i) {
    SyTensor* tensor = nullptr;
    sy::detail::Check(syf_file_tensor(file.get(), i, &tensor));
    entries.emplace_back(syf_file_name(file.get(), i), Tensor::take(tensor));
  }
  return nn::StateDict(std::move(entries));
}
inline void save_safetensors(const std::string& path, const nn::StateDict& dict) {
  std::vector<const char*> names;
  std::vector<SyTensor*> tensors;
  for (const auto& [name, tensor] : dict) {
    names.push_back(name.c_str());
    tensors.push_back(tensor.handle());
  }
  sy::detail::Check(syf_safetensors_save(path.c_str(), names.data(), tensors.data(),
                                         static_cast<int64_t>(names.size()), nullptr, nullptr, 0));
}

inline Tensor load_npy(const std::string& path) {
  SyTensor* tensor = nullptr;
  sy::detail::Check(syf_npy_load(path.c_str(), &tensor));
  return Tensor::take(tensor);
}
inline void save_npy(const std::string& path, const Tensor& tensor) {
  sy::detail::Check(syf_npy_save(path.c_str(), tensor.handle()));
}

// A table of numbers, .csv or .csv.gz, as f32 [rows, columns].
inline Tensor load_csv(const std::string& path) {
  SyTensor* tensor = nullptr;
  sy::detail::Check(syf_csv_load(path.c_str(), &tensor));
  return Tensor::take(tensor);
}

}  // namespace sy::formats

namespace sy::nn {

inline void ModuleBase::save(const std::string& path) const {
  formats::save_safetensors(path, state_dict());
}
inline void ModuleBase::load(const std::string& path, bool strict) {
  load_state_dict(formats::load_safetensors(path), strict);
}

}  // namespace sy::nn

#endif  // SWITCHYARD_FORMATS_H_
