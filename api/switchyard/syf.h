// syf.h: files for tensors, in libswitchyard_formats.so over sy.h: safetensors, NPY, tables of
// numbers (.csv, .csv.gz).
//
// The conventions are those of sy.h: statuses, sy_last_message(), out-parameters, ownership. A file
// that is not what it says, or is damaged or cut, is refused with SY_DATA_LOSS (SY_UNIMPLEMENTED:
// an unknown dtype or version) and one line that names it; it never crashes the reader. Tensors
// that are read lie on cpu:0, or on the thread's current device where no CPU device is loaded. All
// functions block.
#ifndef SWITCHYARD_SYF_H_
#define SWITCHYARD_SYF_H_

#include "sy.h"

#ifdef __cplusplus
extern "C" {
#endif

// An opened safetensors file.
typedef struct SyfFile SyfFile;

// Maps the file and checks its whole header: size, JSON, dtypes, shapes, and offsets that cover the
// data without gap or overlap.
SY_API SyStatus syf_safetensors_open(const char* path, SyfFile** out_file);
SY_API void syf_file_release(SyfFile* file);  // tensors read from it stay valid
// Tensors in the order of the header.
SY_API int64_t syf_file_count(const SyfFile* file);
SY_API const char* syf_file_name(const SyfFile* file,
                                 int64_t index);  // lives with the file; NULL if out of range
// A tensor over the mapped file, read on first touch; writes to it stay in memory. It must not be
// cut or overwritten in place by others meanwhile (syf_safetensors_save() replaces files, which is
// safe).
SY_API SyStatus syf_file_tensor(const SyfFile* file, int64_t index, SyTensor** out_tensor);
// The text of a key of the header's __metadata__, NULL if it is not there; lives with the file.
SY_API const char* syf_file_metadata(const SyfFile* file, const char* key);

// Writes `count` tensors by name. keys and values: metadata_count texts of metadata; may be NULL.
// The file appears under its name only when it is complete.
SY_API SyStatus syf_safetensors_save(const char* path, const char* const* names,
                                     SyTensor* const* tensors, int64_t count,
                                     const char* const* keys, const char* const* values,
                                     int64_t metadata_count);

// NumPy's .npy, versions 1 to 3, little-endian numbers and bools, in C or Fortran order.
SY_API SyStatus syf_npy_load(const char* path, SyTensor** out_tensor);
SY_API SyStatus syf_npy_save(const char* path, SyTensor* tensor);

// A table of comma-separated numbers without a heading, plain or compressed by gzip, as f32 [rows,
// columns].
SY_API SyStatus syf_csv_load(const char* path, SyTensor** out_tensor);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SWITCHYARD_SYF_H_
